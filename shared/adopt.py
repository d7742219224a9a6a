"""After a restore: take the facts that the database lost back from the topics, as they were said."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from contracts.envelope import Envelope
from shared import ids
from shared.book import Book
from shared.heads import Adoption, Head, append_heads, lacking, newest_heads
from shared.ledger import Entry, Event, digest
from shared.published import Origin, Published
from shared.state import Inbound, Record, Shape
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
    missing: dict[str, int] = field(default_factory=dict)
    """Per subject how many sequences were said, or counted, and lie on no topic any more."""


class Fetched(NamedTuple):
    """A fact that the ledger does not know any more, as it was said."""

    topic: str
    envelope: Envelope
    value: bytes


ByStream = dict[str, dict[tuple[str, int], Fetched]]


@dataclass(frozen=True, slots=True)
class Adopter:
    """Takes back the lost facts of one service that does not run, or is not ready."""

    store: Store
    books: Sequence[int]
    shape: Shape[Any]
    origin: Origin
    source: str
    says: Sequence[str]
    published: Published
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
        lost = await self._lost(open_books, since) if open_books else {}
        for number, book in open_books.items():
            mine = {stream: facts for stream, facts in lost.items() if self.origin.book_of(stream) == number}
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

    async def _lost(self, books: Mapping[int, Any], since: datetime | None) -> ByStream:
        """Return the facts on the topics that the states of these books have not said."""
        lost: ByStream = {}
        async for batch in _batches(self.published.facts(since)):
            rows = [row for row in map(self._read, batch) if row is not None]
            streams = {stream: None for stream, _ in rows if self.origin.book_of(stream) in books}
            said = {one["_id"]: dict(one["sequences"]) for one in await self.store.load_states(list(streams))}
            for stream, fetched in rows:
                at = fetched.envelope.subject, fetched.envelope.sequence
                if stream in streams and at[1] > said.get(stream, {}).get(at[0], 0):
                    known = lost.setdefault(stream, {}).setdefault(at, fetched)
                    if known.value != fetched.value:
                        raise AdoptError(
                            f"{fetched.envelope.id} was said twice with different content",
                            f"{fetched.envelope.id} 曾以不同内容发布过两次",
                        )
        return lost

    def _read(self, record: Inbound) -> tuple[str, Fetched] | None:
        """Return a fact of this service and its stream; None for what others have said."""
        try:
            envelope = Envelope.parse(record.value)
        except ValidationError:
            return None
        if envelope.source != self.source:
            return None
        if envelope.type not in self.shape.facts:
            raise AdoptError(
                f"{envelope.id} is a {envelope.type}: adopt with the version of the service that said it",
                f"{envelope.id} 的类型 {envelope.type} 未知：请使用发布它的服务版本",
            )
        return self.origin.stream_of(envelope), Fetched(record.topic, envelope, record.value)

    async def _entries(
        self, book: Book[Any], lost: Mapping[str, Mapping[Any, Fetched]], who: str, result: Adopted
    ) -> list[Entry]:
        """Return the entries that hold the lost facts of a book, folded once to see that they fit."""
        stored = {one["_id"]: one for one in await self.store.load_states(list(lost))}
        made: list[tuple[datetime, Entry]] = []
        for stream, facts in sorted(lost.items()):
            there = stored.get(stream)
            record = self.shape.from_document(there) if there else self.shape.new(stream)
            if record.page > book.head:
                raise AdoptError(
                    f"{stream}: its state is newer than its pages; the backup was made of a running service",
                    f"{stream} 的状态比账页新：备份时服务未停止",
                )
            result.missing |= _gaps(record, facts)
            result.facts += len(facts)
            made += self._folded(record, facts.values(), book.head + 1, who)
        return [entry for _, entry in sorted(made, key=lambda row: row[0])]

    def _folded(
        self, record: Record[Any], facts: Iterable[Fetched], page: int, who: str
    ) -> Iterator[tuple[datetime, Entry]]:
        """Yield an entry for each decision: what has one moment and one cause was decided together."""
        for (at, _), group in groupby(sorted(facts, key=self._order), key=_decision):
            together = list(group)
            first = together[0].envelope
            content = (
                record.stream,
                record.version + 1,
                f"adopt:{who}",
                first.correlationid,
                self.origin.source_of(first),
                tuple(Event(f.topic, f.envelope.type, f.envelope.subject, f.value) for f in together),
            )
            (salt,) = ids.salts(1)
            entry = Entry(*content, salt, digest(salt, *content))
            try:
                self.shape.fold(record, entry, page)
            except Exception as error:
                raise AdoptError(
                    f"{first.id} does not fit what the backup holds of {record.stream}: {error}",
                    f"{first.id} 与备份中的 {record.stream} 不符：{error}",
                ) from error
            yield at, entry

    def _order(self, fact: Fetched) -> tuple[Any, ...]:
        """Return where a fact stands: by its decision, then by topic: a duty is said before its report."""
        one = fact.envelope
        return one.time, one.causationid, self.says.index(fact.topic), one.subject, one.sequence


def _decision(fact: Fetched) -> tuple[datetime, str]:
    return fact.envelope.time, fact.envelope.causationid


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
