"""Deadline day of reminders alone: ``python -m tests.bench.deadline``; beside it stands ``make peers``."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from contracts.topics import PARTITIONS
from deploy.embedded.servers import broker, database, mongo_uri
from shared.clock import real_now
from shared.kafka import KafkaOutlet, make_topics
from shared.service import topics
from tests.bench.alone import Alone, is_ready, raised
from tests.bench.watching import table, watch

LEAD = timedelta(seconds=20)
"""From an empty store to a process that is ready."""
LAID_PER_SECOND = 2_000
SAID_EVERY = 1.0


async def drain(count: int) -> None:
    """Let *count* duties become due at one instant and print what became of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = (broker(folder), database(folder))
        for server in servers:
            await server.start()
        address, uri = servers[0].address, mongo_uri(servers[1])
        alone = Alone(uri, address, await make_topics(address, topics(), PARTITIONS), folder)
        due_at = real_now() + LEAD + timedelta(seconds=count / LAID_PER_SECOND)
        await alone.lay(count, due_at)
        await alone.say_tree()
        service, outlet = alone.service(), KafkaOutlet(address)
        await service.start()
        await outlet.start()
        while not await is_ready(service):  # noqa: ASYNC110 a process sets no event
            await asyncio.sleep(0.1)
        if real_now() >= due_at:
            raise typer.BadParameter("the duties were due before reminders was ready / 服务就绪前已到期")
        saying = asyncio.create_task(_say_often(alone, outlet))
        watching = watch(
            address,
            topic="escalations",
            partitions=PARTITIONS,
            instant=due_at.timestamp(),
            expected=count,
            pids=[child.pid for child in (service, *servers) if child.pid is not None],
            rows=alone.rows,
            named=raised,
            patience=timedelta(seconds=60),
        )
        drained = await watching
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        await outlet.stop()
        for child in (service, *reversed(servers)):
            await child.stop()
    typer.echo(f"reminders alone, {count:,} duties due at one instant")
    typer.echo(f"Said every {SAID_EVERY} s; the wait for it counts here")
    typer.echo("\n".join(table({"zeren": [drained]})))


async def _say_often(alone: Alone, outlet: KafkaOutlet) -> None:
    """Say for the others that all is out, as they do."""
    while True:
        await alone.say_said(outlet)
        await asyncio.sleep(SAID_EVERY)


def main(
    count: Annotated[int, typer.Option(help="duties due at one instant / 同一时刻到期的事项数")] = 10_000,
) -> None:
    """Drain one deadline with reminders itself."""
    uvloop.run(drain(count))


if __name__ == "__main__":
    typer.run(main)
