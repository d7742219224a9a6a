"""The writer of one book: load, decide, append a page, keep the states."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Generic, TypeVar

import stamina

from shared.clock import EPOCH, Clock, from_micros, to_micros
from shared.decider import Decider, Outcome, Request
from shared.drafts import Drafts, PageDraft
from shared.ledger import GENESIS, MAX_ENTRIES, Entry, Page, parts, seal
from shared.state import DeadLetter, Record
from shared.store import Document, PageTakenError, Store, StoreUnavailableError

S = TypeVar("S")
PROBE = 64
"""Pages are found by asking for this many numbers at once: a range over ``_id`` may scan."""

AT_HAND = 2_000
"""Entries of a book, 5 KB each, that are kept for the relay until they are said and told."""
FLUSHED_AT_ONCE = 100
"""States: pages do not wait long behind them in the database."""
SENDING = 3
"""Turns of the event loop until a page is on its way to the database, where the next is not decided yet."""
DUE_AT_ONCE = 1_000
"""Streams that are woken together; as many as fill a page."""
DECIDED_AT_ONCE = 100
"""Requests: deciding holds the event loop, and what was decided before leaves in its turns between."""
FORESEEN_AT_ONCE = 20
"""Streams: a millisecond's work, which nothing that comes between waits for."""
WINDOW = timedelta(minutes=10)
WINDOW_LIMIT = 100_000
"""Moments of one book that are in memory besides those of states not written yet."""
SURPLUS = 16
"""A book lets go of states once it has this part of its room too many: to find them it looks at all."""
FAR = to_micros(datetime(9999, 1, 1, tzinfo=UTC))


class BookLostError(Exception):
    """Another replica writes this book."""


@dataclass(eq=False, slots=True)
class _Ticket:
    """A caller's requests, waiting for their page."""

    requests: Sequence[Request]
    at: datetime
    done: asyncio.Future[list[Outcome]] = field(default_factory=asyncio.Future)


def _answer(tickets: Sequence[_Ticket], outcomes: Sequence[Outcome]) -> None:
    """Answer the tickets of which every outcome is known."""
    done = 0
    for ticket in tickets:
        done += len(ticket.requests)
        if done <= len(outcomes) and not ticket.done.done():
            ticket.done.set_result(list(outcomes[done - len(ticket.requests) : done]))


class Book(Generic[S]):
    """One book and its writer.

    Callers who come while a page is being written share the next one.
    ``distance`` is how many pages the stored states may be behind: 0 writes them with the request.
    ``most_unwritten`` is how many states may wait in memory to be written: with more, deciding waits for it.
    ``window`` is how far ahead the moments at which streams wake are in memory; all of them if None.
    ``most_prepared`` is how many states may be brought for moments that are to come.
    ``marked_every`` is how many pages the mark of the written states may be behind them: so many are
    folded again at a take-over.
    """

    def __init__(
        self,
        number: int,
        *,
        store: Store,
        decider: Decider[S],
        clock: Clock,
        source: str,
        actor: str,
        distance: int = 0,
        remembered: int = 50_000,
        most_unwritten: int = 50_000,
        most_prepared: int = 50_000,
        marked_every: int = 1,
        window: timedelta | None = WINDOW,
        deciding: asyncio.Lock | None = None,
    ) -> None:
        """Make the writer; it writes nothing before ``open``."""
        self.number = number
        self.head = 0
        self.applied = 0
        self.said = 0
        self.told = 0
        """How far people were told of what was said; the relay keeps it."""
        self.incarnation = ""
        self.page_size = MAX_ENTRIES
        self.tail: deque[Page] = deque()
        """The newest pages, so that the relay need not read them again."""
        self.wakes: list[tuple[int, str]] = []
        """A heap of the near moments at which streams wake; entries may be out of date."""
        self.on_page: Callable[[Page], None] = lambda _page: None
        self.is_open = False
        self.hash = GENESIS
        self.at = 0
        self._store = store
        self._shape = decider.shape
        self._clock = clock
        self._drafts = Drafts(decider, source)
        self._actor = actor
        self._in_tail = 0
        self._distance = distance
        self._remembered = remembered
        self._most_unwritten = most_unwritten
        self._most_prepared = most_prepared
        self._marked_every = marked_every
        self._marked = 0
        self._window = window
        self._deciding = deciding or asyncio.Lock()
        self._records: dict[str, Record[S]] = {}
        self._unwritten: dict[str, int] = {}
        """Of each stream whose newest state is not written, the first page that the stored one may lack."""
        self._waiting: list[_Ticket] = []
        self._writing: list[_Ticket] = []
        self._turn = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self._wakes_until = 0
        self._coming: list[tuple[int, str]] = []
        """A heap of the near moments that were not prepared for yet; entries may be out of date."""
        self._awaited: set[str] = set()
        """Streams that were brought for a moment that has not come yet: they stay in memory."""
        self._forgotten = 0
        """How often states were let go of."""
        self._next_wake: tuple[int, int | None] = (-1, None)
        self._since = EPOCH
        self._doubt: datetime | None = None
        """Since when an insert may still land whose answer never came."""

    # -- taking over ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take the book over, once: fold what its states do not hold yet, then fence the writer before."""
        await self._clock.refresh()
        marks = await self._store.marks(self.number)
        self.applied = marks.get("applied", 0)
        self.said = marks.get("said", 0)
        self.told = marks.get("told", self.said)
        self.incarnation = marks.get("incarnation", "")
        self.head = self._marked = self.applied
        if self.head:
            (newest,) = await self._store.read_pages(self.number, [self.head])
            self.hash, self.at = newest.hash, newest.at
        async with self._turn:
            await self._fence()
        self.is_open = True

    async def _fence(self) -> None:
        """Become the one writer; nothing is judged as of before what the last one has said."""
        while True:
            await self._catch_up()
            try:
                self._settle(await self._append([], self._clock.now()), {})
                break
            except PageTakenError:
                continue
        await self._clock.refresh()
        self._since = max(self._clock.now(), from_micros(self.at))
        self._doubt = None

    async def _catch_up(self) -> None:
        """Fold every page that another writer has appended."""
        while True:
            numbers = range(self.head + 1, self.head + 1 + PROBE)
            pages = await self._store.read_pages(self.number, numbers)
            for page in pages:
                await self._fold(page)
            if len(pages) < PROBE:
                return

    async def _fold(self, page: Page) -> None:
        streams = dict.fromkeys(entry.stream for entry in page.entries)
        await self._load(streams)
        for entry in page.entries:
            record = self._records[entry.stream]
            if record.version < entry.version:
                self._shape.fold(record, entry, page.number)
        self._settle(page, {stream: self._records[stream] for stream in streams})

    def _settle(self, page: Page, changed: Mapping[str, Record[S]]) -> None:
        """Take a durable page as the book's head."""
        self.head, self.hash, self.at = page.number, page.hash, page.at
        self._keep(page)
        for stream, record in changed.items():
            self._unwritten.setdefault(stream, page.number)
            self._expect(record)
        self.on_page(page)

    def _keep(self, page: Page) -> None:
        """Keep a page at hand and let go of the oldest, which the relay then reads."""
        self.tail.append(page)
        self._in_tail += len(page.entries)
        while self._in_tail > AT_HAND:
            self.let_go(self.tail[0].number)

    def let_go(self, number: int) -> None:
        """Let go of the pages at hand up to this one; who needs one after all reads it."""
        while self.tail and self.tail[0].number <= number:
            self._in_tail -= len(self.tail.popleft().entries)

    # -- deciding ---------------------------------------------------------------------------------

    async def handle(self, requests: Sequence[Request]) -> list[Outcome]:
        """Decide each request on its stream and append what happened; return once it is durable.

        A request is judged by the moment at which it came here, or at which the book was won back.

        Raises:
            BookLostError: another replica writes this book; nothing was kept, or the first thousands of many.
            StoreUnavailableError: the database stays away; what was asked may be done later or not.
        """
        if not self.is_open:
            raise BookLostError(self.number)
        ticket = _Ticket(requests, self._clock.now())
        self._waiting.append(ticket)
        return await asyncio.shield(asyncio.ensure_future(self._serve(ticket)))

    async def _serve(self, ticket: _Ticket) -> list[Outcome]:
        async with self._turn:
            if not ticket.done.done():
                self._writing, self._waiting = self._waiting, []
                try:
                    await self._write(self._writing)
                except BaseException as error:
                    for waiting in self._writing:
                        if not waiting.done.done():
                            waiting.done.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
                finally:
                    self._writing = []
        return ticket.done.result()

    async def _write(self, tickets: Sequence[_Ticket]) -> None:
        """Answer all tickets, in as few pages as they fit."""
        if self._doubt is not None:
            await self._fence()
        todo = [(request, ticket.at) for ticket in tickets for request in ticket.requests]
        outcomes: list[Outcome] = []
        lost = 0
        while len(outcomes) < len(todo):
            try:
                await self._write_pages(todo, outcomes)
            except PageTakenError:
                lost += 1
                if lost > 3 or not self.is_open:
                    _answer(tickets, outcomes)
                    raise BookLostError(self.number) from None
                await self._fence()
        if self.head - self.applied > self._distance:
            await self.flush()
        elif (surplus := len(self._unwritten) - self._most_unwritten) > 0:
            await self.flush(surplus)
        self._forget()
        _answer(tickets, outcomes)

    async def _write_pages(self, todo: Sequence[tuple[Request, datetime]], outcomes: list[Outcome]) -> None:
        """Add the outcomes that *todo* still lacks; while a page is inserted, the next is decided on it.

        What was decided on a page that is lost is lost with it.
        """
        ahead: dict[str, Record[S]] = {}
        unproven: list[Outcome] = []
        inserting = asyncio.ensure_future(asyncio.sleep(0))
        done, number = len(outcomes), self.head + 1
        try:
            while done < len(todo):
                part = todo[done : done + self.page_size]
                streams = dict.fromkeys(request.stream for request, _ in part)
                await self._load(streams)
                records = {stream: ahead.get(stream) or self._records[stream] for stream in streams}
                page = await self._decide(records, part, number)
                done += len(page.outcomes)
                unproven += page.outcomes
                if page.entries:
                    await inserting
                    inserting = asyncio.ensure_future(self._put(page, unproven, outcomes))
                    ahead, unproven, number = page.drafts, [], number + 1
                    for _ in range(SENDING):
                        await asyncio.sleep(0)
            await inserting
        finally:
            await asyncio.gather(inserting, return_exceptions=True)
        if unproven and await self._store.read_pages(self.number, [self.head + 1]):
            raise PageTakenError
        outcomes.extend(unproven)

    async def _decide(
        self, records: Mapping[str, Record[S]], part: Sequence[tuple[Request, datetime]], number: int
    ) -> PageDraft[S]:
        """Decide as much as fits a page, some of it in each turn of the event loop.

        Books that have much to decide do it one after the other; a few requests wait for none of them.
        """
        page = PageDraft[S](number, self._since)
        if len(part) <= DECIDED_AT_ONCE:
            self._drafts.decide(page, records, part)
            return page
        async with self._deciding:
            for n in range(0, len(part), DECIDED_AT_ONCE):
                if n:
                    await asyncio.sleep(0)
                if not self._drafts.decide(page, records, part[n : n + DECIDED_AT_ONCE]):
                    break
        return page

    async def _put(self, draft: PageDraft[S], decided: Sequence[Outcome], outcomes: list[Outcome]) -> None:
        """Make a page of what was decided: it proves that all before it was decided on the newest state."""
        page = await self._append(draft.entries, self._clock.now())
        self._records |= draft.drafts
        self._settle(page, draft.drafts)
        outcomes.extend(decided)

    # -- keeping ----------------------------------------------------------------------------------

    async def _append(self, entries: Sequence[Entry], now: datetime) -> Page:
        """Insert the next page; when in doubt, the page itself tells what happened."""
        page = seal(self.number, self.head + 1, entries, self._actor, max(to_micros(now), self.at), self.hash)
        try:
            # A retry's objects refer to themselves: with hundreds of pages a second they pile up.
            try:
                await self._insert(page)
            except StoreUnavailableError:
                await self._insert_patiently(page)
        except StoreUnavailableError:
            self._doubt = self._doubt or self.undecided_since() or now
            raise
        return page

    @stamina.retry(on=StoreUnavailableError, attempts=None, timeout=60.0, wait_initial=0.05, wait_max=2.0)
    async def _insert_patiently(self, page: Page) -> None:
        await self._insert(page)

    async def _insert(self, page: Page) -> None:
        try:
            await self._store.insert_page(page)
        except (PageTakenError, StoreUnavailableError) as doubt:
            there = await self._store.read_pages(self.number, [page.number])
            if there and there[0].hash != page.hash:
                raise PageTakenError(page.id) from doubt
            if not there:
                raise StoreUnavailableError(page.id) from doubt

    async def take_back(self, entries: Sequence[Entry]) -> None:
        """Append entries whose facts were said before the book was restored, as they are; for ``adopt``."""
        async with self._turn:
            for part in parts(entries, self.page_size):
                await self._fold(await self._append(part, self._clock.now()))

    async def peek(self, stream: str) -> S:
        """Return a stream's state as it stands; for readers, it changes nothing."""
        return (await self.peek_all([stream]))[stream]

    async def parked(self, stream: str) -> tuple[DeadLetter, ...]:
        """Return the dead letters of a stream, the oldest first."""
        if stream in self._records:
            return self._records[stream].parked
        stored = await self._store.load_states([stream])
        mine = [document for document in stored if document["book"] == self.number]
        return self._shape.from_document(mine[0]).parked if mine else ()

    async def parked_records(self, limit: int) -> list[Record[S]]:
        """Return the streams that hold dead letters."""
        await self.flush()
        return [
            self._shape.from_document(document) for document in await self._store.parked(self.number, limit)
        ]

    async def peek_all(self, streams: Collection[str]) -> dict[str, S]:
        """Return the states of streams, in one query."""
        found = {stream: self._records[stream].body for stream in streams if stream in self._records}
        absent = [stream for stream in streams if stream not in found]
        if absent:
            stored = [self._shape.from_document(d) for d in await self._store.load_states(absent)]
            found |= {record.stream: record.body for record in stored}
        return {
            stream: found[stream] if stream in found else self._shape.initial(stream) for stream in streams
        }

    async def _load(self, streams: Collection[str]) -> None:
        """Bring states into memory, in one query; only between pages."""
        absent = [stream for stream in streams if stream not in self._records]
        if not absent:
            return
        self._take_in(await self._store.load_states(absent))
        for stream in absent:
            if stream not in self._records:
                self._records[stream] = self._shape.new(stream)

    async def flush(self, most: int | None = None) -> None:
        """Write the states that changed so far, *most* of them at most, and the mark that says how far."""
        async with self._flushing:
            if self.head == self.applied:
                return
            streams = list(islice(self._unwritten, most))
            for n in range(0, len(streams), FLUSHED_AT_ONCE):
                part = streams[n : n + FLUSHED_AT_ONCE]
                await self._write_states([self._records[stream] for stream in part])
            self.applied = min(self._unwritten.values(), default=self.head + 1) - 1
            if self.applied - self._marked >= self._marked_every:
                await self._store.set_marks({self.number: {"applied": self.applied}})
                self._marked = self.applied

    async def _write_states(self, records: Sequence[Record[S]]) -> None:
        """Write states; those that change meanwhile are still unwritten, from the page after this one."""
        head, written = self.head, [(record.stream, record.page) for record in records]
        await self._store.write_states(
            [self._shape.to_document(record, self.number) for record in records],
            {record.stream for record in records if not record.is_stored},
        )
        for stream, page in written:
            self._records[stream].is_stored = True
            del self._unwritten[stream]
            if self._records[stream].page != page:
                self._unwritten[stream] = head + 1

    def _forget(self) -> None:
        """Let go of the states longest in memory when there are too many; only between pages.

        While streams are due, of those none is that still waits for its moment's say: it was brought for it.
        """
        surplus = len(self._records) - max(self._remembered, len(self._unwritten) + len(self._awaited))
        if surplus <= self._remembered // SURPLUS:
            return
        now = to_micros(self._clock.now())
        kept_until = now if self._is_any_due(now) else 0
        spare = (
            stream
            for stream, record in self._records.items()
            if stream not in self._unwritten
            and stream not in self._awaited
            and (self._shape.wake_at(record.body) or FAR) > kept_until
        )
        for stream in list(islice(spare, surplus)):
            del self._records[stream]
            self._forgotten += 1

    @property
    def unwritten(self) -> int:
        """Return how many states in memory are newer than the stored ones."""
        return len(self._unwritten)

    async def close(self) -> None:
        """Stop writing: finish the page at hand, write the states, refuse what comes."""
        self.is_open = False
        async with self._turn:
            await self.flush()
            if self._marked < self.applied:
                await self._store.set_marks({self.number: {"applied": self.applied}})

    def undecided_since(self) -> datetime | None:
        """Return the moment of the oldest request whose page is not yet known to be durable."""
        moments = [ticket.at for ticket in (*self._waiting, *self._writing)]
        return min(moments if self._doubt is None else [*moments, self._doubt], default=None)

    async def settle_doubt(self) -> None:
        """After an insert without an answer, find out what became of it, so that Said can go on."""
        if self._doubt is not None:
            async with self._turn:
                await self._fence()

    # -- waking -----------------------------------------------------------------------------------

    def _expect(self, record: Record[S]) -> None:
        wake_at = None if record.parked else self._shape.wake_at(record.body)
        if wake_at is not None and wake_at <= self._wakes_until:
            heapq.heappush(self.wakes, (wake_at, record.stream))
            heapq.heappush(self._coming, (wake_at, record.stream))

    async def due(self, now: datetime) -> list[str]:
        """Return streams whose moment has come, the earliest first, a page of them at most.

        They are expected no more.
        """
        micros = to_micros(now)
        if not self.may_be_due(now):
            return []
        if not self._is_any_due(micros):
            await self._look_ahead(FAR if self._window is None else to_micros(now + self._window))
        due: dict[str, int] = {}
        while self._is_any_due(micros) and len(due) < DUE_AT_ONCE:
            moment, stream = heapq.heappop(self.wakes)
            self._awaited.discard(stream)
            if self._is_expected(moment, stream):
                due[stream] = moment
        try:
            await self._bring(list(due))
        except BaseException:
            for stream, moment in due.items():
                heapq.heappush(self.wakes, (moment, stream))
            raise
        return list(due)

    def may_be_due(self, now: datetime) -> bool:
        """Tell whether a moment has come, as far as memory knows, or the database has to be asked."""
        micros = to_micros(now)
        return micros >= self._wakes_until or self._is_any_due(micros)

    def _is_any_due(self, micros: int) -> bool:
        """Tell whether a moment in memory has come; more of the same one may not be in memory yet."""
        return bool(self.wakes) and self.wakes[0][0] <= micros

    async def prepare(self, until: datetime) -> None:
        """Bring states that wake up to a moment into memory before it comes, as many as there is room for.

        What the first of them will say is decided ahead. Nothing is prepared while something is due.
        """
        micros, now, near = to_micros(until), to_micros(self._clock.now()), list[str]()
        if self._is_any_due(now):
            return
        room = self._most_prepared - len(self._awaited)
        while self._coming and self._coming[0][0] <= micros and len(near) < room:
            moment, stream = heapq.heappop(self._coming)
            if moment > now:
                near.append(stream)
        self._awaited.update(near)
        await self._bring(near)
        foreseen = sum(record.foreseen is not None for record in self._records.values()) if near else 0
        near = near[: max(0, self._remembered - foreseen)]
        for n in range(0, len(near), FORESEEN_AT_ONCE):
            if self._is_any_due(to_micros(self._clock.now())):
                return
            for stream in near[n : n + FORESEEN_AT_ONCE]:
                self._foresee(stream, micros)
            await asyncio.sleep(0)

    def _foresee(self, stream: str, until: int) -> None:
        """Decide ahead what a stream says at its moment, if that comes soon."""
        record = self._records.get(stream)
        if record is None or record.foreseen is not None:
            return
        if (self._shape.wake_at(record.body) or FAR) <= until:
            self._drafts.foresee(record)

    async def _bring(self, streams: Sequence[str]) -> None:
        """Bring stored states into memory while others are decided.

        Who changes meanwhile is in memory and stays as he is, unless he was let go of again: then what was
        read may be outdated, and is read once more between pages.
        """
        for n in range(0, len(streams), DUE_AT_ONCE):
            absent = [stream for stream in streams[n : n + DUE_AT_ONCE] if stream not in self._records]
            forgotten = self._forgotten
            stored = await self._store.load_states(absent) if absent else []
            if forgotten == self._forgotten:
                self._take_in(stored)
            else:
                async with self._turn:
                    await self._load(absent)

    def _take_in(self, stored: Iterable[Document]) -> None:
        for document in stored:
            if document["_id"] not in self._records:
                self._records[document["_id"]] = self._shape.from_document(document)

    async def _look_ahead(self, until: int) -> None:
        """Bring the moments up to *until* into memory, those of unwritten states included.

        Of these the database still has the moments before; they are passed over when they come up.
        """
        limit = WINDOW_LIMIT + len(self._unwritten)
        self._wakes_until, self.wakes, self._coming = until, [], []
        for stream in self._unwritten:
            self._expect(self._records[stream])
        stored = await self._store.waking(self.number, until, limit)
        for row in stored:
            heapq.heappush(self.wakes, row)
            heapq.heappush(self._coming, row)
        if len(stored) == limit:
            self._wakes_until = stored[-1][0]

    async def next_wake(self) -> int | None:
        """Return the next moment at which a stream wakes, in microseconds; ``due`` did not return it yet."""
        while self.wakes and not self._is_expected(*self.wakes[0]):
            self._awaited.discard(heapq.heappop(self.wakes)[1])
        if self.wakes:
            return self.wakes[0][0]
        if self._wakes_until == FAR:
            return None
        if self._next_wake[0] != self.head:
            await self.flush()
            head = self.applied
            stored = await self._store.waking(self.number, FAR, 1)
            self._next_wake = (head, stored[0][0] if stored else None)
        return self._next_wake[1]

    def _is_expected(self, moment: int, stream: str) -> bool:
        """Tell whether a moment still holds, as far as memory knows."""
        record = self._records.get(stream)
        return record is None or (not record.parked and self._shape.wake_at(record.body) == moment)
