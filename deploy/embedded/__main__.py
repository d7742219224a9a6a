"""The main job: ``make run`` plays the story of a year on the embedded servers."""

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts.topics import PARTITIONS
from deploy.embedded.check import judge_ledgers, judge_topics
from deploy.embedded.client import StuckError
from deploy.embedded.findings import Findings
from deploy.embedded.parameters import TREES, Parameters
from deploy.embedded.story import Story
from deploy.embedded.summary import print_summary
from deploy.embedded.supervisor import SERVICES, Stack
from deploy.embedded.texts import Texts, language_of
from deploy.embedded.view import View
from shared import events
from shared.clock import monotonic
from shared.mongo import MongoStore, connect, disconnect
from shared.settings import Settings


async def newest_page(settings: Settings) -> int:
    """Return the latest moment in any ledger, in microseconds: the clock never goes back behind it."""
    client = connect(settings.mongo_uri)
    newest = 0
    for name in SERVICES:
        store = MongoStore(client, name)
        for book in range(PARTITIONS):
            newest = max(newest, await store.newest_at(book))
    await disconnect(client)
    return newest


async def play(stack: Stack, parameters: Parameters, view: View, say: Texts, *, once: bool) -> int:
    """Play the story, judge it, and stay up unless *once*; return the exit status."""
    began = monotonic()
    settings = Settings(mongo_uri=stack.mongo_uri, kafka_address=stack.broker.address)
    view.tell("starting")
    await stack.start_servers()
    story = Story(stack, parameters, view.show)
    try:
        await story.clock.start(await newest_page(settings))
        await stack.start_services()
        await story.connect()
        await view.watch(story)
        await story.prepare()
        await story.play()
        levels = await story.levels()
    finally:
        await view.end()
        await story.close()
    findings = Findings()
    await judge_topics(stack.broker.address, story.tally, levels, findings)
    if once:
        await stack.stop_services()
    await judge_ledgers(settings, stack.heads, findings)
    seconds = monotonic() - began
    print_summary(view.console, say, findings, seconds=seconds, restarts=stack.restarts)
    if not once:
        for name, service in stack.services.items():
            view.console.print(f"{name}: http://{service.address}/docs")
        directory = stack.services["directory"].address
        view.console.print(f"topics / 主题: http://{directory}{events.PAGE}")
        view.tell("up")
        await asyncio.Event().wait()
    return 1 if findings.wrong else 0


async def run(stack: Stack, parameters: Parameters, say: Texts, *, once: bool) -> int:
    """Run until the end or until told to stop; whatever happens, end what was started."""
    view = View(Console(), say)
    task = asyncio.ensure_future(play(stack, parameters, view, say, once=once))
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
    tree: Annotated[
        str, typer.Option(help="dongtou, wenzhou, or the code of the subtree that plays / 演示范围")
    ] = "dongtou",
    seed: Annotated[int, typer.Option(help="who does what / 随机种子")] = 1,
    fresh: Annotated[bool, typer.Option(help="forget earlier runs / 清除旧数据")] = False,
    lang: Annotated[str | None, typer.Option(help="en or zh; by locale if left out / 语言")] = None,
    data: Annotated[Path, typer.Option(help="folder for data and logs / 数据目录")] = Path(".data"),
) -> None:
    """演示一年：责任下传，逾期上报 / Play the story of a year: duties travel down, missed ones climb up."""
    if fresh:
        shutil.rmtree(data, ignore_errors=True)
    parameters = Parameters(root=TREES.get(tree, tree), seed=seed)
    raise typer.Exit(asyncio.run(run(Stack(data), parameters, Texts(language_of(lang)), once=once)))


if __name__ == "__main__":
    typer.run(main)
