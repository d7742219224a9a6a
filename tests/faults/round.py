"""One round: a story from its beginning to its end while somebody strikes, and what the judge says of it."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deploy.embedded import servers
from deploy.embedded.check import judge_ledgers, judge_topics
from deploy.embedded.client import PATIENCE, StuckError
from deploy.embedded.findings import Findings
from deploy.embedded.lessons import lessons
from deploy.embedded.parameters import Parameters
from deploy.embedded.servers import GLANCE, Server, ServerDiedError
from deploy.embedded.story import Story
from deploy.embedded.supervisor import Stack
from shared.clock import monotonic
from shared.settings import Settings
from tests.faults.checker import check_topics
from tests.faults.striker import Record, Striker
from tests.faults.strikes import Kind, Strike
from tests.faults.verdict import Verdict
from tests.real import broker as real_broker

TOWNSHIP = "330305202"
VILLAGE = "330305202200"
"""With its township, county, city and province it is the smallest tree that has every rung."""
RESTARTS = 100_000
BROKER_KILLED = (Kind.KILL, "broker")
FORGETS = "memory://tansu/"
"""What the embedded broker is told: it keeps its records in memory."""


def kafka(folder: Path) -> Server:
    """Return an Apache Kafka that keeps its records in *folder*, in place of the embedded broker."""
    embedded = servers.broker(folder / "logs")
    keeping = (part.replace(FORGETS, f"file://{folder / 'broker'}") for part in embedded.command[1:])
    return replace(embedded, command=[sys.executable, real_broker.__file__, *keeping])


async def play(
    stack: Stack,
    parameters: Parameters,
    strikes: Iterator[Strike],
    record: Record,
    *,
    exhaust: bool = False,
    patience: float = PATIENCE,
    is_restless: bool = False,
) -> Verdict:
    """Play a story on *stack* under *strikes* and judge it; to *exhaust* is to strike all of them."""
    verdict, lost_before = Verdict(), record.strikes[BROKER_KILLED]
    await stack.start_servers()
    story = Story(stack, parameters, lambda _story: None, patience=patience)
    try:
        await story.clock.start(0)
        await stack.start_services()
        await story.connect()
        striker = Striker(stack, story, strikes, record, is_restless=is_restless)
        await _under_strikes(story, striker, exhaust=exhaust)
        forgets = any(FORGETS in part for part in stack.broker.command)
        is_broker_lost = forgets and record.strikes[BROKER_KILLED] > lost_before
        verdict = await _judged(stack, story, is_broker_lost=is_broker_lost)
    except* (StuckError, ServerDiedError) as stuck:
        verdict.wrong["other"] += [f"stuck: {error}" for error in leaves(stuck)]
    finally:
        await story.close()
        await stack.stop()
    return verdict


def leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    """Yield what went wrong, each by itself."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


async def _under_strikes(story: Story, striker: Striker, *, exhaust: bool) -> None:
    """Play to the end; if either story or striker is stuck, so is the other."""
    async with asyncio.TaskGroup() as group:
        striking = group.create_task(striker.run())
        await story.prepare()
        await _until_heard(story)
        striker.may_lose_records.set()
        await story.play()
        striker.is_ended = not exhaust
        while not striking.done():
            await story.clock.settle()
            await asyncio.sleep(GLANCE.total_seconds())


async def _until_heard(story: Story) -> None:
    """Wait until every duty that was brought is open: till then only the broker holds it."""
    for duty in owed(story):
        began, is_open = monotonic(), False
        while not is_open:
            try:
                await story.client.get("reporting", f"/v1/duties/{duty}", "operator")
                is_open = True
            except StuckError:
                if monotonic() - began > story.client.patience:
                    raise
                await asyncio.sleep(GLANCE.total_seconds())


def owed(story: Story) -> list[str]:
    """Return the duties that the story's foreign system brings."""
    return [wish.duty for wish in lessons(story.parameters, story.rows)]


async def _judged(stack: Stack, story: Story, *, is_broker_lost: bool) -> Verdict:
    """Judge what the topics hold, and once all services have stopped, the ledgers."""
    findings = Findings()
    address = stack.broker.address
    await judge_topics(address, story.tally, await story.levels(), findings)
    await stack.stop_services()
    settings = Settings(mongo_uri=stack.mongo_uri, kafka_address=address)
    await judge_ledgers(settings, stack.heads, findings)
    verdict = await check_topics(address, stack.mongo_uri, owed(story), story.duties, story.tally)
    verdict.take(findings, is_broker_lost=is_broker_lost)
    return verdict
