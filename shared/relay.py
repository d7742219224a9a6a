"""The only way out: what lies in the books is said on Kafka in page order, and then that all is said."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from contracts.envelope import Fact, Said, encode_said, older
from contracts.topics import FACTS
from shared import metrics
from shared.book import Book
from shared.clock import Clock, monotonic
from shared.ids import partition_of
from shared.ledger import Page
from shared.store import Store, StoreUnavailableError

PAGES_AT_ONCE = 8
GATHERED = 0.002
"""Seconds: pages that come while others are being said are said together, in larger batches."""
SOON = timedelta(seconds=0.1)
AGAIN_AFTER = 0.5
"""Seconds."""
PRESSED_FOR = 60.0
"""Seconds for which people are told of nothing so that facts come first, at most."""
TOLD_EVERY = 0.1
"""Seconds: notices of facts that follow each other closely are written together."""
TOLD_AT_ONCE = 500
"""Entries of which people are told together, unless one book's pages hold more."""
MARKED_EVERY, MARKED_AFTER = 1.0, 4_000
"""Seconds, and records, after which marks are written: what was said since is said again after a crash."""


Work = Sequence[tuple[Book[Any], Sequence[Page]]]
"""Books, each with some of its pages in order."""
Tell = Callable[[Work], Awaitable[None]]
"""Tells people of what was said."""


class Outbound(NamedTuple):
    """A record on its way to Kafka."""

    topic: str
    partition: int
    key: str | None
    value: bytes
    reason: str | None = None


class BrokerUnavailableError(Exception):
    """The broker did not take what was sent; some of it may have arrived."""


class NoTopicsError(BrokerUnavailableError):
    """The broker answers but holds nothing of ours: it is new, or came back empty."""


class Outlet(Protocol):
    """What the relay asks of a broker."""

    async def send(self, records: Sequence[Outbound]) -> None:
        """Send records, in order per partition, and return once all replicas have them."""

    async def incarnation(self) -> str:
        """Return the identity of the broker's data: another one if it came back empty."""


class Relay:
    """One process's relay over all the books that it writes.

    ``tell`` is called with what was said, before it is marked: telling people hangs on published facts.
    It waits while ``is_pressed``: at a moment that many share, the facts come first.
    """

    def __init__(
        self,
        books: Callable[[], Iterable[Book[Any]]],
        *,
        store: Store,
        outlet: Outlet,
        clock: Clock,
        source: str,
        topics: Sequence[str],
        partitions: int,
        of: int,
        every: timedelta,
        soon: timedelta = SOON,
        tell: Tell | None = None,
        is_pressed: Callable[[], bool] = lambda: False,
        facts: Mapping[str, type[Fact]] = FACTS,
    ) -> None:
        """Say what *books* hold; say Said on *topics* *every* so often, and *soon* after the last page.

        Of *facts* those that have an older version are said in it as well.
        """
        self._books = books
        self._store = store
        self._outlet = outlet
        self._clock = clock
        self._source = source
        self._topics = topics
        self._partitions = partitions
        self._of = of
        self._every = every.total_seconds()
        self._soon = soon.total_seconds()
        self._tell = tell
        self._is_pressed = is_pressed
        self._fresh = asyncio.Event()
        self._untold = asyncio.Event()
        self._pressed_at: float | None = None
        self._lowering = {name: fact for name, fact in facts.items() if fact.lowered is not Fact.lowered}
        self._wake = asyncio.Event()
        self._marked: dict[int, tuple[int, int, str]] = {}
        self._marked_at = 0.0
        self._unmarked = 0
        self._said_at = 0.0
        self._fresh_at: float | None = None
        self.through: datetime | None = None
        """What this process has last said of itself."""

    def nudge(self) -> None:
        """Tell the relay that there is a new page."""
        self._wake.set()

    def hurry(self) -> None:
        """Let the next Said come at once: the clock has jumped."""
        self._said_at = 0.0
        self._fresh.set()

    async def run(self) -> None:
        """Relay until cancelled; a broker or a database that is away is tried again."""
        while True:
            self._wake.clear()
            try:
                if not await self.say_pages():
                    await _until(self._wake, monotonic() + self._every)
                elif all(book.head - book.said < PAGES_AT_ONCE for book in self._books()):
                    await asyncio.sleep(GATHERED)
            except (BrokerUnavailableError, StoreUnavailableError):
                await asyncio.sleep(AGAIN_AFTER)

    async def run_said(self) -> None:
        """Mark what was said, and say it when all is, until cancelled; facts wait for neither."""
        while True:
            self._fresh.clear()
            try:
                await self.mark()
                await self.say_said_if_due()
            except (BrokerUnavailableError, StoreUnavailableError):
                await asyncio.sleep(AGAIN_AFTER)
            next_at = self._marked_at + MARKED_EVERY
            await _until(self._fresh, min(next_at, self._said_next()) if self._is_all_said() else next_at)

    @property
    def is_telling(self) -> bool:
        """Tell whether people are still to be told of something that was said."""
        return any(book.told < book.said for book in self._books())

    async def run_telling(self) -> None:
        """Tell people of what was said until cancelled; facts never wait for it."""
        while True:
            self._untold.clear()
            try:
                if not await self.tell_pages():
                    await self._untold.wait()
                    await asyncio.sleep(TOLD_EVERY)
            except StoreUnavailableError:
                await asyncio.sleep(AGAIN_AFTER)

    async def tell_pages(self) -> bool:
        """Tell people of a few pages of each book that were said; tell whether there is more."""
        if (tell := self._tell) is None:
            return False
        work: list[tuple[Book[Any], Sequence[Page]]] = []
        for book in list(self._books()):
            # A broker that has come back empty hears a book from its first page: then nothing of it is said.
            first, last = book.told + 1, min(book.said, book.told + PAGES_AT_ONCE)
            if first > last:
                continue
            work.append((book, await self._pages(book, first, last)))
            if sum(len(page.entries) for _, pages in work for page in pages) >= TOLD_AT_ONCE:
                await self._tell_of(work, tell)
                work = []
        if work:
            await self._tell_of(work, tell)
        return self.is_telling

    async def _tell_of(self, work: Work, tell: Tell) -> None:
        await self._breathe()
        await tell(work)
        for book, pages in work:
            # Another incarnation of the broker hears all again; people do not.
            _note_told(book, pages[-1].number)

    async def _breathe(self) -> None:
        """Wait while what many share is being decided, but not for ever."""
        while self._is_pressed():
            self._pressed_at = self._pressed_at or monotonic()
            if monotonic() - self._pressed_at >= PRESSED_FOR:
                return
            await asyncio.sleep(AGAIN_AFTER)
        self._pressed_at = None

    async def say_said_if_due(self) -> None:
        """With nothing left to say, say that, if it is time."""
        if monotonic() >= self._said_next() and self._is_all_said():
            self._said_at, self._fresh_at = monotonic(), None
            await self.say_said()

    def _is_all_said(self) -> bool:
        return all(book.said == book.head for book in self._books())

    def _said_next(self) -> float:
        """Return when the next Said is due: every so often, and soon after the last page of a burst."""
        next_at = self._said_at + self._every
        return next_at if self._fresh_at is None else min(next_at, self._fresh_at + self._soon)

    async def say_pages(self) -> bool:
        """Say what is unsaid, a few pages of each book; tell whether there is more."""
        incarnation = await self._outlet.incarnation()
        work: list[tuple[Book[Any], Sequence[Page]]] = []
        for book in list(self._books()):
            if book.incarnation != incarnation:
                book.said, book.incarnation = 0, incarnation
            if book.said < book.head:
                work.append((book, await self._unsaid(book)))
        if not work:
            return False
        records = [
            Outbound(topic, partition_of(key, self._partitions), key, value, reason)
            for _, pages in work
            for page in pages
            for entry in page.entries
            for topic, type_, key, newest, reason in entry.events
            if topic is not None
            for value in self._versions(type_, newest)
        ]
        await self._outlet.send(records)
        self._unmarked += len(records)
        for book, pages in work:
            book.said = pages[-1].number
            metrics.SAID_PAGES.labels(self._source.rpartition("/")[2]).inc(len(pages))
            if self._tell is None:
                _note_told(book, book.said)
        self._untold.set()
        self._fresh.set()
        self._fresh_at = monotonic()
        return any(book.said < book.head for book, _ in work)

    def _versions(self, type_: str, newest: bytes) -> Iterable[bytes]:
        """Return one fact in all its versions: who knows the newest takes the others for repetitions."""
        lowering = self._lowering.get(type_)
        return (newest,) if lowering is None else (newest, *older(newest, lowering))

    async def _unsaid(self, book: Book[Any]) -> Sequence[Page]:
        """Return the next pages to say."""
        return await self._pages(book, book.said + 1, min(book.head, book.said + PAGES_AT_ONCE))

    async def _pages(self, book: Book[Any], first: int, last: int) -> Sequence[Page]:
        """Return pages of a book, from memory if all of them are there.

        The first may be let go of; of a book that is being taken over the last may not be folded yet.
        """
        if book.tail and book.tail[0].number <= first and last <= book.tail[-1].number:
            start = first - book.tail[0].number
            return [book.tail[n] for n in range(start, start + last - first + 1)]
        return await self._store.read_pages(book.number, range(first, last + 1))

    async def mark(self, *, force: bool = False) -> None:
        """Mark how far the books were said and told, if it is time, if that was much, or by *force*."""
        is_due = self._unmarked >= MARKED_AFTER or monotonic() - self._marked_at >= MARKED_EVERY
        if not (force or is_due):
            return
        self._marked_at, self._unmarked = monotonic(), 0
        done = {book.number: (book.said, book.told, book.incarnation) for book in self._books()}
        moved = {number: marks for number, marks in done.items() if self._marked.get(number) != marks}
        await self._store.set_marks(
            {
                number: {"said": said, "told": told, "incarnation": incarnation}
                for number, (said, told, incarnation) in moved.items()
            }
        )
        self._marked |= moved

    async def say_said(self) -> None:
        """Say through when everything that these books decided is out.

        A book with something unsaid, not yet fenced, or overtaken by another writer, is not spoken for.
        """
        start = self._clock.now()
        books = [book for book in self._books() if book.is_open]
        if not books:
            return
        since = [book.undecided_since() or start for book in books]
        overtaken = await self._store.taken({book.number: book.head + 1 for book in books})
        quiet = [
            n
            for n, book in enumerate(books)
            if book.is_open
            and book.said == book.head
            and book.number not in overtaken
            and book.incarnation == books[0].incarnation
        ]
        if not quiet:
            return
        spoken, through = [books[n] for n in quiet], min(start, *(since[n] for n in quiet))
        if len(spoken) == len(books):
            self.through = through
        numbers = tuple(book.number for book in spoken)
        heads = tuple(f"{book.number}/{book.head}:{book.hash.hex()}" for book in spoken)
        await self._outlet.send(
            [
                Outbound(
                    topic,
                    partition,
                    None,
                    encode_said(
                        Said(
                            source=self._source,
                            books=numbers,
                            of=self._of,
                            through=through,
                            incarnation=spoken[0].incarnation,
                            heads=heads if partition == 0 else (),
                        ),
                        topic=topic,
                        partition=partition,
                        time=start,
                    ),
                )
                for topic in self._topics
                for partition in range(self._partitions)
            ]
        )

    async def drain(self) -> None:
        """Say everything there is and mark it; for a stop. Who follows tells what a burst has left."""
        while await self.say_pages():
            pass
        await self.mark(force=True)
        while not self._is_pressed() and await self.tell_pages():
            pass
        await self.mark(force=True)


async def _until(event: asyncio.Event, at: float) -> None:
    """Wait for an event, until a moment at the latest."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.001, at - monotonic())):
            await event.wait()


def _note_told(book: Book[Any], number: int) -> None:
    """Learn that people were told of a book up to a page; nobody in this process needs it any more."""
    book.told = max(book.told, number)
    book.let_go(min(book.told, book.said))
