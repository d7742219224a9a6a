"""One book and its writers, each promise by itself."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import MAX_FACT_BYTES, Envelope
from shared import book as book_module
from shared import drafts as drafts_module
from shared.book import DUE_AT_ONCE, FORESEEN_AT_ONCE, Book, BookLostError
from shared.clock import to_micros
from shared.decider import Ahead, Decider, Park, Request
from shared.drafts import FactTooLargeError
from shared.ledger import Page
from shared.state import NOTHING_SEEN
from shared.store import Document, PageTakenError, StoreUnavailableError
from shared.testing.given import Scene
from shared.testing.memory import MemoryDatabase, MemoryStore
from shared.timer import Timer
from tests.support.eventually import eventually
from tests.support.kit import NOON, HandClock, a_book, a_record, a_request, an_intake, entries, pages
from tests.support.toy import Chimed, Hear, Noted, Ring, Toy, ring_of, toy


class Looked(MemoryStore):
    """Counts the states that are looked up."""

    looked_up = 0
    gate: asyncio.Event | None = None

    async def load_states(self, streams: Collection[str]) -> list[Document]:  # type: ignore[explicit-override]
        """Count the streams; what was read waits behind the gate, if there is one."""
        self.looked_up += len(streams)
        found = await super().load_states(streams)
        if self.gate is not None:
            await self.gate.wait()
        return found


class Failing:
    """A pause that fails once where it is told to."""

    def __init__(self, at: str) -> None:
        self.at: str | None = at

    async def __call__(self, name: str) -> None:
        await asyncio.sleep(0)
        if name == self.at:
            self.at = None
            raise StoreUnavailableError(name)


async def test_callers_who_come_while_a_page_is_written_share_the_next_one() -> None:
    store = MemoryStore()
    book = await a_book(store)

    await asyncio.gather(*(book.handle([a_request(name=f"x{n}", cause=f"ask-{n}")]) for n in range(20)))

    assert [len(page.entries) for page in await pages(store)] == [0, 20]


async def test_a_page_holds_at_most_a_thousand_entries() -> None:
    store = MemoryStore()
    book = await a_book(store)

    await book.handle([a_request(name=f"x{n % 7}", cause=f"ask-{n}") for n in range(2_300)])

    assert [len(page.entries) for page in await pages(store)] == [0, 1000, 1000, 300]


def wordy(*sizes: int) -> Decider[Any]:
    """Return the toy, each of whose facts has so many bytes, by the number of the command."""
    plain = toy(Noted, Chimed)

    def decide(state: Any, command: Any, now: Any) -> Any:
        return [
            fact.model_copy(update={"heard": "x" * sizes[command.number % len(sizes)]})
            if isinstance(fact, Noted)
            else fact
            for fact in plain.decide(state, command, now)  # type: ignore[union-attr]
        ]

    return replace(plain, decide=decide)


async def test_a_page_holds_at_most_four_mebibytes_and_no_request_is_counted_twice_for_it() -> None:
    store = MemoryStore()
    book = await a_book(store, decider=wordy(200_000))

    outcomes = await book.handle([a_request(cause=f"ask-{n}") for n in range(50)])

    written = await pages(store)
    assert [len(page.entries) for page in written] == [0, 20, 20, 10]
    assert [outcome.briefs[0].count for outcome in outcomes] == list(range(1, 51))
    assert (await book.peek("b:x")).count == 50


async def test_a_fact_that_is_too_large_is_decided_by_nobody_and_harms_nobody() -> None:
    store = MemoryStore()
    book = await a_book(store, decider=wordy(MAX_FACT_BYTES))

    (outcome,) = await book.handle([a_request()])

    assert isinstance(outcome.error, FactTooLargeError)
    assert not await entries(store)
    assert (await book.peek("b:x")).count == 0


async def test_what_a_request_decides_is_kept_as_a_whole_or_not_at_all() -> None:
    plain = toy(Noted, Chimed)

    def decide(state: Any, command: Any, now: Any) -> Any:
        told = plain.decide(state, command, now)
        return [*told, told[0].model_copy(update={"heard": "x" * MAX_FACT_BYTES})]  # type: ignore[index, misc]

    store = MemoryStore()
    book = await a_book(store, decider=replace(plain, decide=decide))

    (asked,) = await book.handle([a_request()])
    await an_intake(book).apply([a_record(5)])

    assert asked.result == "failed"
    assert [entry.source for entry in await entries(store)] == [None]
    assert (await book.peek("b:x")).count == 0


class TestDecidingInTurns:
    """Deciding holds the event loop: what was decided before must leave while it lasts."""

    async def test_others_come_to_their_turn_while_a_page_is_decided(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(book_module, "DECIDED_AT_ONCE", 2)
        store, decided, seen = MemoryStore(), list[Any](), list[int]()
        book = await a_book(store, decider=noted(decided))

        async def other() -> None:
            while len(decided) < 6:
                seen.append(len(decided))
                await asyncio.sleep(0)

        await asyncio.gather(book.handle([a_request(cause=f"ask-{n}") for n in range(6)]), other())

        assert set(seen) == {0, 2, 4}
        assert [len(page.entries) for page in await pages(store)] == [0, 6]

    async def test_the_books_of_a_process_decide_one_page_after_the_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Side by side each would hold back all that the others have decided."""
        monkeypatch.setattr(book_module, "DECIDED_AT_ONCE", 2)
        deciding, decided = asyncio.Lock(), list[Any]()
        store, decider = MemoryStore(), noted(decided)
        books = [await a_book(store, number=n, decider=decider, deciding=deciding) for n in range(2)]

        await asyncio.gather(
            *(book.handle([a_request(book.number, cause=f"ask-{n}") for n in range(6)]) for book in books)
        )

        assert [command.number for command in decided] == [0] * 6 + [1] * 6

    async def test_a_few_requests_do_not_wait_while_other_books_have_much_to_decide(self) -> None:
        deciding = asyncio.Lock()
        book = await a_book(MemoryStore(), deciding=deciding)

        async with deciding, asyncio.timeout(5):
            (outcome,) = await book.handle([a_request()])

        assert outcome.result == "applied"

    async def test_what_would_fit_behind_what_does_not_waits_with_it_for_the_next_page(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(book_module, "DECIDED_AT_ONCE", 1)
        monkeypatch.setattr(drafts_module, "MAX_PAGE_BYTES", 13_000)
        store = MemoryStore()
        book = await a_book(store, decider=wordy(100, 9_000))
        numbers = (5, 15, 10, 4)

        outcomes = await book.handle([a_request(n, cause=f"ask-{at}") for at, n in enumerate(numbers)])

        assert [len(outcome.briefs[0].heard) for outcome in outcomes] == [9_000, 9_000, 100, 100]
        assert [len(page.entries) for page in await pages(store)] == [0, 1, 3]


def noted(decided: list[Any]) -> Decider[Any]:
    """Return the toy's rule; it notes each command that it decides."""
    plain = toy(Noted, Chimed)

    def decide(state: Any, command: Any, now: Any) -> Any:
        decided.append(command)
        return plain.decide(state, command, now)

    return replace(plain, decide=decide)


class TestDecidingAhead:
    """While a page is being inserted, the next one is decided on what that one will have changed."""

    async def test_the_next_page_is_decided_while_one_is_inserted_and_stands_on_it(self) -> None:
        database, decided = MemoryDatabase(), list[Any]()
        seen_at_insert: list[int] = []

        async def note(name: str) -> None:
            if name == "page_inserted":
                await asyncio.sleep(0.01)
                seen_at_insert.append(len(decided))

        book = await a_book(MemoryStore(database, note), decider=noted(decided))
        book.page_size = 2
        await book.handle([a_request(cause=f"ask-{n}") for n in range(5)])

        assert [len(page.entries) for page in await pages(MemoryStore(database))] == [0, 2, 2, 1]
        assert seen_at_insert[1:] == [4, 5, 5]
        assert (await book.peek("b:x")).count == 5

    async def test_what_was_decided_on_a_lost_page_is_decided_again(self) -> None:
        database = MemoryDatabase()
        other = await a_book(MemoryStore(database), actor="other")
        others = ["of the other"]

        async def meanwhile(name: str) -> None:
            if name == "insert_page" and others:
                await other._fence()
                await other.handle([a_request(cause=others.pop())])

        book = await a_book(MemoryStore(database))
        book._store = MemoryStore(database, meanwhile)
        book.page_size = 2
        outcomes = await book.handle([a_request(cause=f"ask-{n}") for n in range(5)])

        assert [outcome.result for outcome in outcomes] == ["applied"] * 5
        assert (await book.peek("b:x")).count == 6
        causes = [entry.cause for entry in await entries(MemoryStore(database))]
        assert causes == ["of the other", *(f"ask-{n}" for n in range(5))]

    async def test_a_page_being_inserted_is_waited_for_when_the_next_cannot_be_loaded(self) -> None:
        database, passed = MemoryDatabase(), []

        async def pause(name: str) -> None:
            passed.append(name)
            if name == "insert_page":
                await asyncio.sleep(0.01)
            elif name == "load_states" and "insert_page" in passed:
                raise StoreUnavailableError(name)

        book = await a_book(MemoryStore(database))
        book._store = MemoryStore(database, pause)
        book.page_size = 1
        with pytest.raises(StoreUnavailableError):
            await book.handle([a_request(name="x"), a_request(name="y")])

        assert (book.head, (await book.peek("b:x")).count) == (2, 1)

    async def test_a_state_stands_at_the_page_that_changed_it(self) -> None:
        database = MemoryDatabase()
        book = await a_book(MemoryStore(database))
        book.page_size = 1
        await book.handle([a_request(name=f"x{n}") for n in range(3)])

        assert [database.states[f"b:x{n}"]["page"] for n in range(3)] == [2, 3, 4]


@pytest.mark.parametrize(("at", "inserts"), [("insert_page", 2), ("page_inserted", 1)])
async def test_a_failed_insert_is_settled_by_reading_the_page(at: str, inserts: int) -> None:
    database = MemoryDatabase()
    book = await a_book(MemoryStore(database))
    tried: list[str] = []
    failing = Failing(at)

    async def pause(name: str) -> None:
        tried.append(name)
        await failing(name)

    book._store = MemoryStore(database, pause)

    with stamina.set_testing(True, attempts=3):
        (outcome,) = await book.handle([a_request()])

    assert outcome.result == "applied"
    assert tried.count("insert_page") == inserts
    assert [entry.cause for entry in await entries(MemoryStore(database))] == ["ask"]


class Away(MemoryStore):
    """A database that goes away while a page is inserted, until it is told to come back."""

    def __init__(self, database: MemoryDatabase, at: str) -> None:
        super().__init__(database, self.look)
        self.at, self.is_away = at, False
        self.tried: list[Page] = []

    async def insert_page(self, page: Page) -> None:  # type: ignore[explicit-override]  # not before 3.12
        self.tried.append(page)
        await super().insert_page(page)

    async def look(self, name: str) -> None:
        """Fail from the instant at which it goes away."""
        self.is_away = self.is_away or name == self.at
        if self.is_away:
            raise StoreUnavailableError(name)


@pytest.mark.parametrize(("at", "landed"), [("insert_page", []), ("page_inserted", ["ask"])])
async def test_an_insert_without_an_answer_is_in_doubt_until_nobody_can_make_it_any_more(
    at: str, landed: list[str]
) -> None:
    database, clock = MemoryDatabase(), HandClock()
    book = await a_book(MemoryStore(database), clock=clock)
    book._store = away = Away(database, at)
    async with book._turn:
        asking = asyncio.ensure_future(book.handle([a_request()]))
        await asyncio.sleep(0)
        clock.moment = NOON + timedelta(minutes=1)
    with stamina.set_testing(True, attempts=2), pytest.raises(StoreUnavailableError):
        await asking
    clock.moment = NOON + timedelta(hours=1)
    assert book.undecided_since() == NOON

    with stamina.set_testing(True, attempts=1), pytest.raises(StoreUnavailableError):
        await book.settle_doubt()
    assert book.undecided_since() == NOON

    away.at, away.is_away = "", False
    await book.settle_doubt()

    assert book.undecided_since() is None
    assert [entry.cause for entry in await entries(away)] == landed
    with pytest.raises(PageTakenError):
        await away.insert_page(away.tried[0])
    assert (await book.peek("b:x")).count == len(landed)


async def test_what_is_not_in_doubt_is_not_settled() -> None:
    book = await a_book(MemoryStore())

    await book.settle_doubt()

    assert book.head == 1


async def test_a_state_that_is_not_written_yet_is_not_let_go_of_though_it_is_the_oldest_in_memory() -> None:
    book = await a_book(MemoryStore(), distance=100, remembered=1)
    await book.handle([a_request(name=name, cause=f"first-{name}") for name in "xyz"])
    await book.flush()
    await book.handle([a_request(cause="second")])

    (outcome,) = await book.handle([a_request(cause="third")])

    assert outcome.state.count == 3


async def test_a_writer_who_was_overtaken_folds_what_came_and_decides_anew() -> None:
    database = MemoryDatabase()
    old = await a_book(MemoryStore(database), actor="old")
    new = await a_book(MemoryStore(database), actor="new")
    await new.handle([a_request(cause="by the new one")])

    (outcome,) = await old.handle([a_request(cause="by the old one")])

    assert outcome.briefs[0].count == 2
    assert [entry.cause for entry in await entries(MemoryStore(database))] == [
        "by the new one",
        "by the old one",
    ]


async def test_callers_whose_page_was_written_are_told_so_even_if_the_next_page_is_lost() -> None:
    database = MemoryDatabase()
    inserts = 0

    async def pause(name: str) -> None:
        nonlocal inserts
        await asyncio.sleep(0)
        if name == "insert_page" and mine.is_open:
            inserts += 1
            if inserts % 2 == 0:
                await rival.handle([a_request(cause=f"rival-{inserts}")])

    rival = await a_book(MemoryStore(database), actor="rival")
    mine = await a_book(MemoryStore(database), actor="mine")
    mine._store = MemoryStore(database, pause)

    told: list[Any] = await asyncio.gather(
        mine.handle([a_request(name=f"x{n}", cause=f"first-{n}") for n in range(1_000)]),
        mine.handle([a_request(cause="second")]),
        return_exceptions=True,
    )

    causes = [entry.cause for entry in await entries(MemoryStore(database))]
    assert len(told[0]) == 1_000
    assert isinstance(told[1], BookLostError)
    assert "first-0" in causes
    assert "second" not in causes


async def test_a_refusal_is_never_given_from_a_state_of_the_past() -> None:
    database = MemoryDatabase()
    old = await a_book(MemoryStore(database), actor="old")
    await old.handle([a_request(cause="first")])
    new = await a_book(MemoryStore(database), actor="new")
    await new.handle([a_request(cause="second")])

    (outcome,) = await old.handle([a_request(2, cause="refused when odd")])

    assert outcome.result == "applied"


async def test_a_book_that_is_closed_is_lost_to_its_callers() -> None:
    book = await a_book(MemoryStore())
    await book.close()

    with pytest.raises(BookLostError):
        await book.handle([a_request()])


async def test_a_late_write_of_a_zombie_does_not_roll_a_state_back() -> None:
    database = MemoryDatabase()
    zombie = await a_book(MemoryStore(database), actor="zombie", distance=100)
    await zombie.handle([a_request(cause="first")])
    heir = await a_book(MemoryStore(database), actor="heir", distance=100)
    await heir.handle([a_request(cause="second")])
    await heir.flush()

    await zombie.flush()

    assert database.states["b:x"]["view"] == {"count": 2}
    assert database.marks[0]["applied"] == heir.head


async def test_a_page_that_comes_while_states_are_written_is_not_marked_as_written() -> None:
    database, once = MemoryDatabase(), ["another"]

    async def meanwhile(name: str) -> None:
        if name == "states_written" and once:
            await book.handle([a_request(cause=once.pop())])

    book = await a_book(MemoryStore(database, meanwhile), distance=100)
    await book.handle([a_request(cause="first")])
    before = book.head

    await book.flush()

    assert (database.marks[0]["applied"], book.head) == (before, before + 1)


async def test_a_state_that_changes_while_it_is_written_is_not_marked_as_written() -> None:
    database, asked = MemoryDatabase(), ["third", "second"]

    async def meanwhile(name: str) -> None:
        if name == "states_written" and asked:
            await book.handle([a_request(cause=asked.pop())])
            await book.handle([a_request(cause=asked.pop())])

    book = await a_book(MemoryStore(database, meanwhile), distance=100)
    await book.handle([a_request(cause="first")])
    before = book.head

    await book.flush()

    assert (database.marks[0]["applied"], book.head, book.unwritten) == (before, before + 2, 1)


async def test_as_many_states_are_written_as_are_asked_for_and_marked_up_to_the_first_that_is_not() -> None:
    database = MemoryDatabase()
    book = await a_book(MemoryStore(database), distance=100)
    for name in "xyxzy":
        await book.handle([a_request(name=name, cause=f"{name}{book.head}")])
    first = book.head - 4

    await book.flush(1)
    assert (set(database.states), database.marks[0]["applied"]) == ({"b:x"}, first)
    await book.handle([a_request(name="x", cause="again")])
    await book.flush(1)
    assert (set(database.states), database.marks[0]["applied"]) == ({"b:x", "b:y"}, first + 2)

    heir = await a_book(MemoryStore(database), actor="heir")
    assert [(await heir.peek(f"b:{name}")).count for name in "xyz"] == [3, 2, 1]


async def test_who_has_too_many_states_unwritten_writes_the_surplus_before_more_is_decided() -> None:
    database = MemoryDatabase()
    book = await a_book(MemoryStore(database), distance=100, most_unwritten=3)
    left = []
    for n in range(6):
        await book.handle([a_request(name=f"x{n}", cause=f"ask-{n}")])
        left.append((book.unwritten, len(database.states)))

    assert left == [(1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3)]


class Told(MemoryStore):
    """Keeps which states were called new."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.new: list[set[str]] = []

    async def write_states(  # type: ignore[explicit-override]
        self, documents: Sequence[Document], new: Collection[str] = ()
    ) -> None:
        """Note them."""
        self.new.append(set(new))
        await super().write_states(documents, new)


async def test_a_state_is_called_new_until_it_is_stored() -> None:
    database = MemoryDatabase()
    store = Told(database)
    book = await a_book(store, distance=100)
    await book.handle([a_request(cause="first"), a_request(cause="second")])
    await book.flush()
    await book.handle([a_request(cause="third"), a_request(name="y", cause="fourth")])
    await book.flush()

    heir = await a_book(again := Told(database), distance=100)
    await heir.handle([a_request(cause="fifth")])
    await heir.flush()

    assert (store.new, again.new) == ([{"b:x"}, {"b:y"}], [set()])


@pytest.mark.parametrize("distance", [0, 3])
async def test_the_appender_waits_when_the_states_are_too_far_behind(distance: int) -> None:
    store = MemoryStore()
    book = await a_book(store, distance=distance)
    behind = []
    for n in range(10):
        await book.handle([a_request(cause=f"ask-{n}")])
        behind.append(book.head - book.applied)

    assert max(behind) == distance


async def test_the_next_moment_within_the_window_is_known_without_asking_the_database() -> None:
    asked: list[str] = []

    async def note(name: str) -> None:
        asked.append(name)

    clock = HandClock()
    book = await a_book(MemoryStore(pause=note), clock=clock, distance=100, window=timedelta(days=1))
    assert await book.due(NOON) == []
    await book.handle([a_request(name="late", rings_in=9), a_request(name="soon", rings_in=3)])
    asked.clear()
    first = await book.next_wake()
    clock.moment = NOON + timedelta(microseconds=5)
    await book.handle([Request("b:soon", Ring(), "time")])
    second = await book.next_wake()

    assert (first, second) == (to_micros(NOON) + 3, to_micros(NOON) + 9)
    assert "waking" not in asked


async def test_who_has_all_moments_in_memory_asks_the_database_for_none() -> None:
    asked: list[str] = []

    async def note(name: str) -> None:
        asked.append(name)

    clock, database = HandClock(), MemoryDatabase()
    before = await a_book(MemoryStore(database), clock=clock)
    await before.handle([a_request(name="stored", rings_in=9)])
    book = await a_book(MemoryStore(database, note), clock=clock, distance=100, window=None)
    assert await book.due(NOON) == []
    asked.clear()
    moments = [await book.next_wake()]
    await book.handle([a_request(name="soon", rings_in=3)])
    moments.append(await book.next_wake())
    clock.moment = NOON + timedelta(days=4000)
    due = await book.due(clock.moment)
    await book.handle([Request(stream, Ring(), "time") for stream in due])
    moments.append(await book.next_wake())

    assert due == ["b:soon", "b:stored"]
    assert moments == [to_micros(NOON) + 9, to_micros(NOON) + 3, None]
    assert "waking" not in asked


async def test_states_not_written_yet_are_never_let_go_of() -> None:
    store = MemoryStore()
    book = await a_book(store, distance=100, remembered=1)
    for n in range(6):
        await book.handle([a_request(name=f"x{n % 3}", cause=f"ask-{n}")])

    assert [(await book.peek(f"b:x{n}")).count for n in range(3)] == [2, 2, 2]


async def test_a_moment_is_met_exactly_and_survives_a_change_of_the_writer() -> None:
    database, clock = MemoryDatabase(), HandClock()
    first = await a_book(MemoryStore(database), clock=clock, distance=100)
    await first.handle([a_request(rings_in=1_000)])
    second = await a_book(MemoryStore(database), actor="two", clock=clock, distance=100)

    clock.moment = NOON + timedelta(microseconds=999)
    assert await second.due(clock.now()) == []
    clock.moment = NOON + timedelta(microseconds=1_000)
    assert await second.due(clock.now()) == ["b:x"]


async def test_a_moment_whose_waking_failed_is_tried_again() -> None:
    clock, tries = HandClock(), list[Sequence[str]]()
    book = await a_book(MemoryStore(), clock=clock)
    await book.handle([a_request(rings_in=10)])
    clock.moment = NOON + timedelta(seconds=1)

    async def wake(_: Any, streams: Sequence[str]) -> list[str]:
        tries.append(streams)
        if len(tries) == 1:
            raise StoreUnavailableError
        return []

    timer = Timer(lambda: [book], clock=clock, wake=wake)
    with pytest.raises(StoreUnavailableError):
        await timer.turn(book)
    await timer.turn(book)
    await timer.turn(book)

    assert tries == [["b:x"], ["b:x"]]


class Watched(MemoryStore):
    """Counts how often moments are looked for."""

    looks = 0

    async def waking(  # type: ignore[explicit-override]
        self, book: int, until: int, limit: int
    ) -> list[tuple[int, str]]:
        """Count the look."""
        self.looks += 1
        return await super().waking(book, until, limit)


@pytest.mark.parametrize("at_once", [1, 1_000])
async def test_a_moment_that_more_share_than_fit_the_window_is_met_by_all_and_looked_for_once_a_window(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(book_module, "WINDOW_LIMIT", 4)
    monkeypatch.setattr(book_module, "DUE_AT_ONCE", at_once)
    clock, store = HandClock(), Watched()
    book = await a_book(store, clock=clock, distance=1_000)
    await book.handle([a_request(name=f"x{n}", cause=f"ask-{n}", rings_in=10) for n in range(11)])
    await book.flush()
    clock.moment = NOON + timedelta(seconds=1)

    rung: list[str] = []
    while len(rung) < 11 and (streams := await book.due(clock.now())):
        await book.handle([Request(stream, Ring(), f"ring-{stream}") for stream in streams])
        rung += streams

    assert (sorted(rung), store.looks) == (sorted(f"b:x{n}" for n in range(11)), 3)


@given(st.lists(st.integers(1, 30)))
def test_what_was_seen_is_exactly_what_was_heard(heard: list[int]) -> None:
    seen = NOTHING_SEEN
    for sequence in heard:
        seen = seen.plus(sequence)

    assert [n for n in range(1, 40) if seen.has(n)] == sorted(set(heard))


def test_a_gap_of_any_length_is_remembered() -> None:
    seen = NOTHING_SEEN.plus(1).plus(1_000_000)

    assert not seen.has(2)
    assert not seen.has(999_999)


def test_a_rule_can_be_told_as_given_when_then() -> None:
    scene = Scene(toy(Noted, Chimed), "b:x")
    once = Noted(name="x", count=1, heard="ask")

    scene.given().when(Hear("ask", 0), at=NOON).then(once)
    scene.given(once).when(Hear("again", 1), at=NOON).then_nothing()
    scene.given(once).when(Hear("again", 2), at=NOON).then_refused("odd")


class TestManyAtOneMoment:
    """A deadline that thousands share."""

    async def _book(
        self,
        count: int,
        window: timedelta = book_module.WINDOW,
        **options: Any,
    ) -> tuple[Looked, Book[Any], HandClock]:
        database, clock = MemoryDatabase(), HandClock()
        first = await a_book(MemoryStore(database), clock=clock)
        await first.handle(
            [a_request(name=f"x{n:05d}", cause=f"ask-{n}", rings_in=10 + n) for n in range(count)]
        )
        await first.close()
        store = Looked(database)
        return (
            store,
            await a_book(
                store,
                clock=clock,
                actor="heir",
                window=window,
                distance=9_000,
                **options,
            ),
            clock,
        )

    async def _being_brought(
        self, store: Looked, book: Book[Any]
    ) -> tuple[asyncio.Future[None], asyncio.Event]:
        """Return what brings all states, which were read but are held back, and the gate before them."""
        await book.due(NOON)
        store.gate = gate = asyncio.Event()
        preparing = asyncio.ensure_future(book.prepare(NOON + timedelta(seconds=1)))
        await eventually(lambda: store.looked_up)
        store.gate = None
        return preparing, gate

    async def test_they_are_woken_by_pages_and_looked_up_once_each(self) -> None:
        store, book, clock = await self._book(DUE_AT_ONCE + 100, remembered=60)
        clock.moment = NOON + timedelta(seconds=1)

        first = await book.due(clock.now())
        await book.handle([Request(stream, Ring(), f"ring-{stream}") for stream in first])
        second = await book.due(clock.now())
        await book.handle([Request(stream, Ring(), f"ring-{stream}") for stream in second])

        assert (len(first), len(second)) == (DUE_AT_ONCE, 100)
        assert first + second == sorted(first + second)
        assert store.looked_up == DUE_AT_ONCE + 100
        assert book.unwritten == DUE_AT_ONCE + 100, "nobody waits for states to be written"

    async def test_a_moment_is_not_lost_when_the_database_is_away_as_it_comes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, book, clock = await self._book(100)
        clock.moment = NOON + timedelta(seconds=1)
        with monkeypatch.context() as away:
            away.setattr(store, "load_states", AsyncMock(side_effect=StoreUnavailableError))
            with pytest.raises(StoreUnavailableError):
                await book.due(clock.now())

        assert len(await book.due(clock.now())) == 100

    async def test_they_are_in_memory_before_their_moment_as_many_as_may_stay_there(self) -> None:
        store, book, clock = await self._book(100, most_prepared=60)
        await book.due(clock.now())

        await book.prepare(NOON + timedelta(microseconds=9))
        assert store.looked_up == 0
        for _ in range(2):
            await book.prepare(NOON + timedelta(seconds=1))
        assert store.looked_up == 60
        assert [await book.due(NOON + timedelta(microseconds=10 + n)) for n in (0, 59, 60)] == [
            ["b:x00000"],
            [f"b:x{n:05d}" for n in range(1, 60)],
            ["b:x00060"],
        ]
        assert store.looked_up == 61

    async def test_who_comes_next_is_brought_each_time_also_of_a_window_looked_at_anew(self) -> None:
        store, book, clock = await self._book(100, window=timedelta(microseconds=40))
        found = []
        for until in (20, 30, 45):
            await book.due(NOON)
            await book.prepare(NOON + timedelta(microseconds=until))
            found.append(store.looked_up)
        clock.moment = NOON + timedelta(microseconds=40)
        for stream in await book.due(clock.now()):
            await book.handle([Request(stream, Ring(), f"ring-{stream}")])
        await book.due(clock.now())
        await book.prepare(NOON + timedelta(microseconds=50))

        assert [*found, store.looked_up] == [11, 21, 31, 41]

    async def test_others_are_decided_while_states_are_brought(self) -> None:
        store, book, _ = await self._book(100)
        preparing, gate = await self._being_brought(store, book)

        (outcome,) = await asyncio.wait_for(book.handle([a_request(name="other", cause="ask")]), 5)
        gate.set()
        await preparing

        assert outcome.result == "applied"

    async def test_who_changes_while_he_is_brought_stays_as_he_is(self) -> None:
        store, book, _ = await self._book(2)
        preparing, gate = await self._being_brought(store, book)
        await book.handle([a_request(name="x00000", cause="more", rings_in=2_000_000)])
        gate.set()
        await preparing

        assert (await book.peek("b:x00000")).count == 2

    async def test_who_changed_and_was_let_go_of_while_he_was_brought_is_brought_as_he_is_now(self) -> None:
        store, book, clock = await self._book(2, remembered=0)
        await book.due(clock.now())
        clock.moment = NOON + timedelta(seconds=1)
        store.gate = gate = asyncio.Event()
        bringing = asyncio.ensure_future(book.due(clock.now()))
        await eventually(lambda: store.looked_up)
        store.gate = None
        await book.handle([ring_of("b:x00000")])
        await book.flush()
        await book.handle([a_request(name="other", cause="ask")])
        await book.flush()
        book._forget()
        assert "b:x00000" not in book._records

        book._remembered = 2
        gate.set()
        await bringing

        assert (await book.peek("b:x00000")).count == 2

    async def test_who_is_awaited_stays_in_memory_whoever_comes_and_others_are_let_go_of(self) -> None:
        _, book, clock = await self._book(100, remembered=20, most_prepared=60)
        await book.due(clock.now())
        await book.prepare(NOON + timedelta(seconds=1))
        for n in range(50):
            await book.handle([a_request(name=f"y{n}", cause=f"ask-{n}")])
            await book.flush()
        assert sum(stream < "b:y" for stream in book._records) == 60
        assert len(book._records) <= 62

        clock.moment = NOON + timedelta(seconds=1)
        for _ in range(2):
            streams = await book.due(clock.now())
            await book.handle([Request(stream, Ring(), f"ring-{stream}") for stream in streams])
            await book.flush()
        await book.handle([a_request(name="z", cause="ask")])
        assert len(book._records) <= 21

    async def test_there_is_room_again_for_who_comes_when_others_have_come(self) -> None:
        store, book, clock = await self._book(100, most_prepared=60)
        await book.due(clock.now())
        await book.prepare(NOON + timedelta(seconds=1))
        clock.moment = NOON + timedelta(microseconds=10 + 29)
        assert len(await book.due(clock.now())) == 30
        await book.prepare(NOON + timedelta(seconds=1))
        assert store.looked_up == 60 + 30

    async def test_nothing_is_brought_ahead_while_something_is_due_nor_when_its_moment_has_passed(
        self,
    ) -> None:
        store, book, clock = await self._book(100)
        await book.due(clock.now())
        clock.moment = NOON + timedelta(microseconds=10 + 29)
        await book.prepare(NOON + timedelta(seconds=1))
        assert store.looked_up == 0

        assert len(await book.due(clock.now())) == 30
        await book.handle([a_request(name=f"y{n}", cause=f"ask-{n}") for n in range(40)])
        before, book._remembered = store.looked_up, 0
        await book.flush()
        book._forget()
        await book.prepare(NOON + timedelta(seconds=1))
        assert store.looked_up - before == 70

    async def test_what_is_in_memory_for_a_moment_stays_there_until_it_has_come(self) -> None:
        store, book, clock = await self._book(100, remembered=60)
        await book.due(clock.now())
        await book.prepare(NOON + timedelta(seconds=1))
        clock.moment = NOON + timedelta(seconds=1)

        await book.handle([a_request(name=f"y{n}", cause=f"ask-{n}") for n in range(20)])
        await book.due(clock.now())

        assert store.looked_up == 100 + 20

    async def test_what_was_said_and_is_written_does_not_stay_in_memory_while_others_are_due(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(book_module, "DUE_AT_ONCE", 10)
        _, book, clock = await self._book(100, remembered=20, most_unwritten=30)
        clock.moment = NOON + timedelta(seconds=1)

        held = []
        while streams := await book.due(clock.now()):
            await book.handle([Request(stream, Ring(), f"ring-{stream}") for stream in streams])
            held.append(len(book._records))

        assert held == [10, 20, 30, 30, 30, 30, 30, 30, 30, 30]

    async def test_what_is_read_for_a_moment_does_not_undo_what_is_known_of_it(self) -> None:
        _, book, clock = await self._book(100)
        await book.handle([a_request(name="x00000", cause="more", rings_in=2_000_000)])
        before = await book.peek("b:x00000")
        clock.moment = NOON + timedelta(seconds=1)

        await book.due(clock.now())

        assert await book.peek("b:x00000") == before


class TestForeseen:
    """What streams say at their moment, decided ahead."""

    async def _book(self, *, rings_in: Sequence[int] = (10,), **options: Any) -> tuple[Book[Any], HandClock]:
        """Return a book that has prepared for a stream which rings so many microseconds after noon."""
        database, clock = MemoryDatabase(), HandClock()
        first = await a_book(MemoryStore(database), clock=clock)
        await first.handle([a_request(name="x", cause=f"ask-{n}", rings_in=n) for n in rings_in])
        await first.close()
        book = await a_book(MemoryStore(database), clock=clock, actor="heir", **options)
        assert await book.due(clock.now()) == []
        await book.prepare(NOON + timedelta(seconds=1))
        return book, clock

    async def _rung(self, book: Book[Any], clock: HandClock, micros: int) -> list[Any]:
        """Return what the stream says when it is asked so many microseconds after noon."""
        clock.moment = NOON + timedelta(microseconds=micros)
        (outcome,) = await book.handle([ring_of("b:x")])
        assert outcome.error is None
        return [(fact.count, fact.rings_at - to_micros(NOON)) for fact in outcome.briefs]

    async def test_the_rule_is_asked_before_the_moment_and_not_again(self) -> None:
        asked: list[object] = []
        book, clock = await self._book(decider=listened(asked))
        assert asked == []

        assert await self._rung(book, clock, 13) == [(2, 10)]
        assert asked == []

    async def test_it_lies_in_the_ledger_as_if_it_had_been_decided_at_its_moment(self) -> None:
        written = []
        for is_ahead in (True, False):
            book, clock = await self._book()
            if not is_ahead:
                book._records["b:x"].foreseen = None
            await self._rung(book, clock, 13)
            (entry,) = book.tail[-1].entries
            written.append((entry[:6], await book.peek("b:x"), book._records["b:x"]))
        assert written[0] == written[1]
        (event,) = written[0][0][5]
        assert Envelope.parse(event.value).time == NOON + timedelta(microseconds=13)

    async def test_who_asks_before_the_moment_hears_nothing(self) -> None:
        book, clock = await self._book()

        assert await self._rung(book, clock, 9) == []
        assert await self._rung(book, clock, 10) == [(2, 10)]

    async def test_who_comes_when_more_has_come_due_hears_all(self) -> None:
        book, clock = await self._book(rings_in=(10, 12))

        assert await self._rung(book, clock, 12) == [(3, 10), (4, 12)]

    async def test_what_changes_meanwhile_counts(self) -> None:
        book, clock = await self._book()
        await book.handle([a_request(name="x", cause="more")])

        assert await self._rung(book, clock, 13) == [(3, 10)]

    async def test_what_another_writer_has_changed_counts(self) -> None:
        book, clock = await self._book()
        other = await a_book(MemoryStore(book._store.database), clock=clock, actor="other")  # type: ignore[attr-defined]
        await other.handle([a_request(name="x", cause="more")])

        assert await self._rung(book, clock, 13) == [(3, 10)]
        assert (await book.peek("b:x")).count == 3

    async def test_what_was_decided_on_a_page_that_is_lost_is_decided_anew(self) -> None:
        book, clock = await self._book()
        other = await a_book(MemoryStore(book._store.database), clock=clock, actor="other")  # type: ignore[attr-defined]
        await other.handle([a_request(name="y", cause="more")])

        assert await self._rung(book, clock, 13) == [(2, 10)]
        assert [entry.version for page in book.tail for entry in page.entries if entry.stream == "b:x"] == [2]

    async def test_another_wish_is_none_that_was_foreseen(self) -> None:
        book, clock = await self._book()
        clock.moment = NOON + timedelta(microseconds=13)

        await book.handle([Request("b:x", Ring(), "somebody")])
        (entry,) = book.tail[-1].entries
        assert entry.cause == "somebody"

    async def test_who_rings_twice_in_one_page_says_each_moment_once(self) -> None:
        book, clock = await self._book()
        clock.moment = NOON + timedelta(microseconds=13)

        outcomes = await book.handle([ring_of("b:x"), ring_of("b:x")])
        assert [outcome.result for outcome in outcomes] == ["applied", "nothing"]

    @pytest.mark.parametrize("is_asked", [True, False])
    async def test_what_cannot_be_told_ahead_is_decided_at_its_moment(self, *, is_asked: bool) -> None:
        def fails(*_: object) -> Any:
            raise ArithmeticError

        def told(stream: str, _: Toy) -> Ahead:
            fact = Chimed(name="x", count=0, heard="ring", rings_at=to_micros(NOON) + 10)
            return Ahead(ring_of(stream), [fact], fails)

        rule = toy(Noted, Chimed)
        book, clock = await self._book(decider=replace(rule, ahead=told if is_asked else fails))

        assert await self._rung(book, clock, 13) == [(2, 10)]

    async def test_a_fact_that_is_too_large_fails_at_its_moment(self) -> None:
        def told(stream: str, _: Toy) -> Ahead:
            fact = Chimed(name="x", count=0, heard="x" * MAX_FACT_BYTES, rings_at=to_micros(NOON) + 10)
            return Ahead(ring_of(stream), [fact], lambda _: True)

        book, clock = await self._book(decider=replace(toy(Noted, Chimed), ahead=told))

        assert await self._rung(book, clock, 13) == [(2, 10)]

    async def test_a_stream_with_dead_letters_is_foreseen_to_say_nothing(self) -> None:
        book, _ = await self._book(rings_in=())
        await book.handle([a_request(name="x", cause="ask", rings_in=10)])
        parking = Request("b:x", Park("broken"), "r", source=("s", 1), record=a_record(1))
        await book.handle([parking])
        book._drafts.foresee(book._records["b:x"])

        assert book._records["b:x"].foreseen is None

    async def test_nothing_is_told_ahead_of_a_moment_that_is_far_nor_while_something_is_due(self) -> None:
        told: list[str] = []
        rule = toy(Noted, Chimed)
        assert rule.ahead is not None
        listening = replace(rule, ahead=lambda stream, state: told.append(stream))
        book, clock = await self._book(decider=listening)
        assert told == ["b:x"]
        await book.handle([a_request(name="far", cause="a", rings_in=2_000_000)])
        await book.handle([a_request(name="near", cause="b", rings_in=900_000)])

        await book.prepare(NOON + timedelta(seconds=1))
        assert told == ["b:x", "b:near"]
        await book.handle([a_request(name="next", cause="c", rings_in=950_000)])
        clock.moment = NOON + timedelta(microseconds=10)
        await book.prepare(NOON + timedelta(seconds=1))
        assert told == ["b:x", "b:near"]

    async def test_who_is_left_when_a_moment_comes_is_not_told_ahead_any_more(self) -> None:
        clock, told = HandClock(), list[str]()

        def ahead(stream: str, _: Toy) -> None:
            told.append(stream)
            clock.moment = NOON + timedelta(microseconds=10)

        book = await a_book(MemoryStore(), clock=clock, decider=replace(toy(Noted, Chimed), ahead=ahead))
        await book.due(clock.now())
        many = range(2 * FORESEEN_AT_ONCE)
        await book.handle([a_request(name=f"x{n:02d}", cause=f"{n}", rings_in=10) for n in many])
        await book.prepare(NOON + timedelta(seconds=1))
        assert len(told) == FORESEEN_AT_ONCE

    async def test_as_many_are_told_ahead_as_states_may_stay_in_memory(self) -> None:
        book, _ = await self._book(remembered=2)
        await book.handle([a_request(name=f"y{n}", cause=f"{n}", rings_in=20 + n) for n in range(3)])
        await book.prepare(NOON + timedelta(seconds=1))

        foreseen = [stream for stream, record in book._records.items() if record.foreseen is not None]
        assert foreseen == ["b:x", "b:y0"]

    async def test_whose_moment_has_moved_is_not_told_ahead(self) -> None:
        book, _ = await self._book(rings_in=())
        await book.handle([a_request(name="x", cause="a", rings_in=10)])
        book._records["b:x"].body = replace(book._records["b:x"].body, rings=(to_micros(NOON) + 10**9,))

        await book.prepare(NOON + timedelta(seconds=1))
        assert book._records["b:x"].foreseen is None


def listened(asked: list[object]) -> Decider[Any]:
    """Return the toy, which notes what its rule is asked when it is asked by a book."""
    rule = toy(Noted, Chimed)

    def decide(state: Toy, command: Any, now: Any) -> Any:
        asked.append(command)
        return rule.decide(state, command, now)

    return replace(rule, decide=decide)
