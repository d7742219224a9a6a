"""One round: a story from its beginning to its end while somebody strikes, and what the judge says of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from deploy.embedded.check import judge_ledgers, judge_topics
from deploy.embedded.client import PATIENCE, StuckError
from deploy.embedded.findings import Findings
from deploy.embedded.lessons import lessons
from deploy.embedded.parameters import Parameters
from deploy.embedded.servers import GLANCE
from deploy.embedded.story import Story
from deploy.embedded.supervisor import Stack
from shared.clock import monotonic
from shared.settings import Settings
from tests.faults.checker import check_topics
from tests.faults.striker import Record, Striker
from tests.faults.strikes import Kind, Strike
from tests.faults.verdict import Verdict

TOWNSHIP = "330305202"
VILLAGE = "330305202200"
"""With its township, county, city and province it is the smallest tree that has every rung."""
RESTARTS = 10_000
BROKER_LOST = (Kind.KILL, "broker")
"""The embedded broker keeps its records in memory."""


async def play(
    folder: Path, parameters: Parameters, strikes: Iterator[Strike], record: Record, *, exhaust: bool = False
) -> Verdict:
    """Play a story in *folder* under *strikes* and judge it; to *exhaust* is to strike all of them."""
    stack, lost_before = Stack(folder, restarts=RESTARTS), record.strikes[BROKER_LOST]
    await stack.start_servers()
    story = Story(stack, parameters, lambda _story: None)
    try:
        await story.clock.start(0)
        await stack.start_services()
        await story.connect()
        await _under_strikes(story, Striker(stack, story, strikes, record), exhaust=exhaust)
        is_broker_lost = record.strikes[BROKER_LOST] > lost_before
        return await _judged(stack, story, is_broker_lost=is_broker_lost)
    except StuckError as error:
        verdict = Verdict()
        verdict.wrong["other"].append(f"stuck: {error}")
        return verdict
    finally:
        await story.close()
        await stack.stop()


async def _under_strikes(story: Story, striker: Striker, *, exhaust: bool) -> None:
    striking = asyncio.ensure_future(striker.run())
    try:
        await story.prepare()
        await _until_heard(story)
        striker.may_lose_records.set()
        await story.play()
        striker.is_ended = not exhaust
        while not striking.done():
            await story.clock.settle()
            await asyncio.sleep(GLANCE.total_seconds())
        striking.result()
    finally:
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)


async def _until_heard(story: Story) -> None:
    """Wait until every duty that was brought is open: till then only the broker holds it."""
    for duty in owed(story):
        began, is_open = monotonic(), False
        while not is_open:
            try:
                await story.client.get("reporting", f"/v1/duties/{duty}", "operator")
                is_open = True
            except StuckError:
                if monotonic() - began > PATIENCE:
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
