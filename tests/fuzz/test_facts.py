"""Bent facts on every topic of every service: none stops it, and none is lost without a word."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.duties import DutyOpened, Line
from contracts.duties_in import DutyBrought
from contracts.envelope import Envelope, Fact, Said
from contracts.escalations import DutyMissed
from contracts.topics import FACTS, PARTITIONS
from shared.consumer import UnreadableError, read
from shared.state import Inbound
from tests.support import garbage
from tests.support.garbage import EXAMPLES
from tests.support.kit import entries
from tests.support.mutations import records
from tests.support.running import Running

AT_ONCE = 4
"""So many bent ones between two good ones: fewer than stop a service."""
DONE = ("applied", "nothing", "duplicate", "refused")
A_MONTH = timedelta(days=31)
TOPIC = {"reporting": "duties-in", "reminders": "duties", "inspection": "escalations", "scoring": "duties"}


def a_good_one(topic: str, n: int, running: Running) -> Fact:
    """Return the n-th fact that nothing is wrong with."""
    due_at = running.clock.moment + timedelta(days=20)
    duty: dict[str, Any] = {
        "unit": "town",
        "kind": "lesson",
        "line": Line.MAIN,
        "recipient": "county",
        "period": "2026",
    }
    match topic:
        case "duties":
            return DutyOpened(duty=f"good-{n}", **duty, due_at=due_at, policy="standard/1", occurrence="")
        case "escalations":
            return DutyMissed(duty=f"good-{n}", **duty, due_at=running.clock.moment)
        case _:
            return DutyBrought(duty=f"somebody.good-{n}", **duty, due_at=due_at)


class Listening:
    """A service that hears bent records and good ones, and what it makes of them."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.results: Counter[str] = Counter()
        self._good: list[Inbound] = []
        note = running.service.note

        def noted(topic: str, type_: str, result: str) -> None:
            self.results[result] += 1
            note(topic, type_, result)

        running.service.intake._on_outcome = noted

    async def hear(self, topic: str, bent: Sequence[Inbound]) -> None:
        """Hear bent records, and a good one behind every few of them."""
        for n in range(0, len(bent), AT_ONCE):
            good = a_good_one(topic, n, self.running)
            (record,) = self.running.others.say([good], self.running.clock.moment)
            self._good.append(record._replace(token=self.token))
            part = [record._replace(offset=n + at) for at, record in enumerate(bent[n : n + AT_ONCE])]
            await self.running.hears_again([*part, self._good[-1]])

    @property
    def token(self) -> str:
        """Return a token that may bring duties."""
        header = self.running.token(*garbage.ROLES, unit=garbage.ROOT)["Authorization"]
        return header.removeprefix("Bearer ")

    async def check(self, bent: Sequence[Inbound]) -> None:
        """See that it goes on, that the good ones are applied, and that every bent one is accounted for."""
        assert self.running.service._fatal is None
        assert not self.running.service._stopping.is_set()
        store = self.running.service.store
        books = [await entries(store, n) for n in range(self.running.plan.books)]  # type: ignore[arg-type]
        decided = {entry.cause for book in books for entry in book}
        assert {Envelope.parse(one.value).id for one in self._good} <= decided
        await self.running.says()
        kept = await self._kept()
        for record in bent:
            reason = unreadable(record)
            if reason is not None:
                assert record.value in kept, reason
        silent = sum(is_said(record) for record in bent)
        assert self.results.total() == len(bent) + len(self._good) - silent
        assert set(self.results) <= {*DONE, "ignored", "dead_letter", "parked"}
        assert self.results["dead_letter"] + self.results["parked"] >= self._said()

    async def _kept(self) -> set[bytes]:
        """Return the bytes of the dead letters, each of which has a reason."""
        books = self.running.service.opened()
        found = [
            one for book in books for record in await book.parked_records(10**6) for one in record.parked
        ]
        assert all(letter.reason for letter in found)
        return {letter.record().value for letter in found}

    def _said(self) -> int:
        """Return how many dead letters were said, each with its reason."""
        logs = self.running.broker.logs.items()
        letters = [one for (topic, _), log in logs if topic.endswith("-dlq") for one in log]
        assert all(letter.reason for letter in letters)
        return len(letters)


def unreadable(record: Inbound) -> str | None:
    """Return why a record is no fact, None if it is one."""
    try:
        read(record, FACTS, PARTITIONS)
    except UnreadableError as error:
        return str(error)
    return None


def is_said(record: Inbound) -> bool:
    """Tell whether a record is one that is heard without a word."""
    if unreadable(record) is not None:
        return False
    found = read(record, FACTS, PARTITIONS)
    return found is not None and isinstance(found[1], Said) and record.topic != "duties-in"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the keys lie."""
    return tmp_path_factory.mktemp("keys")


@pytest.mark.parametrize("name", TOPIC)
def test_no_bent_fact_stops_a_service_or_hinders_a_good_one(name: str, folder: Path) -> None:
    topic = TOPIC[name]

    async def hear(bent: Sequence[Inbound], tree: Sequence[Inbound]) -> None:
        listening = Listening(await garbage.new(name, folder))
        running = listening.running
        await running.hears_again(tree)
        await garbage.settle(running)
        bent = [record._replace(token=listening.token) if record.token else record for record in bent]
        await listening.hear(topic, bent)
        await listening.check(bent)
        if running.timer is not None:
            await running.until(running.clock.moment + A_MONTH)
        for book in running.service.opened():
            await book.flush()
        await (await running.again()).says()

    @settings(EXAMPLES, max_examples=max(1, EXAMPLES.max_examples // 2))
    @given(
        st.lists(records(topic, tokens=("", "valid")), min_size=1, max_size=30),
        st.lists(records("directory"), max_size=8),
    )
    def test(bent: Sequence[Inbound], tree: Sequence[Inbound]) -> None:
        asyncio.run(hear(bent, tree))

    test()
