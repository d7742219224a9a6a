"""Time in: one command for each stream whose moment has come, in batches, never early."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from datetime import timedelta
from itertools import chain, islice
from typing import Any

import structlog

from shared.book import DUE_AT_ONCE, Book, BookLostError
from shared.clock import Clock, monotonic, to_micros
from shared.reasons import told
from shared.store import StoreUnavailableError
from shared.tasks import end

NAP = 0.02
"""Seconds: the longest sleep, so that a jump of the clock is seen; a nearer moment is met at its instant."""
GATHERED = 0.005
"""Seconds: the shortest sleep, so that moments which follow each other closely share a page."""
AT_ONCE, FEW = 8, 100
"""Books whose due streams are decided side by side if they are more than a few: those of the first are
out before the last are read."""
AHEAD = timedelta(minutes=1)
"""So long before their moment states are brought into memory: 200,000 take half of it."""
PREPARED_EVERY = 1.0
"""Seconds."""
RESTS = 0.25
"""Seconds after which a book that could not be written is tried again."""
AGAIN_AFTER = 1.0
"""Seconds after which a stream that could not speak is tried again, if nothing was heard before."""

log = structlog.get_logger()

Wake = Callable[[Book[Any], Sequence[str]], Awaitable[Iterable[str]]]
"""Let streams of a book speak; return those that may not yet, to be tried again."""


class Timer:
    """One process's timer over all the books that it writes."""

    def __init__(self, books: Callable[[], Iterable[Book[Any]]], *, clock: Clock, wake: Wake) -> None:
        """Wake streams of *books* by *wake*."""
        self._books, self._clock, self._wake = books, clock, wake
        self.held: dict[int, dict[str, float]] = {}
        """Per book the streams that are to be tried again, and when (real seconds)."""
        self._hurries: Counter[int] = Counter()
        self._turns = 0
        self._stirred = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._at_hand = 0

    @property
    def is_busy(self) -> bool:
        """Tell whether a stream whose moment has come is being woken, or is held."""
        return self._turns > 0 or any(self.held.values())

    async def run(self) -> None:
        """Wake streams until cancelled; no book waits for another."""
        turns: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                self._stirred.clear()
                books = list(self._books())
                self._forget_others({book.number for book in books})
                for number in [number for number, turn in turns.items() if turn.done()]:
                    turns.pop(number).result()
                for book in books:
                    if book.number not in turns and self._has_work(book):
                        turns[book.number] = asyncio.create_task(self._try_turn(book))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._stirred.wait()
        finally:
            await end(list(turns.values()))

    def _has_work(self, book: Book[Any]) -> bool:
        """Tell whether a turn may find somebody to wake."""
        if book.number not in self.held or book.may_be_due(self._clock.now()):
            return True
        held = self.held[book.number]
        return bool(held) and min(held.values()) <= monotonic()

    async def _try_turn(self, book: Book[Any]) -> None:
        """Wake what is due in one book; if it cannot be written, it rests.

        A few streams wait for no place: with those of the other books they share a command to the database.
        """
        left = FEW - len(self.held.get(book.number, ()))
        is_few = left >= 0 and not _is_longer(_passed(book.wakes, to_micros(self._clock.now())), left)
        try:
            async with nullcontext() if is_few else self._places:
                await self.turn(book)
        except (BookLostError, StoreUnavailableError) as error:
            log.warning("timer_waits", book=book.number, reason=told(error))
            await asyncio.sleep(RESTS)

    async def run_ahead(self) -> None:
        """Bring into memory what will be woken in a moment, until cancelled."""
        while True:
            await asyncio.sleep(PREPARED_EVERY)
            for book in list(self._books()):
                with suppress(StoreUnavailableError):
                    await book.prepare(self._clock.now() + AHEAD)

    async def turn(self, book: Book[Any]) -> None:
        """Wake what is due in one book, and write the one line of it if anybody spoke."""
        self._turns += 1
        try:
            await self._turn(book)
        finally:
            self._turns -= 1

    async def _turn(self, book: Book[Any]) -> None:
        held, began = self.held.setdefault(book.number, {}), monotonic()
        hurries = self._hurries[book.number]
        again = [stream for stream, at in held.items() if at <= began]
        due = await book.due(self._clock.now())
        streams = dict.fromkeys([*again, *due])
        if not streams:
            return
        began = monotonic()
        self._at_hand += len(streams)
        try:
            waiting = set(await self._wake(book, list(streams)))
        except BaseException:
            held.update(dict.fromkeys(streams, 0.0))
            raise
        finally:
            self._at_hand -= len(streams)
        is_hurried = self._hurries[book.number] != hurries
        again_at = 0.0 if is_hurried else monotonic() + AGAIN_AFTER
        for stream in streams:
            if stream in waiting:
                held[stream] = again_at
            else:
                held.pop(stream, None)
        if is_hurried or len(streams) >= DUE_AT_ONCE:
            self._stirred.set()
        if len(waiting) < len(streams):
            took = round((monotonic() - began) * 1000, 2)
            log.info("tick", book=book.number, woken=len(streams), held=len(waiting), duration_ms=took)

    def _forget_others(self, books: Collection[int]) -> None:
        """Hold nobody of a book that another replica writes; who takes it over expects all its moments."""
        for number in self.held.keys() - set(books):
            del self.held[number]

    def hurry(self, books: Collection[int] | None = None) -> None:
        """Try what is held in *books*, all if None, at once: what it waited for may have come."""
        for number, held in self.held.items():
            if books is None or number in books:
                held.update(dict.fromkeys(held, 0.0))
                self._hurries[number] += 1
        self._stirred.set()

    def behind(self) -> float:
        """Return by how many seconds of business time the earliest moment not yet served has passed."""
        left = self._left()
        return 0.0 if left is None else max(0.0, -left)

    def due(self) -> int:
        """Return how many streams' moment has come that were not let speak yet.

        Who is held was, and counts only while he is tried again.
        """
        now = to_micros(self._clock.now())
        late = (book for book in self._books() if book.wakes and book.wakes[0][0] <= now)
        return self._at_hand + sum(moment <= now for book in late for moment, _ in book.wakes)

    def is_more_due_than(self, most: int) -> bool:
        """Tell whether more of them are due than *most*; it looks at hardly more moments than that."""
        now = to_micros(self._clock.now())
        passed = chain.from_iterable(_passed(book.wakes, now) for book in self._books())
        left = most - self._at_hand
        return left < 0 or _is_longer(passed, left)

    def _left(self) -> float | None:
        """Return how long it is to the earliest moment at which a stream is to be woken, if there is one."""
        near = min((book.wakes[0][0] for book in self._books() if book.wakes), default=None)
        if near is None:
            return None
        return timedelta(microseconds=near - to_micros(self._clock.now())).total_seconds()

    def _pause(self) -> float:
        left = self._left()
        return NAP if left is None else min(NAP, max(GATHERED, left))


def _is_longer(moments: Iterator[int], most: int) -> bool:
    return next(islice(moments, most, None), None) is not None


def _passed(heap: Sequence[tuple[int, str]], now: int) -> Iterator[int]:
    """Yield the moments of a heap up to *now*; below a later one lie only later ones."""
    places = [0]
    while places:
        place = places.pop()
        if place < len(heap) and heap[place][0] <= now:
            yield heap[place][0]
            places += (2 * place + 1, 2 * place + 2)
