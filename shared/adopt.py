"""After a restore: take the facts that the database lost back from the topics, as they were said."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contracts.envelope import Envelope
from shared.book import Book
from shared.clock import Clock
from shared.decider import Decider, Request
from shared.heads import Adoption, Head, append_heads, lacking, newest_heads
from shared.ledger import Entry
from shared.published import Origin, Published
from shared.retelling import Fetched, HeardAgain, MisfitError, Retelling
from shared.state import NOTHING_SEEN, Inbound, Record, Seen
from shared.store import Store

AT_ONCE = 1_000


class AdoptError(Exception):
    """A restored book cannot be taken on as things are; it stays not ready."""

    def __init__(self, reason: str, reason_zh: str) -> None:
        """Say why in both languages."""
        super().__init__(f"{reason} / {reason_zh}")


@dataclass(slots=True)
class Adopted:
    """What became of one restored book."""

    book: int
    restored: int
    """The newest page that the backup held."""
    until: int
    """The newest page that had been published."""
    facts: int = 0
    heard: int = 0
    """Facts of other services that were heard again."""
    missing: dict[str, int] = field(default_factory=dict)
    """Per subject how many sequences were said, or counted, and lie on no topic any more."""


@dataclass(slots=True)
class Lost:
    """What one stream has lost: what it said, and what it had heard."""

    said: dict[tuple[str, int], Fetched] = field(default_factory=dict)
    heard: list[HeardAgain] = field(default_factory=list)


ByStream = dict[str, Lost]


@dataclass(frozen=True, slots=True)
class Adopter:
    """Takes back the lost facts of one service that does not run, or is not ready."""

    store: Store
    books: Sequence[int]
    decider: Decider[Any]
    origin: Origin
    source: str
    says: Sequence[str]
    hears: Sequence[str]
    """The topics whose facts are heard again; those on which others write as well must be brought again."""
    ask: Callable[[Inbound], Request | None]
    """Returns what a heard record asks for."""
    number_for: Callable[[Inbound], int]
    """Returns the book of a heard record."""
    published: Published
    clock: Clock
    heads: Path | None
    make_book: Callable[[int, str], Book[Any]]
    """Makes a book whose pages bear the given actor."""

    async def adopt(self, who: str, *, since: datetime | None, accept_loss: bool) -> list[Adopted]:
        """Let every book that is behind its published head go on from there; the others are not touched.

        A kill at any point leaves the book not ready; adopting again finishes it.

        Raises:
            AdoptError: it cannot be done.
        """
        said = await self.published.heads(self.books)
        behind: dict[int, list[Head]] = {}
        for head in await lacking(self.store, dict.fromkeys([*newest_heads(self.heads, self.books), *said])):
            behind.setdefault(head.book, []).append(head)
        unheard = sorted(behind.keys() - {head.book for head in said})
        if unheard and not accept_loss:
            raise AdoptError(
                f"the topics know no head of the books {unheard}: what they lost cannot come back; "
                "--accept-loss goes on without it",
                f"主题中没有账本 {unheard} 的账页记录，丢失的内容无法取回；如仍要继续，请加 --accept-loss",
            )
        open_books: dict[int, Book[Any]] = {}
        results: dict[int, Adopted] = {}
        for number, heads in behind.items():
            book, results[number] = await self._open(number, Adoption(who, tuple(heads)))
            open_books[number] = book
        by_book = await self._lost(open_books, since) if open_books else {}
        for number, book in open_books.items():
            mine = by_book.get(number, {})
            entries = await self._entries(book, mine, who, results[number])
            await book.take_back(entries)
            await self._finish(book)
        return list(results.values())

    async def _open(self, number: int, adoption: Adoption) -> tuple[Book[Any], Adopted]:
        """Take a book over: its fence is the page that makes the heads of the life before void."""
        applied = (await self.store.marks(number)).get("applied", 0)
        if applied and not await self.store.read_pages(number, [applied]):
            raise AdoptError(
                f"book {number}: states newer than pages; the backup was made of a running service",
                f"账本 {number} 的状态比账页新：备份时服务未停止",
            )
        book = self.make_book(number, adoption.actor)
        await book.open()
        await book.flush()
        return book, Adopted(number, book.head - 1, adoption.until)

    async def _finish(self, book: Book[Any]) -> None:
        """Let everybody know that the book goes on: the file of heads first, or ``verify`` could not tell."""
        await book.close()
        if self.heads is not None:
            append_heads(self.heads, [Head(book.number, book.head, book.hash)])
        await self.store.set_marks({book.number: {"adopted": book.head}})

    async def _lost(self, books: Mapping[int, Any], since: datetime | None) -> dict[int, ByStream]:
        """Return by book what the topics hold and the states of these books do not."""
        lost: dict[int, ByStream] = {number: {} for number in books}
        async for batch in _batches(self.published.facts(self.says, since)):
            rows = [(self.origin.stream_of(one.envelope), one) for one in map(self._read, batch) if one]
            rows = [(stream, one) for stream, one in rows if self.origin.book_of(stream) in books]
            stored = await self._stored({stream for stream, _ in rows})
            for stream, fetched in rows:
                at = fetched.envelope.subject, fetched.envelope.sequence
                if at[1] > dict(stored[stream]["sequences"] if stream in stored else ()).get(at[0], 0):
                    mine = lost[self.origin.book_of(stream)].setdefault(stream, Lost())
                    if mine.said.setdefault(at, fetched).value != fetched.value:
                        raise AdoptError(
                            f"{fetched.envelope.id} was said twice with different content",
                            f"{fetched.envelope.id} 曾以不同内容发布过两次",
                        )
        async for batch in _batches(self.published.facts(self.hears, since)):
            asked = [(self.number_for(one), one, self.ask(one)) for one in batch]
            wishes = [(number, one, wish) for number, one, wish in asked if wish and number in books]
            stored = await self._stored({wish.stream for _, _, wish in wishes})
            for number, record, wish in wishes:
                if not _is_seen(stored.get(wish.stream), wish.source):
                    mine = lost[number].setdefault(wish.stream, Lost())
                    mine.heard.append(HeardAgain(self._moment_of(record), wish))
        return lost

    async def _stored(self, streams: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        return {one["_id"]: one for one in await self.store.load_states(list(streams))}

    def _moment_of(self, record: Inbound) -> datetime:
        """Return when a record was said; what cannot be read was never answered, and comes last."""
        try:
            return Envelope.parse(record.value).time
        except ValidationError:
            return self.clock.now()

    def _read(self, record: Inbound) -> Fetched | None:
        """Return a fact of this service; None for what others have said."""
        try:
            envelope = Envelope.parse(record.value)
        except ValidationError:
            return None
        if envelope.source != self.source:
            return None
        if envelope.type not in self.decider.shape.facts:
            raise AdoptError(
                f"{envelope.id} is a {envelope.type}: adopt with the version of the service that said it",
                f"{envelope.id} 的类型 {envelope.type} 未知：请使用发布它的服务版本",
            )
        return Fetched(record.topic, envelope, record.value)

    async def _entries(
        self, book: Book[Any], lost: Mapping[str, Lost], who: str, result: Adopted
    ) -> list[Entry]:
        """Return the entries that hold what a book has lost, folded once to see that they fit."""
        stored, shape = await self._stored(lost), self.decider.shape
        told = Retelling(self.decider, self.origin, self.source, self.says, who, self.clock.now())
        made: list[tuple[datetime, Entry]] = []
        for stream, mine in sorted(lost.items()):
            record = shape.from_document(stored[stream]) if stream in stored else shape.new(stream)
            if record.page > book.head:
                raise AdoptError(
                    f"{stream}: its state is newer than its pages; the backup was made of a running service",
                    f"{stream} 的状态比账页新：备份时服务未停止",
                )
            result.missing |= _gaps(record, mine.said)
            result.facts += len(mine.said)
            result.heard += len(mine.heard)
            try:
                made += _forwards(told.tell(record, mine.said.values(), mine.heard, book.head + 1))
            except MisfitError as error:
                raise AdoptError(
                    f"{error.fact} does not fit what the backup holds of {stream}: {error.error}",
                    f"{error.fact} 与备份中的 {stream} 不符：{error.error}",
                ) from error
        return [entry for _, entry in sorted(made, key=lambda row: row[0])]


def _forwards(entries: Iterable[tuple[datetime, Entry]]) -> Iterator[tuple[datetime, Entry]]:
    """Yield the entries of a stream with moments that do not go back, so that sorting keeps their order."""
    latest: datetime | None = None
    for at, entry in entries:
        latest = at if latest is None else max(at, latest)
        yield latest, entry


def _is_seen(document: Mapping[str, Any] | None, source: tuple[str, int] | None) -> bool:
    """Tell whether a stored state remembers a record that was heard."""
    if document is None or source is None:
        return False
    seen = {subject: Seen(last, tuple(map(tuple, gaps))) for subject, last, gaps in document["seen"]}
    return seen.get(source[0], NOTHING_SEEN).has(source[1])


def _gaps(record: Record[Any], facts: Mapping[tuple[str, int], Fetched]) -> dict[str, int]:
    """Return for each subject how many sequences up to the newest are nowhere."""
    newest: dict[str, int] = {}
    found: dict[str, int] = {}
    for subject, sequence in facts:
        newest[subject] = max(sequence, newest.get(subject, 0))
        found[subject] = found.get(subject, 0) + 1
    gaps = {one: newest[one] - record.sequences.get(one, 0) - found[one] for one in newest}
    return {subject: gap for subject, gap in gaps.items() if gap}


async def _batches(records: AsyncIterator[Inbound]) -> AsyncIterator[list[Inbound]]:
    batch: list[Inbound] = []
    async for record in records:
        batch.append(record)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    yield batch
