"""Print how fast the floor and the peers drain deadline day: ``make peers``; one run interleaves them all."""

import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from pymongo import AsyncMongoClient

from contracts.topics import TOPICS
from deploy.embedded.servers import broker, database, mongo_uri
from shared.kafka import make_topics
from tests.bench.peers.contestant import DATABASE, TOPIC, Contestant, Day
from tests.bench.peers.queues import postgres, postgres_lacks, redis, redis_lacks
from tests.bench.watching import Drained, table, watch

CONTESTANTS = (
    Contestant("floor", "floor"),
    Contestant("huey", "with_huey", 2, redis, redis_lacks),
    Contestant("dramatiq", "with_dramatiq", 2, redis, redis_lacks),
    Contestant("celery", "with_celery", 2, redis, redis_lacks),
    Contestant("procrastinate", "with_procrastinate", 2, postgres, postgres_lacks),
)
LEAD, LEAD_PER_DUTY = 6.0, 0.002
"""Seconds before the instant: all is laid down and every process ready by then."""
MARGIN = 2.0
"""Seconds that a worker needs at least between what was laid down and the instant."""


class LateError(Exception):
    """The duties were not laid down in time before the instant: the run would say nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: loaded too late for the instant / 装载未能在到期时刻前完成")


async def stored(day: Day) -> Collection[str]:
    """Return the duties that have a row, in a document of its own or in a page."""
    client: AsyncMongoClient[Any] = AsyncMongoClient(day.mongo)
    async with client:
        rows = [str(row["_id"]) async for row in client[DATABASE]["rows"].find({}, {"_id": 1})]
        pages = [page async for page in client[DATABASE]["pages"].find({}, {"duties": 1})]
    return [*rows, *(duty.decode() for page in pages for duty in page["duties"])]


async def measure(
    contestant: Contestant, count: int, partitions: int, folder: Path, *, is_journaled: bool
) -> Drained:
    """Let one contestant fire *count* duties on servers of its own."""
    servers = [broker(folder), database(folder)]
    if contestant.queue is not None:
        servers.append(contestant.queue(folder))
    try:
        for server in servers:
            await server.start()
        await make_topics(servers[0].address, [TOPIC], partitions)
        due_at = time.time() + LEAD + LEAD_PER_DUTY * count
        queue = servers[2].address if contestant.queue is not None else ""
        day = Day(count, due_at, mongo_uri(servers[1]), servers[0].address, partitions, queue, is_journaled)
        contestant.load(day)
        if time.time() + MARGIN > due_at:
            raise LateError(contestant.name)
        contestant.start(day)
        return await watch(
            day.kafka,
            topic=TOPIC,
            partitions=partitions,
            instant=due_at,
            expected=count,
            pids=[*contestant.pids, *(server.pid for server in servers if server.pid)],
            rows=lambda: stored(day),
        )
    finally:
        contestant.stop()
        for server in servers:
            await server.stop()


def present(names: Sequence[str]) -> list[Contestant]:
    """Return the named contestants, or all, that can run here; say which cannot."""
    chosen = [contestant for contestant in CONTESTANTS if not names or contestant.name in names]
    for contestant in chosen:
        if lacks := ", ".join(contestant.lacks()):
            typer.echo(
                f"{contestant.name}: not run here: {lacks} missing / 未在此运行，缺少：{lacks}", err=True
            )
    return [contestant for contestant in chosen if not contestant.lacks()]


def main(
    count: Annotated[int, typer.Option(help="duties due at one instant / 同时到期的责任数")] = 10_000,
    rounds: Annotated[int, typer.Option(help="rounds, of which the median counts / 轮数，取中位数")] = 3,
    only: Annotated[str, typer.Option(help="names, by commas / 只测这些，以逗号分隔")] = "",
    journaled: Annotated[
        bool, typer.Option(help="an insert waits for the journal on disk / 插入是否等待日志落盘")
    ] = True,
    partitions: Annotated[int, typer.Option(help="of the topic / 主题分区数")] = TOPICS[TOPIC].partitions,
) -> None:
    """Measure how the floor and the peers fire duties that are all due at one instant."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := set(names) - {contestant.name for contestant in CONTESTANTS}:
        raise typer.BadParameter(f"nobody is called so / 没有这个名称: {', '.join(sorted(unknown))}")
    chosen = present(names)
    if not chosen:
        raise typer.Exit(1)
    drained: dict[str, list[Drained]] = {contestant.name: [] for contestant in chosen}
    for number in range(1, rounds + 1):
        for contestant in chosen:
            with tempfile.TemporaryDirectory(prefix="zeren-") as folder:
                result = uvloop.run(
                    measure(contestant, count, partitions, Path(folder), is_journaled=journaled)
                )
            drained[contestant.name].append(result)
            typer.echo(
                f"{number} {contestant.name}: {result.facts:,} facts, {result.rows:,} rows, "
                f"{result.per_second:,.0f}/s",
                err=True,
            )
    inserts = "inserts journaled" if journaled else "inserts not journaled"
    typer.echo(
        f"{count:,} duties due at one instant, {partitions} partitions, {inserts}, medians of {rounds}"
    )
    for line in table({name: results for name, results in drained.items() if results}):
        typer.echo(line)
    if not all(result.is_correct for results in drained.values() for result in results):
        typer.echo("a contestant is not correct / 有参测者结果不正确", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
