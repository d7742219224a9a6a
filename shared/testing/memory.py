"""A database and a broker in memory that keep the same promises as the real ones, and fail like them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.envelope import Envelope
from shared.heads import Head
from shared.ledger import Page, from_document, is_erasure, page_id, to_document
from shared.published import heads_in, spoken_alone
from shared.relay import Outbound
from shared.state import Inbound
from shared.store import Document, NotAnErasureError, PageTakenError

Pause = Callable[[str], Awaitable[None]]
"""Called before and after each effect; it may wait, never return, or raise that the other side is away."""


async def no_pause(_: str) -> None:
    """Let the others run."""
    await asyncio.sleep(0)


class MemoryDatabase:
    """What a database holds when every client is gone."""

    def __init__(self) -> None:
        """Begin empty."""
        self.pages: dict[str, Document] = {}
        self.states: dict[str, Document] = {}
        self.marks: dict[int, Document] = {}


class MemoryStore:
    """``shared.store.Store`` in memory."""

    def __init__(self, database: MemoryDatabase | None = None, pause: Pause = no_pause) -> None:
        """Be one client of *database*."""
        self.database = database or MemoryDatabase()
        self._pause = pause

    async def insert_page(self, page: Page) -> None:
        """Insert a page; raise PageTakenError if its number is taken."""
        await self._pause("insert_page")
        is_taken = page.id in self.database.pages
        if not is_taken:
            self.database.pages[page.id] = to_document(page)
        await self._pause("page_inserted")
        if is_taken:
            raise PageTakenError(page.id)

    async def read_pages(self, book: int, numbers: Sequence[int]) -> list[Page]:
        """Return the pages of these numbers that exist, in order."""
        await self._pause("read_pages")
        ids = [page_id(book, number) for number in sorted(numbers)]
        found = [from_document(self.database.pages[one]) for one in ids if one in self.database.pages]
        await self._pause("pages_read")
        return found

    async def erase_page(self, page: Page) -> None:
        """Write a page over itself without what was erased."""
        await self._pause("erase_page")
        there = self.database.pages.get(page.id)
        if there is None or not is_erasure(from_document(there), page):
            raise NotAnErasureError(page.id)
        self.database.pages[page.id] = to_document(page)
        await self._pause("page_erased")

    async def taken(self, numbers: Mapping[int, int]) -> set[int]:
        """Return the books whose page of the given number exists."""
        await self._pause("taken")
        found = {book for book, number in numbers.items() if page_id(book, number) in self.database.pages}
        await self._pause("taken_read")
        return found

    async def load_states(self, streams: Collection[str]) -> list[Document]:
        """Return the stored states of these streams."""
        await self._pause("load_states")
        found = [dict(self.database.states[one]) for one in streams if one in self.database.states]
        await self._pause("states_loaded")
        return found

    async def write_states(self, documents: Sequence[Document], new: Collection[str] = ()) -> None:  # noqa: ARG002 nothing is faster here
        """Write each state over an older one only; like the real one, not all of them at once."""
        for document in documents:
            await self._pause("write_state")
            there = self.database.states.get(document["_id"])
            if there is None or there["page"] < document["page"]:
                self.database.states[document["_id"]] = dict(document)
        await self._pause("states_written")

    async def mend_states(self, documents: Sequence[Document]) -> None:
        """Write states whatever is there."""
        await self._pause("mend_states")
        self.database.states.update((document["_id"], dict(document)) for document in documents)

    async def waking(self, book: int, until: int, limit: int) -> list[tuple[int, str]]:
        """Return ``(wake_at, stream)`` of a book up to a moment, in order."""
        await self._pause("waking")
        rows = sorted(
            (document["wake_at"], stream)
            for stream, document in self.database.states.items()
            if document["book"] == book and document.get("wake_at", until + 1) <= until
        )
        await self._pause("woken")
        return rows[:limit]

    async def parked(self, book: int, limit: int) -> list[Document]:
        """Return a book's stored states that hold dead letters."""
        await self._pause("parked")
        states = self.database.states.values()
        return [dict(one) for one in states if one["book"] == book and one.get("letters", 0) > 0][:limit]

    async def count_parked(self, books: Collection[int]) -> int:
        """Return how many stored states of these books hold dead letters."""
        states = self.database.states.values()
        return sum(one["book"] in books and one.get("letters", 0) > 0 for one in states)

    async def marks(self, book: int) -> Mapping[str, Any]:
        """Return the marks of a book."""
        await self._pause("marks")
        found = dict(self.database.marks.get(book, {}))
        await self._pause("marks_read")
        return found

    async def set_marks(self, marks: Mapping[int, Mapping[str, Any]]) -> None:
        """Set marks of books, one after the other; what was applied never goes back."""
        for book, mine in marks.items():
            await self._pause("set_marks")
            there = self.database.marks.setdefault(book, {})
            applied = max(mine.get("applied", 0), there.get("applied", 0))
            there.update({**mine, "applied": applied})
            await self._pause("marks_set")


class MemoryBroker:
    """What a broker holds: topics with partitions, and the offsets of consumer groups."""

    def __init__(self, partitions: int) -> None:
        """Begin empty, as the first incarnation."""
        self.partitions = partitions
        self.incarnations = 0
        self.past: list[dict[tuple[str, int], list[Outbound]]] = []
        """The logs of all incarnations, the present one last; for tests to look at."""
        self.lose_everything()

    def lose_everything(self) -> None:
        """Come back empty: as another incarnation, with no offset of any group."""
        self.incarnations += 1
        self.logs: dict[tuple[str, int], list[Outbound]] = {}
        self.offsets: dict[tuple[str, str, int], int] = {}
        self.past.append(self.logs)

    @property
    def incarnation(self) -> str:
        """Return the identity of the present data."""
        return f"incarnation-{self.incarnations}"

    def append(self, record: Outbound) -> None:
        """Take one record."""
        self.logs.setdefault((record.topic, record.partition), []).append(record)

    def repeat(self, topic: str, partition: int, offset: int) -> None:
        """Append a record once more, as after a retry whose first answer was lost."""
        self.append(self.logs[topic, partition][offset])

    def high_water(self, topic: str, partition: int) -> int:
        """Return the offset of the next record of a partition."""
        return len(self.logs.get((topic, partition), []))


class MemoryOutlet:
    """``shared.relay.Outlet``: one producer of a broker in memory."""

    def __init__(self, broker: MemoryBroker, pause: Pause = no_pause) -> None:
        """Say things on *broker*."""
        self._broker = broker
        self._pause = pause

    async def send(self, records: Sequence[Outbound]) -> None:
        """Send records one after another; a failure may leave the first of them there."""
        for record in records:
            await self._pause("send")
            self._broker.append(record)
        await self._pause("sent")

    async def incarnation(self) -> str:
        """Return the identity of the broker's data."""
        await self._pause("incarnation")
        found = self._broker.incarnation
        await self._pause("incarnation_read")
        return found


class MemoryConsumer:
    """One member of a consumer group; what it knows dies with it, what it commits does not.

    Like a real one it keeps its positions when the broker comes back empty, and skips what lies before them.
    """

    def __init__(self, broker: MemoryBroker, group: str, pause: Pause = no_pause) -> None:
        """Join *group*; positions begin where the group has committed."""
        self._broker = broker
        self._group = group
        self._pause = pause
        self._positions: dict[tuple[str, int], int] = {}

    async def poll(self, topic: str, partition: int, limit: int) -> list[Inbound]:
        """Return the next records."""
        await self._pause("poll")
        at = topic, partition
        first = self._positions.get(at, self._broker.offsets.get((self._group, *at), 0))
        found = self._broker.logs.get(at, [])[first : first + limit]
        self._positions[at] = first + len(found)
        await self._pause("polled")
        return [
            Inbound(topic, partition, first + n, None if r.key is None else r.key.encode(), r.value)
            for n, r in enumerate(found)
        ]

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read a partition from *offset* on."""
        self._positions[topic, partition] = offset

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets, whatever broker's records they speak of."""
        await self._pause("commit")
        for (topic, partition), offset in offsets.items():
            self._broker.offsets[self._group, topic, partition] = offset
        await self._pause("committed")


class MemoryPublished:
    """``shared.published.Published``: what a service has said on a broker in memory."""

    def __init__(
        self, broker: MemoryBroker, name: str, heard: Callable[[], Iterable[Inbound]] = tuple
    ) -> None:
        """Read what the service of this name has said, and what others have that do not say it here."""
        self._broker = broker
        self._name = name
        self._heard = heard

    async def heads(self, books: Collection[int]) -> list[Head]:
        """Return the newest head said of each of these books."""
        found: dict[int, Head] = {}
        for topic in spoken_alone(self._name):
            for record in self._broker.logs.get((topic, 0), []):
                if record.key is None:
                    found |= {h.book: h for h in heads_in(topic, record.value, f"/zeren/{self._name}")}
        return [found[book] for book in books if book in found]

    async def facts(self, topics: Collection[str], since: datetime | None) -> AsyncIterator[Inbound]:
        """Yield the records that are no Said; each arrived here when it was decided."""
        for topic in topics:
            for n in range(self._broker.partitions):
                for offset, record in enumerate(self._broker.logs.get((topic, n), [])):
                    if record.key is not None and _is_since(record.value, since):
                        yield Inbound(topic, n, offset, record.key.encode(), record.value)
        for one in self._heard():
            if one.topic in topics and one.key is not None and _is_since(one.value, since):
                yield one


def _is_since(value: bytes, since: datetime | None) -> bool:
    return since is None or Envelope.parse(value).time >= since
