"""From the import of a tree to a notice in somebody's list: the services together."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.escalations import EscalationRaised
from contracts.topics import PARTITIONS
from deploy.embedded import servers
from shared.clock import MICROSECOND
from shared.commands import rebuild_states, trace_story, verify_books
from tests.support.eventually import eventually
from tests.support.servers import running
from tests.support.village import DUTY, REPORT, TOWNSHIP, VILLAGE, Village, a_village
from tests.support.wire import facts_on

pytestmark = pytest.mark.usefixtures("driver")

OPENS_AT = datetime(2025, 12, 31, 16, tzinfo=UTC)
"""The first moment of 2026 in Shanghai."""
DUE_AT = datetime(2026, 1, 31, 16, tzinfo=UTC)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own."""
    with running(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
async def village(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Village]:
    async with a_village(tmp_path, broker, mongo_uri, at=OPENS_AT - timedelta(minutes=1)) as village:
        yield village


async def told(village: Village, kind: str, post: str) -> list[dict[str, Any]]:
    """Return the notices of a kind to a post about the village's duty."""
    return [one for one in await village.notices() if (one["kind"], one["post"]) == (kind, post)]


async def test_a_duty_that_nobody_fulfils_goes_from_the_schedule_to_somebodys_list(
    village: Village, broker: str
) -> None:
    assert (await village.set_schedule()).is_success
    assert await village.report() is None

    await village.set_clock(OPENS_AT)
    report = await eventually(village.report)
    assert (report["status"], datetime.fromisoformat(report["due_at"])) == ("open", DUE_AT)
    assert [edge["recipient"] for edge in report["edges"]] == [TOWNSHIP, f"{TOWNSHIP}-dc"]
    watch = await eventually(village.watch)
    assert watch["status"] == "watching"
    assert await told(village, "escalation", f"{VILLAGE}/handler") == []

    await village.set_clock(DUE_AT + MICROSECOND)
    (missed,) = await eventually(lambda: told(village, "escalation", f"{VILLAGE}/handler"))
    assert missed["step"] == 0
    assert (await village.watch())["status"] == "climbing"

    facts = [fact for fact in await trace_story(broker, REPORT) if fact.data.get("duty") == DUTY]
    types = [fact.type for fact in facts]
    assert types.index("duties.duty-opened.v1") < types.index("escalations.duty-missed.v1")
    assert [fact.data["post"] for fact in facts if fact.type == EscalationRaised.type] == [
        f"{VILLAGE}/handler"
    ]


async def test_what_is_said_again_after_a_crash_is_in_nobodys_list_twice(
    village: Village, broker: str
) -> None:
    """The crash is one between what the relay sent and its mark."""
    await village.set_clock(DUE_AT + MICROSECOND)
    await village.set_schedule()
    await eventually(lambda: told(village, "escalation", f"{VILLAGE}/handler"))
    notices = village.store("reminders").database["notices"]

    await village.stop("reminders")
    listed = await notices.find().sort("_id").to_list(None)
    said = await said_by_reminders(broker)
    await forget_what_was_said(village)
    await village.start("reminders")
    books = village.processes["reminders"].service.books
    await eventually(lambda: all(book.said == book.head for book in books.values()))

    await eventually(lambda: is_said_again(broker, said))
    await village.stop("reminders")
    known = {"_id": {"$in": [notice["_id"] for notice in listed]}}
    assert await notices.find(known).sort("_id").to_list(None) == listed
    seen = [
        (notice["duty"], notice["post"], notice["kind"], notice["step"]) async for notice in notices.find()
    ]
    assert len(seen) == len(set(seen))
    for name, process in village.processes.items():
        plan, store = process.plan, village.store(name)
        _, faults = await verify_books(store, plan.books, {})
        states, different = await rebuild_states(store, plan.books, plan.decider.shape, write=False)
        assert (faults, different) == ([], [])
        assert states


async def said_by_reminders(broker: str) -> Counter[tuple[bytes, bytes]]:
    return Counter(
        (record.key, record.value) for record in await facts_on(broker, "reminders", "escalations")
    )


async def is_said_again(broker: str, before: Counter[tuple[bytes, bytes]]) -> bool:
    now = await said_by_reminders(broker)
    return all(now[record] == times + 1 for record, times in before.items())


async def forget_what_was_said(village: Village) -> None:
    """Take back the marks of reminders, as if it had died before it set them."""
    store = village.store("reminders")
    for book in range(PARTITIONS):
        marks = await store.marks(book)
        await store.set_marks({book: {"said": 0, "told": 0, "incarnation": marks["incarnation"]}})
