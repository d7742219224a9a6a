"""The main job: ``make run`` plays the story of a year on the embedded servers."""

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from deploy.embedded.check import Findings, judge, judge_filings, judge_ledgers, read_topics
from deploy.embedded.story import Parameters, Story, StuckError
from deploy.embedded.supervisor import Stack
from deploy.embedded.view import View, print_summary
from shared.clock import monotonic
from shared.mongo import MongoStore, connect, disconnect
from shared.settings import Settings


async def newest_page(settings: Settings) -> int:
    """Return the latest moment in any ledger, in microseconds: the clock never goes back behind it."""
    client = connect(settings.mongo_uri)
    newest = 0
    for name, books in (("directory", 1), ("reporting", 12), ("reminders", 12)):
        store = MongoStore(client, name)
        for book in range(books):
            newest = max(newest, await store.newest_at(book))
    await disconnect(client)
    return newest


async def play(stack: Stack, parameters: Parameters, *, once: bool) -> int:
    """Play the story, judge it, and stay up unless *once*; return the exit status."""
    began = monotonic()
    settings = Settings(mongo_uri=stack.mongo_uri, kafka_address=stack.broker.address)
    with View() as view:
        view.console.print("starting servers / 启动服务器")
        await stack.start_servers()
        story = Story(stack, parameters, view.show)
        await story.set_clock(await newest_page(settings))
        await stack.start_services()
        await story.connect()
        try:
            await story.prepare()
            await story.play()
        finally:
            await story.close()
    findings = Findings()
    streams = await read_topics(
        stack.broker.address, ("directory", "duties", "reports", "reminders", "escalations")
    )
    judge(streams, findings)
    judge_filings(streams, story.tally.filings, findings)
    units = sum(subject.startswith("unit:") for subject in streams)
    if once:
        await stack.stop_services()
    await judge_ledgers(settings, stack.heads, findings)
    print_summary(view.console, findings, units, monotonic() - began, stack.restarts)
    if not once:
        for name, service in stack.services.items():
            view.console.print(f"{name}: http://{service.address}/docs")
        view.console.print("make token → Authorization: Bearer …   Ctrl-C ends / 按 Ctrl-C 结束")
        await asyncio.Event().wait()
    return 1 if findings.wrong else 0


async def run(stack: Stack, parameters: Parameters, *, once: bool) -> int:
    """Run until the end or until told to stop; whatever happens, end what was started."""
    task = asyncio.ensure_future(play(stack, parameters, once=once))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130 if once else 0
    except StuckError as error:
        typer.echo(f"stuck: {error}\nlogs: {stack.folder / 'logs'}", err=True)
        return 1
    finally:
        with suppress(asyncio.CancelledError):
            await stack.stop()


def main(
    *,
    once: Annotated[bool, typer.Option(help="play to the end, print a summary, exit / 演完即退出")] = False,
    root: Annotated[
        str, typer.Option(help="the subtree that plays, by its code / 演示的行政区代码")
    ] = "330305",
    seed: Annotated[int, typer.Option(help="who does what / 随机种子")] = 1,
    fresh: Annotated[bool, typer.Option(help="forget earlier runs / 清除旧数据")] = False,
    data: Annotated[Path, typer.Option(help="folder for data and logs / 数据目录")] = Path(".data"),
) -> None:
    """演示一年：责任下传，逾期上报 / Play the story of a year: duties travel down, missed ones climb up."""
    if fresh:
        shutil.rmtree(data, ignore_errors=True)
    raise typer.Exit(asyncio.run(run(Stack(data), Parameters(root=root, seed=seed), once=once)))


if __name__ == "__main__":
    typer.run(main)
