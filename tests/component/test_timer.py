"""The timer over several books: who may not speak yet is held, and tried again when something was heard."""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import book as book_module
from shared import timer as timer_module
from shared.book import Book, BookLostError
from shared.clock import from_micros, to_micros
from shared.decider import Request
from shared.store import StoreUnavailableError
from shared.testing.memory import MemoryStore
from shared.timer import Timer
from tests.support.eventually import eventually
from tests.support.kit import NOON, HandClock, a_book
from tests.support.toy import Hear


class Bell:
    """Lets streams speak or holds them, and remembers who was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_held = True

    async def wake(self, _: Book[Any], streams: Sequence[str]) -> Iterable[str]:
        """Hold the streams or let them go."""
        self.asked += streams
        return streams if self.is_held else ()

    def told(self) -> list[str]:
        """Return who was asked since this was last asked."""
        asked, self.asked = self.asked, []
        return asked


class Tower:
    """Two books whose streams are due, under one timer that holds them."""

    def __init__(self, books: Sequence[Book[Any]], clock: HandClock) -> None:
        self.books, self.clock = books, clock
        self.bell = Bell()
        self.timer = Timer(lambda: books, clock=clock, wake=self.bell.wake)

    async def turn(self) -> list[str]:
        """Let every book have its turn; return the streams that were asked."""
        for book in self.books:
            await self.timer.turn(book)
        return self.bell.told()


@pytest.fixture
async def tower(monkeypatch: pytest.MonkeyPatch) -> Tower:
    monkeypatch.setattr(timer_module, "AGAIN_AFTER", 3_600.0)
    clock = HandClock()
    books = [await a_book(MemoryStore(), number=number, clock=clock) for number in (1, 2)]
    for book in books:
        wish = Request(f"b:x{book.number}", Hear("ask", 0, 1), "ask")
        await book.handle([wish])
    clock.moment = NOON.replace(hour=23)
    tower = Tower(books, clock)
    assert await tower.turn() == ["b:x1", "b:x2"]
    return tower


async def test_what_is_held_rests_before_it_is_tried_again(tower: Tower) -> None:
    assert await tower.turn() == []


async def test_what_something_was_heard_for_while_it_was_tried_is_tried_again_at_once(tower: Tower) -> None:
    wake = tower.timer._wake

    async def hear_meanwhile(book: Book[Any], streams: Sequence[str]) -> Iterable[str]:
        if book.number == 1:
            tower.timer.hurry({1})
            tower.timer._stirred.clear()
        return await wake(book, streams)

    tower.timer.hurry()
    tower.timer._wake = hear_meanwhile
    assert await tower.turn() == ["b:x1", "b:x2"]
    assert tower.timer._stirred.is_set()
    tower.timer._wake = wake

    assert await tower.turn() == ["b:x1"]
    assert await tower.turn() == []


async def test_only_the_books_in_which_something_was_heard_are_tried_at_once(tower: Tower) -> None:
    tower.timer.hurry({2})

    assert await tower.turn() == ["b:x2"]


async def test_what_concerns_everybody_lets_every_book_try_at_once(tower: Tower) -> None:
    tower.timer.hurry()

    assert await tower.turn() == ["b:x1", "b:x2"]


async def test_who_has_spoken_is_held_no_more(tower: Tower) -> None:
    tower.bell.is_held = False
    tower.timer.hurry()
    assert await tower.turn() == ["b:x1", "b:x2"]

    tower.timer.hurry()

    assert await tower.turn() == []
    assert tower.timer.held == {1: {}, 2: {}}


async def test_the_timer_is_behind_by_the_oldest_moment_that_nobody_was_woken_for() -> None:
    clock = HandClock()
    book = await a_book(MemoryStore(), clock=clock, window=None)
    tower = Tower([book], clock)
    await tower.turn()
    assert tower.timer.behind() == 0.0
    await book.handle([Request("b:x", Hear("ask", 0, 1), "ask")])
    assert tower.timer.behind() == 0.0
    (due, _), *_ = book.wakes

    clock.moment = from_micros(due) + timedelta(seconds=90)
    assert tower.timer.behind() == 90.0

    await tower.turn()
    assert tower.timer.behind() == 0.0


async def test_nobody_is_held_in_a_book_that_has_gone_to_another_replica(tower: Tower) -> None:
    tower.timer._books = lambda: tower.books[:1]

    running = asyncio.ensure_future(tower.timer.run())
    await eventually(lambda: tower.timer.held.keys() == {1})
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert tower.timer.held[1].keys() == {"b:x1"}


async def test_a_turn_that_fails_is_tried_again_at_once(tower: Tower) -> None:
    async def fail(_: Book[Any], __: Sequence[str]) -> Iterable[str]:
        raise LookupError

    tower.timer.hurry()
    wake, tower.timer._wake = tower.timer._wake, fail
    with pytest.raises(LookupError):
        await tower.turn()
    tower.timer._wake = wake

    assert await tower.turn() == ["b:x1", "b:x2"]


async def test_a_timer_is_busy_while_it_wakes_and_as_long_as_it_holds_anybody(tower: Tower) -> None:
    seen: list[bool] = []

    async def look(_: Book[Any], streams: Sequence[str]) -> Iterable[str]:
        seen.append(tower.timer.is_busy)
        return ()

    while_held = tower.timer.is_busy
    tower.timer.held.clear()
    at_rest = tower.timer.is_busy
    await tower.books[0].handle([Request("b:new", Hear("new", 0, 1), "new")])
    tower.clock.moment += timedelta(hours=1)
    tower.timer._wake = look
    await tower.turn()

    assert (while_held, at_rest, set(seen), tower.timer.is_busy) == (True, False, {True}, False)


@pytest.mark.parametrize("trouble", [None, BookLostError(1), StoreUnavailableError("away")])
async def test_no_book_waits_for_another(trouble: Exception | None) -> None:
    clock, woken = HandClock(), asyncio.Event()
    books = [await a_book(MemoryStore(), number=number, clock=clock) for number in (1, 2)]
    for book in books:
        await book.handle([Request(f"b:x{book.number}", Hear("ask", 0, 1), "ask")])
    clock.moment = NOON.replace(hour=23)

    async def wake(book: Book[Any], _: Sequence[str]) -> Iterable[str]:
        if book.number == 2:
            woken.set()
        elif trouble is not None:
            raise trouble
        else:
            await asyncio.Event().wait()
        return ()

    running = asyncio.ensure_future(Timer(lambda: books, clock=clock, wake=wake).run())

    await asyncio.wait_for(woken.wait(), 5)

    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_book_has_its_next_turn_while_anothers_lasts(tower: Tower) -> None:
    woken: list[int] = []

    async def wake(book: Book[Any], _: Sequence[str]) -> Iterable[str]:
        woken.append(book.number)
        if book.number == 1:
            await asyncio.Event().wait()
        return ()

    tower.timer._wake = wake
    tower.timer.hurry()
    running = asyncio.ensure_future(tower.timer.run())
    await eventually(lambda: {1, 2} <= set(woken))
    before = woken.count(2)
    await tower.books[1].handle([Request("b:again", Hear("again", 0, 1), "again")])
    tower.clock.moment += timedelta(hours=1)
    await eventually(lambda: woken.count(2) > before)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert woken.count(1) == 1
    assert tower.timer._turns == 0, "a turn at hand ends with the timer"


async def test_what_is_heard_wakes_the_timer_from_its_nap(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer_module, "NAP", 60.0)
    running = asyncio.ensure_future(tower.timer.run())
    await asyncio.sleep(0.01)
    assert tower.bell.told() == []

    tower.timer.hurry({2})
    async with asyncio.timeout(5):
        await eventually(lambda: tower.bell.told() == ["b:x2"])

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_has_more_due_than_fit_a_page_goes_on_at_once(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NAP", "GATHERED"):
        monkeypatch.setattr(timer_module, name, 60.0)
    for module in (timer_module, book_module):
        monkeypatch.setattr(module, "DUE_AT_ONCE", 2)
    await tower.books[0].handle([Request(f"b:{n}", Hear("more", 0, 1), f"more-{n}") for n in range(5)])
    tower.clock.moment += timedelta(hours=1)

    running = asyncio.ensure_future(tower.timer.run())
    async with asyncio.timeout(5):
        await eventually(lambda: len(tower.bell.asked) >= 5)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_few_wait_for_no_place_and_many_do(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who share a moment leave together, and at a deadline the first books before the last."""
    monkeypatch.setattr(timer_module, "FEW", 3)
    tower.timer._places = asyncio.Semaphore(0)
    for book, due, held in ((1, 3, 1), (2, 2, 1)):
        tower.timer.held[book] = {f"b:held-{n}": 0.0 for n in range(held)}
        moments = {f"{book}-{n}": 1 for n in range(due)} | {f"{book}-later": 10**12}
        await tower.books[book - 1].handle(
            [Request(f"b:{name}", Hear("ask", 0, rings_in), name) for name, rings_in in moments.items()]
        )
    tower.clock.moment += timedelta(seconds=1)

    running = asyncio.ensure_future(tower.timer.run())
    try:
        await eventually(lambda: tower.bell.asked)
        assert sorted(tower.bell.asked) == ["b:2-0", "b:2-1", "b:held-0"]
        tower.timer._places.release()
        await eventually(lambda: len(tower.bell.asked) > 3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_fault_in_one_turn_ends_the_timer_and_is_not_lost(tower: Tower) -> None:
    async def fail(_: Book[Any], __: Sequence[str]) -> Iterable[str]:
        raise LookupError

    tower.timer._wake = fail
    tower.timer.hurry()

    with pytest.raises(LookupError):
        await asyncio.wait_for(tower.timer.run(), 5)


@given(st.lists(st.lists(st.integers(-3, 3), max_size=12), max_size=3), st.integers(0, 20))
def test_whether_many_are_due_is_what_counting_them_says(moments: list[list[int]], most: int) -> None:
    now = to_micros(NOON)
    books = [Mock(wakes=[(now + moment, "b:x") for moment in mine]) for mine in moments]
    for book in books:
        heapq.heapify(book.wakes)
    timer = Timer(lambda: books, clock=HandClock(), wake=Mock())

    assert timer.is_more_due_than(most) == (timer.due() > most)
