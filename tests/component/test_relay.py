"""When a relay says that it has said all."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from contracts.envelope import Envelope
from shared import book as book_module
from shared import relay as relay_module
from shared.clock import monotonic
from shared.relay import PAGES_AT_ONCE, Outbound, Relay, Work
from shared.store import StoreUnavailableError
from shared.tasks import end
from shared.testing.memory import MemoryBroker, MemoryDatabase, MemoryStore
from tests.support.eventually import eventually
from tests.support.kit import a_book, a_relay, a_request


@pytest.mark.parametrize(
    ("pages_at", "said_at"),
    [
        ([], [0.0, 1.0, 2.0]),
        ([0.5], [0.0, 0.6, 1.6, 2.6]),
        ([0.5, 0.55, 0.6], [0.0, 0.7, 1.7]),
        ([n / 20 for n in range(1, 50)], [0.0, 1.0, 2.0, 2.55]),
    ],
    ids=["nothing to say", "one page", "a burst", "without a break"],
)
async def test_said_comes_soon_after_the_last_page_of_a_burst_and_else_every_so_often(
    monkeypatch: pytest.MonkeyPatch, pages_at: list[float], said_at: list[float]
) -> None:
    """Each Said is a record on every partition: a steady stream of pages does not multiply it."""
    now = 100.0
    monkeypatch.setattr(relay_module, "monotonic", lambda: now)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    relay = a_relay(book, store, broker)
    found: list[float] = []

    def saids() -> int:
        return sum(Envelope.parse(r.value).type == "b.said.v1" for log in broker.logs.values() for r in log)

    for step in range(265):
        now = 100.0 + step / 100
        if any(abs(page - step / 100) < 0.001 for page in pages_at):
            await book.handle([a_request(cause=f"ask-{step}")])
        while await relay.say_pages():
            pass
        before = saids()
        await relay.say_said_if_due()
        if saids() > before:
            found.append(step / 100)

    assert found == pytest.approx(said_at, abs=0.011)


@asynccontextmanager
async def counted(relay: Relay) -> AsyncIterator[list[int]]:
    """Let a relay run, and count what it says at once."""
    sent: list[int] = []
    say = relay._outlet.send

    async def send(records: Sequence[Outbound]) -> None:
        facts = sum(record.key is not None for record in records)
        if facts:
            sent.append(facts)
        await say(records)

    relay._outlet.send = send  # type: ignore[method-assign]
    running = asyncio.ensure_future(relay.run())
    try:
        yield sent
    finally:
        await end([running])


async def test_pages_that_come_while_others_are_said_are_said_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "GATHERED", 0.5)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    for n in range(PAGES_AT_ONCE + 1):
        await book.handle([a_request(cause=f"before-{n}")])
    async with counted(a_relay(book, store, broker)) as sent:
        await eventually(lambda: sent, every=0.0)
        for n in range(3):
            await book.handle([a_request(cause=f"meanwhile-{n}")])
            await asyncio.sleep(0.01)
        await eventually(lambda: book.said == book.head)

    # The page that the writer begins with holds nothing to say.
    assert sent == [PAGES_AT_ONCE - 1, 5]


async def test_a_relay_that_is_a_long_way_behind_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "GATHERED", 60.0)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    for n in range(3 * PAGES_AT_ONCE):
        await book.handle([a_request(cause=f"ask-{n}")])
    async with counted(a_relay(book, store, broker)) as sent:
        await eventually(lambda: sum(sent) >= 3 * PAGES_AT_ONCE - 1)


def said_by(broker: MemoryBroker) -> list[Envelope]:
    """Return the envelopes of all Said."""
    read = [Envelope.parse(record.value) for log in broker.logs.values() for record in log]
    return [envelope for envelope in read if envelope.type == "b.said.v1"]


class SlowStore(MemoryStore):
    """Answers what a relay asks besides pages when it is told to."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.asked = ""
        self._may_answer = asyncio.Event()

    def is_asked(self, question: str) -> bool:
        """Tell whether this is the question at hand."""
        return self.asked == question

    def answer(self) -> None:
        """Let the question at hand be answered."""
        self.asked = ""
        self._may_answer.set()
        self._may_answer = asyncio.Event()

    async def taken(self, numbers: Mapping[int, int]) -> set[int]:  # type: ignore[explicit-override]
        """Wait, and ask."""
        self.asked = "taken"
        await self._may_answer.wait()
        return await super().taken(numbers)

    async def set_marks(  # type: ignore[explicit-override]
        self, marks: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Wait, and set them."""
        self.asked = "set_marks"
        await self._may_answer.wait()
        await super().set_marks(marks)


async def test_facts_wait_neither_for_marks_nor_for_the_look_before_said() -> None:
    """Both ask the database, where pages and states come first."""
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    slow = SlowStore(store.database)
    relay = a_relay(book, slow, broker)
    running = [asyncio.ensure_future(job) for job in (relay.run(), relay.run_said())]
    try:
        for asked in ("set_marks", "taken"):
            relay.hurry()
            await eventually(partial(slow.is_asked, asked))
            await book.handle([a_request(cause=f"while-{asked}")])
            relay.nudge()
            await eventually(lambda: book.said == book.head)
            assert slow.asked == asked
            slow.answer()
    finally:
        await end(running)


async def test_said_comes_for_all_books_once_all_is_said_and_the_marks_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "MARKED_EVERY", 0.01)
    store, broker = MemoryStore(), MemoryBroker(1)
    books = [await a_book(store, number=number) for number in (0, 1)]
    relay = a_relay(books[0], store, broker)
    await relay.drain()
    relay._books = lambda: books
    await books[1].handle([a_request(cause="ask")])
    await relay.say_said_if_due()
    assert said_by(broker) == []

    running = [asyncio.ensure_future(job) for job in (relay.run(), relay.run_said())]
    try:
        (said, *_) = await eventually(lambda: said_by(broker))
        await eventually(lambda: all(relay._marked[book.number][0] == book.head for book in books))
    finally:
        await end(running)

    assert said.data["books"] == [0, 1]
    assert [(await store.marks(book.number))["said"] for book in books] == [book.head for book in books]


async def test_said_waits_neither_for_the_next_mark_nor_for_its_period_after_a_page_or_a_jump_of_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "MARKED_EVERY", 3_600.0)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    relay = a_relay(book, store, broker)
    relay._every = 3_600.0
    relay._said_at = relay._marked_at = monotonic()
    running = [asyncio.ensure_future(job) for job in (relay.run(), relay.run_said())]
    try:
        await eventually(lambda: book.said == book.head)
        await eventually(lambda: len(said_by(broker)) == 1)
        await book.handle([a_request(cause="ask")])
        relay.nudge()
        await eventually(lambda: len(said_by(broker)) == 2)
        relay.hurry()
        await eventually(lambda: len(said_by(broker)) == 3)
    finally:
        await end(running)


async def test_marks_come_before_their_time_once_much_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a kill in a burst lets all of the last second be said again."""
    monkeypatch.setattr(relay_module, "MARKED_EVERY", 3_600.0)
    monkeypatch.setattr(relay_module, "MARKED_AFTER", 3)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    relay = a_relay(book, store, broker)
    await relay.drain()
    before = (await store.marks(book.number))["said"]
    running = [asyncio.ensure_future(job) for job in (relay.run(), relay.run_said())]
    marked = []
    try:
        for n in range(6):
            await book.handle([a_request(cause=f"ask-{n}")])
            relay.nudge()
            await eventually(lambda: book.said == book.head)
            await asyncio.sleep(0.02)
            marked.append((await store.marks(book.number))["said"] - before)
    finally:
        await end(running)

    assert marked == [0, 0, 3, 3, 3, 6]


async def test_a_broker_that_came_back_empty_is_marked_once_all_is_said_again() -> None:
    """Else whoever goes on says all of it a third time."""
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    relay = a_relay(book, store, broker)
    await book.handle([a_request(cause="ask")])
    await relay.drain()

    broker.lose_everything()
    await relay.drain()

    marks = await store.marks(book.number)
    assert (marks["said"], marks["incarnation"]) == (book.head, broker.incarnation)


class Teller:
    """Tells people of pages, unless the database is away."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.calls: list[list[int]] = []
        """The books of which people were told together."""
        self.is_away = False

    async def tell(self, work: Work) -> None:
        """Remember which pages people were told of."""
        if self.is_away:
            raise StoreUnavailableError
        self.told += [page.number for _, pages in work for page in pages]
        self.calls.append([book.number for book, _ in work])


async def test_facts_do_not_wait_for_people_to_be_told_and_no_page_is_passed_over() -> None:
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    book = await a_book(store)
    relay = a_relay(book, store, broker, tell=teller.tell)
    teller.is_away = True
    for n in range(PAGES_AT_ONCE + 3):
        await book.handle([a_request(cause=f"ask-{n}")])

    while await relay.say_pages():
        pass

    assert book.said == book.head
    with pytest.raises(StoreUnavailableError):
        await relay.tell_pages()
    assert relay.is_telling

    teller.is_away = False
    await relay.drain()

    assert teller.told == list(range(1, book.head + 1))
    assert not relay.is_telling


async def test_people_are_told_together_of_facts_that_follow_each_other_closely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    book = await a_book(store)
    relay = a_relay(book, store, broker, tell=teller.tell)
    await relay.drain()
    told = len(teller.calls)
    running = [asyncio.ensure_future(job) for job in (relay.run(), relay.run_telling())]
    try:
        for n in range(3):
            await book.handle([a_request(cause=f"ask-{n}")])
            relay.nudge()
            await eventually(lambda: book.said == book.head)
        await eventually(lambda: book.told == book.head)
    finally:
        await end(running)

    assert (len(teller.calls) - told, len(teller.told)) == (1, len(set(teller.told)))


async def test_nobody_is_told_before_the_facts_are_out_or_twice_by_a_relay_that_goes_on() -> None:
    """What was said and not told is marked apart: the next process tells it, and says nothing again."""
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    book = await a_book(store)
    relay = a_relay(book, store, broker, tell=teller.tell)
    await book.handle([a_request(cause="first")])
    assert not await relay.tell_pages()
    assert teller.told == []
    await relay.drain()
    await book.handle([a_request(cause="second")])
    while await relay.say_pages():
        pass
    await relay.mark(force=True)
    said = broker.high_water("b", 0)

    heir = await a_book(store, actor="heir")
    await a_relay(heir, store, broker, tell=teller.tell).drain()

    assert broker.high_water("b", 0) == said
    assert teller.told == list(range(1, heir.head + 1))


async def test_people_are_told_after_the_facts_of_a_moment_that_many_share_but_not_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "AGAIN_AFTER", 0.0)
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    book = await a_book(store)
    looks: list[int] = []

    def is_pressed() -> bool:
        looks.append(len(teller.told))
        return len(looks) < 10

    relay = a_relay(book, store, broker, tell=teller.tell, is_pressed=is_pressed)
    await book.handle([a_request()])
    while await relay.say_pages():
        pass
    await relay.tell_pages()
    assert looks == [0] * 10
    assert teller.told

    monkeypatch.setattr(relay_module, "PRESSED_FOR", 0.0)
    relay = a_relay(book, store, broker, tell=teller.tell, is_pressed=lambda: True)
    await book.handle([a_request(cause="again")])
    while await relay.say_pages():
        pass
    await relay.tell_pages()
    assert teller.told[-1] == book.head


async def test_a_stop_in_the_middle_of_a_burst_marks_what_was_said_and_leaves_the_telling() -> None:
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    book = await a_book(store)
    await book.handle([a_request()])

    async with asyncio.timeout(5):
        await a_relay(book, store, broker, tell=teller.tell, is_pressed=lambda: True).drain()

    marks = await store.marks(0)
    assert (marks["said"], marks["told"], teller.told) == (book.head, 0, [])


async def test_pages_that_wait_to_be_told_do_not_fill_the_memory_and_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book_module, "AT_HAND", 5)
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    book = await a_book(store)
    relay = a_relay(book, store, broker, tell=teller.tell)
    for n in range(9):
        await book.handle([a_request(cause=f"ask-{n}"), a_request(name="y", cause=f"ask-{n}")])
        assert sum(len(page.entries) for page in book.tail) <= 5
        while await relay.say_pages():
            pass
    assert len(book.tail) == 2

    await relay.drain()

    assert teller.told == list(range(1, book.head + 1))
    assert not book.tail


async def test_people_are_told_of_several_books_together_but_not_of_too_much_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "TOLD_AT_ONCE", 3)
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    books = [await a_book(store, number=number) for number in range(4)]
    relay = a_relay(books[0], store, broker, tell=teller.tell)
    relay._books = lambda: books
    for book, count in zip(books, (1, 2, 5, 1), strict=True):
        await book.handle([a_request(name=f"x{n}", cause=f"ask-{n}") for n in range(count)])
    while await relay.say_pages():
        pass

    while await relay.tell_pages():
        pass

    assert teller.calls == [[0, 1], [2], [3]]
    assert [book.told for book in books] == [book.head for book in books]


async def test_nothing_is_told_of_a_book_whose_broker_has_come_back_empty_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said again from its first page on, and told from where the telling stood."""
    monkeypatch.setattr(relay_module, "TOLD_AT_ONCE", 1)
    store, broker = MemoryStore(), MemoryBroker(1)
    books = [await a_book(store, number=number) for number in range(2)]
    told: list[int] = []

    async def tell(work: Work) -> None:
        told.extend(book.number for book, _ in work)
        if told == [0]:
            books[1].said, books[1].incarnation = 0, "another"

    relay = a_relay(books[0], store, broker, tell=tell)
    relay._books = lambda: books
    for book in books:
        await book.handle([a_request()])
    while await relay.say_pages():
        pass

    assert not await relay.tell_pages()
    assert (told, books[1].told) == ([0], 0)
    await relay.drain()
    assert (told, books[1].told) == ([0, 1], books[1].head)


async def test_people_are_told_of_a_book_that_is_still_being_taken_over_from_the_database() -> None:
    """More of it was said before than is folded yet."""
    store, broker, teller = MemoryStore(), MemoryBroker(1), Teller()
    first = await a_book(store, distance=100)
    for n in range(4):
        await first.handle([a_request(cause=f"ask-{n}")])
    first.said = first.head
    book = await a_book(store, actor="heir")
    book.said, book.told, book.head = first.head, 1, 2
    while book.tail[-1].number > book.head:
        book.tail.pop()
    assert book.tail

    await a_relay(book, store, broker, tell=teller.tell).tell_pages()

    assert teller.told == list(range(2, first.head + 1))
