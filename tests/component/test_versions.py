"""Two releases at once on the same topics: one with an added field, one with a new version of a fact."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from contracts.envelope import Envelope, Fact
from shared.book import Book
from shared.consumer import Heard, Intake, OnFact
from shared.decider import Decider, Request
from shared.relay import Relay
from shared.state import Inbound
from shared.testing.memory import MemoryBroker, MemoryConsumer, MemoryOutlet, MemoryStore
from tests.support import toy as old
from tests.support.kit import PARTITIONS, HandClock, a_book, entries
from tests.support.toy import Chimed, Hear, Noted, stream_of_a, toy

Facts = dict[str, type[Fact]]


class Wider(old.Counted, topic="a", prefix="a", key="name"):
    """The same fact a release later: it may say more."""

    colour: str = ""


Wider.type = old.Counted.type


class CountedV1(old.Counted, topic="a", prefix="a", key="name"):
    """The fact as the release before says it."""

    def lifted(self) -> "Counted":  # type: ignore[explicit-override]
        return Counted(name=self.name, total=str(self.count), cause=self.heard)


class Counted(Fact, topic="a", prefix="a", key="name", major=2):
    """The same, told in other words: a field was renamed, and another retyped."""

    name: str
    total: str
    cause: str

    def lowered(self) -> Fact | None:  # type: ignore[explicit-override]
        return CountedV1(name=self.name, count=int(self.total), heard=self.cause)


class Counted3(Counted, topic="a", prefix="a", key="name", major=2):
    """The same after the sunset of the first version."""

    def lowered(self) -> Fact | None:  # type: ignore[explicit-override]
        return None


Counted3.type = Counted.type
OLD, WIDER = {old.Counted.type: old.Counted}, {Wider.type: Wider}
NEW: Facts = {CountedV1.type: CountedV1, Counted.type: Counted}
AFTER: Facts = {CountedV1.type: CountedV1, Counted3.type: Counted3}


def test_versions_of_a_fact_differ_in_their_number_alone() -> None:
    assert (CountedV1.type, Counted.type) == ("a.counted.v1", "a.counted.v2")


class Producer:
    """The replicas of the service that says it, of one release after another, on one ledger."""

    def __init__(self) -> None:
        self.store, self.broker = MemoryStore(), MemoryBroker(PARTITIONS)

    async def says(self, facts: Facts, make: Callable[[str, int], Fact], times: int = 1) -> None:
        """Let a replica of a release take over, say a fact some times, and go."""

        def decide(state: old.Toy, _: Hear, __: Any) -> Sequence[Fact]:
            return [make(state.name, state.count + 1)]

        shape = replace(
            toy(old.Counted, old.Rang).shape,
            facts=facts,
            evolve=lambda state, _: replace(state, count=state.count + 1),
        )
        book = await a_book(self.store, decider=Decider(decide, shape))
        for n in range(times):
            (outcome,) = await book.handle([Request("a:x", Hear(f"ask-{n}", n), "ask")])
            assert outcome.result == "applied", outcome
        await self._relay(book, facts).drain()
        await book.close()

    def _relay(self, book: Book[Any], facts: Facts) -> Relay:
        return Relay(
            lambda: [book],
            store=self.store,
            outlet=MemoryOutlet(self.broker),
            clock=HandClock(),
            source="/a",
            topics=["a"],
            partitions=PARTITIONS,
            of=1,
            every=timedelta(seconds=1),
            facts=facts,
        )

    def records(self) -> list[Envelope]:
        """Return what lies on the topic."""
        logs = self.broker.logs.items()
        return [Envelope.parse(one.value) for (topic, _), log in logs if topic == "a" for one in log]


class Hearer:
    """A service of one release that hears it."""

    def __init__(self, producer: Producer, name: str, facts: Facts) -> None:
        self.store, self.results, self.heard = MemoryStore(), Counter[str](), list[Fact]()
        self._consumer = MemoryConsumer(producer.broker, name)
        self._facts = facts

    async def hears(self) -> None:
        """Hear everything that is new, on every partition."""
        book = await a_book(self.store, decider=toy(Noted, Chimed))
        intake = self._intake(book, self._on_a)
        for partition in range(PARTITIONS):
            await intake.apply(await self._consumer.poll("a", partition, 1_000))
        await book.flush()

    def _intake(self, book: Book[Any], on_fact: OnFact) -> Intake:
        return Intake(
            books=lambda _, __: book,
            topics={"a": on_fact},
            facts=self._facts,
            stream_of=stream_of_a,
            partitions=PARTITIONS,
            heard=Heard(),
            on_outcome=lambda _, __, result: self.results.update([result]),
        )

    def _on_a(self, envelope: Envelope, fact: Fact, _: Inbound) -> Request:
        self.heard.append(fact)
        return Request("b:x", Hear(envelope.id, 0), envelope.id, envelope.correlationid)

    async def applied(self) -> list[int]:
        """Return the sequences of the facts that were applied, each as often as it was."""
        return [entry.source[1] for entry in await entries(self.store) if entry.source]


def counted(name: str, n: int) -> Fact:
    return old.Counted(name=name, count=n, heard="ask")


def wider(name: str, n: int) -> Fact:
    return Wider(name=name, count=n, heard="ask", colour="red")


def newer(name: str, n: int) -> Fact:
    return Counted(name=name, total=str(n), cause="ask")


async def test_a_release_with_an_added_optional_field_runs_mixed_with_the_one_before() -> None:
    producer = Producer()
    before, after = Hearer(producer, "before", dict(OLD)), Hearer(producer, "after", dict(WIDER))
    await producer.says(dict(OLD), counted)
    await producer.says(dict(WIDER), wider)
    await before.hears()
    await producer.says(dict(OLD), counted)
    for hearer in (before, after):
        await hearer.hears()

    for hearer in (before, after):
        assert await hearer.applied() == [1, 2, 3]
        assert hearer.results == {"applied": 3}
    assert [getattr(fact, "colour", None) for fact in before.heard] == [None] * 3
    assert [getattr(fact, "colour", None) for fact in after.heard] == ["", "red", ""]


async def test_a_release_with_a_v2_runs_mixed_with_the_one_before_and_nobody_loses_a_fact() -> None:
    producer = Producer()
    before, after = Hearer(producer, "before", dict(OLD)), Hearer(producer, "after", NEW)
    await producer.says(dict(OLD), counted, times=2)
    await after.hears()
    await producer.says(NEW, newer, times=3)
    for hearer in (before, after):
        await hearer.hears()

    assert await before.applied() == await after.applied() == [1, 2, 3, 4, 5]
    assert before.results == {"applied": 5, "ignored": 3}
    assert after.results == {"applied": 5, "duplicate": 3}
    assert before.heard == [old.Counted(name="x", count=n, heard="ask") for n in range(1, 6)]
    assert after.heard[:2] == [newer("x", 1), newer("x", 2)]


async def test_each_version_is_the_same_fact_and_the_newest_comes_first() -> None:
    producer = Producer()
    await producer.says(NEW, newer)

    newest, older = producer.records()

    assert (newest.type, newest.data) == ("a.counted.v2", {"name": "x", "total": "1", "cause": "ask"})
    assert (older.type, older.data["count"], older.data["heard"]) == ("a.counted.v1", 1, "ask")
    assert older.dataschema == "schemas/a.counted.v1.json"
    same = {"type", "dataschema", "data"}
    assert newest.model_dump(exclude=same) == older.model_dump(exclude=same)
    (entry,) = await entries(producer.store)
    assert [event.type for event in entry.events] == ["a.counted.v2"]


async def test_after_its_sunset_the_old_version_is_said_no_more_and_who_stayed_behind_counts_it() -> None:
    producer = Producer()
    before, after = Hearer(producer, "before", dict(OLD)), Hearer(producer, "after", NEW)
    await producer.says(NEW, newer)
    await producer.says(AFTER, lambda name, n: Counted3(name=name, total=str(n), cause="ask"))
    for hearer in (before, after):
        await hearer.hears()

    assert await after.applied() == [1, 2]
    assert await before.applied() == [1]
    assert before.results == {"applied": 1, "ignored": 2}
