"""The books that this process writes: opened when they are dealt or leased to it, closed when they go."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

import stamina
import structlog

from shared.book import PROBE, Book
from shared.heads import Head
from shared.ledger import Page
from shared.mongo import MongoStore
from shared.relay import BrokerUnavailableError
from shared.store import StoreUnavailableError

S = TypeVar("S")
LEASE = timedelta(seconds=10)

AWAY = (StoreUnavailableError, BrokerUnavailableError)

log = structlog.get_logger()


def why_behind(books: Iterable[int]) -> tuple[str, str]:
    """Return why nothing is written to restored books, in English and Chinese."""
    names = ", ".join(map(str, sorted(books)))
    return (
        f"the database is behind what was published (books {names}): stop this service and run `adopt`",
        f"数据库落后于已发布的内容（账本 {names}）：请停止本服务并运行 adopt",
    )


@dataclass(slots=True)
class Shelf(Generic[S]):
    """One process's books; ``ours`` are those it should write, opened or still being taken over."""

    make: Callable[[int], Book[S]]
    store: Callable[[], MongoStore]
    actor: str
    address: str
    """Where other replicas reach this one."""
    is_dealt: bool
    """Dealt out by the broker with the partitions; else leased."""
    books: dict[int, Book[S]]
    follow: Callable[[Page], None] | None = None
    """Sees every page of every book, from the first one on, each once and in order."""
    on_open: Callable[[Book[S]], None] = lambda _book: None
    on_close: Callable[[int], None] = lambda _number: None
    lacking: Callable[[Collection[int]], Coroutine[Any, Any, Iterable[Head]]] | None = None
    """Returns the published heads of books that the ledger does not hold."""
    behind: dict[int, Head] = field(default_factory=dict)
    """The books that were restored from a backup and lack what was published: nothing is written to them."""
    ours: set[int] = field(default_factory=set)
    has_books: asyncio.Event = field(default_factory=asyncio.Event)
    has_asked: bool = False
    """Every lease was asked for at least once."""
    _turns: dict[int, asyncio.Lock] = field(default_factory=dict)

    def opened(self) -> Iterable[Book[S]]:
        """Return the books that this process writes."""
        return [book for book in self.books.values() if book.is_open]

    async def open_all(self, numbers: set[int]) -> None:
        """Take books over, and tell other replicas the way to them."""
        self.ours |= numbers
        if self.is_dealt:
            with suppress(StoreUnavailableError):
                await self.store().announce(numbers, self.actor, self.address)
        await self._look_back(numbers - self.behind.keys() - self.books.keys())
        await asyncio.gather(*(self._open(number) for number in numbers - self.behind.keys()))

    async def _look_back(self, numbers: set[int]) -> None:
        """Find out which books are behind their published heads, before anything is written to them."""
        if self.lacking is None or not numbers:
            return
        patient = stamina.retry(on=AWAY, attempts=None, timeout=None)(self.lacking)
        for head in await patient(numbers):
            self.behind[head.book] = head
            reason, reason_zh = why_behind([head.book])
            log.error("book_behind", book=head.book, published=head.text, reason=reason, reason_zh=reason_zh)

    async def _open(self, number: int) -> None:
        async with self._turns.setdefault(number, asyncio.Lock()):
            if number in self.books and self.books[number].is_open:
                return
            book = self.make(number)
            async for attempt in stamina.retry_context(on=StoreUnavailableError, attempts=None, timeout=None):
                with attempt:
                    await book.open()
            if self.follow is not None:
                await self._catch_up(book, self.follow)
            self.on_open(book)
            self.books[number] = book
            self.has_books.set()
            log.info("book_opened", book=number, head=book.head, applied=book.applied)

    async def _catch_up(self, book: Book[S], follow: Callable[[Page], None]) -> None:
        """Show the follower every page so far; the book is open but nobody else has it yet."""
        for first in range(1, book.head + 1, PROBE):
            numbers = range(first, min(first + PROBE, book.head + 1))
            for page in await self.store().read_pages(book.number, numbers):
                follow(page)

    async def close_all(self, numbers: set[int]) -> None:
        """Let books go, each with its states written if the database is there."""
        self.ours -= numbers
        for number in numbers:
            self.behind.pop(number, None)
            self.on_close(number)
            book = self.books.pop(number, None)
            if book is not None:
                with suppress(StoreUnavailableError):
                    await book.close()
                log.info("book_closed", book=number, head=book.head)

    async def keep_leases(self, count: int, on_lost: Callable[[], Any]) -> None:
        """Claim every book that nobody holds, and keep what is held, until cancelled."""
        while True:
            for number in range(count):
                try:
                    is_ours = await self.store().claim(number, self.actor, self.address, LEASE)
                except StoreUnavailableError:
                    continue
                if is_ours and number not in self.books:
                    await self.open_all({number})
                elif not is_ours and number in self.books:
                    await self.close_all({number})
                    on_lost()
            self.has_asked = True
            await asyncio.sleep(LEASE.total_seconds() / 4)

    async def clear(self) -> None:
        """Close every book and give its lease back; for a stop."""
        for book in list(self.books.values()):
            await book.close()
            await self.store().release(book.number, self.actor)
