"""Facts in, a batch at a time: read each record by itself, decide per book, then commit offsets."""

import asyncio
import hashlib
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from contracts.envelope import MAX_FACT_BYTES, Envelope, Fact, Said, said_type
from contracts.personal import is_identifier
from shared.book import Book, BookLostError
from shared.decider import Outcome, Park, Request
from shared.ids import partition_of
from shared.reasons import told, wrong_fields
from shared.state import Inbound

MAX_CONSECUTIVE = 10
NOT_YET_PAUSE = 0.05
"""Seconds of real time before a partition that must wait is read again."""
MAX_SEQUENCE = 2**63 - 1
"""The database has no room for a larger number."""
REMEMBERED = 256
"""How many moments per partition are remembered through which all was said, for measuring lateness."""

ByBook = dict[int, tuple[Book[Any], list[tuple[Inbound, str, Request]]]]
OnFact = Callable[[Envelope, Fact, Inbound], Request | None]
"""Turns a fact, and the record it came in, into a request; None if it concerns nobody here.

A request that names its own ``source`` is remembered by that; else by the stream and sequence of the fact.
"""


class TooManyDeadLettersError(Exception):
    """Ten records in a row could not be applied: something is wrong with us, not with them."""


class UnreadableError(Exception):
    """A record is not a fact of its topic."""


class UnauthenticatedError(UnreadableError):
    """Nobody known has sent the record: it is put aside alone, so that nobody can park another's stream."""


class NotYetError(Exception):
    """A record cannot be judged before more was heard elsewhere: its partition is read again in a moment."""


class Heard:
    """Through when each source has said everything, per partition of a topic (Said)."""

    def __init__(self) -> None:
        """Begin having heard nothing."""
        self.incarnation: str | None = None
        """Of the broker that is read: a Said meant for another says nothing here; None: it is not asked."""
        self._through: dict[tuple[str, int, str], dict[int, datetime]] = {}
        self._of: dict[str, int] = {}
        self._throughs: dict[tuple[str, int, str], deque[datetime]] = {}

    def begin(self, incarnation: str) -> None:
        """Have heard nothing of a broker's data: what was said of others says nothing of these."""
        self.incarnation = incarnation
        self._through.clear()
        self._of.clear()
        self._throughs.clear()

    def note(self, topic: str, partition: int, said: Said) -> None:
        """Take a Said in, once everything before it on its partition is applied."""
        if self.incarnation is not None and said.incarnation != self.incarnation:
            return
        self._of[said.source] = said.of
        books = self._through.setdefault((topic, partition, said.source), {})
        for book in said.books:
            books[book] = max(said.through, books.get(book, said.through))
        through = self.through(topic, partition, said.source)
        if through is not None:
            throughs = self._throughs.setdefault((topic, partition, said.source), deque(maxlen=REMEMBERED))
            if not throughs or through > throughs[-1]:
                throughs.append(through)

    def first_through(self, topic: str, partition: int, source: str, moment: datetime) -> datetime | None:
        """Return the first moment behind *moment* through which all was said; None if it was not.

        It is when the source said so, not when it was heard: time in which we stood still is ours.
        """
        throughs = self._throughs.get((topic, partition, source), ())
        first = bisect_right(throughs, moment)
        return throughs[first] if first < len(throughs) else None

    def through(self, topic: str, partition: int, source: str) -> datetime | None:
        """Return the moment before which everything of a source is applied; None if unknown."""
        books = self._through.get((topic, partition, source), {})
        if not books or len(books) < self._of[source]:
            return None
        return min(books.values())

    def through_all(self, topic: str, partitions: int, source: str) -> datetime | None:
        """Return the same for a topic as a whole."""
        return self.through_some(topic, range(partitions), source)

    def through_some(self, topic: str, partitions: Collection[int], source: str) -> datetime | None:
        """Return the same for some partitions of a topic; None without any."""
        moments = [self.through(topic, partition, source) for partition in partitions]
        known = [moment for moment in moments if moment is not None]
        return min(known, default=None) if len(known) == len(partitions) else None

    def forget(self, topic: str, partition: int) -> None:
        """Forget a partition that somebody else reads now."""
        for key in [key for key in self._through if key[:2] == (topic, partition)]:
            del self._through[key]


def read(
    record: Inbound, facts: Mapping[str, type[Fact]], partitions: int
) -> tuple[Envelope, Fact | Said] | None:
    """Return what a record holds; None for a type that is not known here.

    Raises:
        UnreadableError: it is too large, not an envelope, not of its type, or lies where it may not.
    """
    if len(record.value) > MAX_FACT_BYTES:
        raise UnreadableError(f"larger than {MAX_FACT_BYTES} bytes")
    try:
        envelope = Envelope.parse(record.value)
        if envelope.type == said_type(record.topic):
            return envelope, Said.model_validate(envelope.data)
        fact_type = facts.get(envelope.type)
        if fact_type is None:
            return None
        fact = fact_type.read(envelope.data)
    except ValidationError as error:
        raise UnreadableError(next(wrong_fields(error))) from error
    if envelope.sequence > MAX_SEQUENCE:
        raise UnreadableError(f"sequence: larger than {MAX_SEQUENCE}")
    if record.key != envelope.subject.encode() or fact.subject != envelope.subject:
        raise UnreadableError("its key, its subject and its data name different streams")
    if partition_of(envelope.subject, partitions) != record.partition:
        raise UnreadableError("lies in a partition where its key does not belong")
    return envelope, fact


class Intake:
    """Applies batches of records to the books."""

    def __init__(
        self,
        *,
        books: Callable[[Inbound, str], Book[Any] | None],
        topics: Mapping[str, OnFact],
        facts: Mapping[str, type[Fact]],
        stream_of: Callable[[str], str],
        partitions: int,
        heard: Heard,
        foreign: Collection[str] = (),
        on_outcome: Callable[[str, str, str], None] = lambda _topic, _type, _result: None,
    ) -> None:
        """Hear *topics*; *stream_of* names the stream here that a record's key speaks of.

        On *foreign* topics anybody may write: what cannot be read there is put aside alone, and never stops
        us.
        """
        self._books = books
        self._topics = topics
        self._facts = facts
        self._stream_of = stream_of
        self._partitions = partitions
        self._heard = heard
        self._foreign = frozenset(foreign)
        self._on_outcome = on_outcome
        self._bad_in_a_row: Counter[str] = Counter()

    async def apply(self, records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        """Apply records in order and return the offsets to commit.

        A partition that is left out is to be read again from where this batch began: its book refused it,
        or one of its records must wait.

        Raises:
            TooManyDeadLettersError: ten in a row on a topic; nothing of this batch is to be committed.
            StoreUnavailableError: the database is away; the batch is to be applied again.
        """
        held: set[tuple[str, int]] = set()
        by_book, saids, lost = self._sorted(self._read(records, held))
        results = await asyncio.gather(
            *(self._give(book, [row[2] for row in rows]) for book, rows in by_book.values())
        )
        for (_, rows), outcomes in zip(by_book.values(), results, strict=True):
            for n, (record, kind, request) in enumerate(rows):
                if outcomes is None:
                    lost.add((record.topic, record.partition))
                else:
                    self._count(record.topic, kind, request, outcomes[n])
        for record, said in saids:
            if (record.topic, record.partition) not in lost:
                self._heard.note(record.topic, record.partition, said)
        if held:
            await asyncio.sleep(NOT_YET_PAUSE)
        ends = {(record.topic, record.partition): record.offset + 1 for record in records}
        return {tp: offset for tp, offset in ends.items() if tp not in lost | held}

    def _sorted(
        self, rows: Iterable[tuple[Inbound, str, Request | Said | None]]
    ) -> tuple[ByBook, list[tuple[Inbound, Said]], set[tuple[str, int]]]:
        """Return the requests of each book, what was said to be said, and the partitions without a book."""
        by_book: ByBook = {}
        saids: list[tuple[Inbound, Said]] = []
        lost: set[tuple[str, int]] = set()
        for record, kind, item in rows:
            if isinstance(item, Said):
                saids.append((record, item))
            elif item is None:
                self._on_outcome(record.topic, "unknown", "ignored")
            else:
                book = self._books(record, item.stream)
                if book is None:
                    lost.add((record.topic, record.partition))
                else:
                    by_book.setdefault(book.number, (book, []))[1].append((record, kind, item))
        return by_book, saids, lost

    def _read(
        self, records: Sequence[Inbound], held: set[tuple[str, int]]
    ) -> Iterator[tuple[Inbound, str, Request | Said | None]]:
        """Yield what each record asks for; a partition joins *held* at the first one that must wait."""
        for record in records:
            place = (record.topic, record.partition)
            if place in held:
                continue
            try:
                kind, item = self._request(record)
            except NotYetError:
                held.add(place)
                self._on_outcome(record.topic, "any", "held")
            else:
                yield record, kind, item

    async def _give(self, book: Book[Any], requests: Sequence[Request]) -> Sequence[Outcome] | None:
        try:
            return await book.handle(requests)
        except BookLostError:
            return None

    def _count(self, topic: str, kind: str, request: Request, outcome: Outcome) -> None:
        self._on_outcome(topic, kind, outcome.result)
        if outcome.result == "parked":
            return
        if topic in self._foreign and isinstance(request.command, Park):
            return
        if outcome.result != "dead_letter":
            self._bad_in_a_row[topic] = 0
            return
        self._bad_in_a_row[topic] += 1
        if self._bad_in_a_row[topic] >= MAX_CONSECUTIVE:
            raise TooManyDeadLettersError(topic)

    def _request(self, record: Inbound) -> tuple[str, Request | Said | None]:
        """Return the type of a record and what is asked because of it."""
        try:
            found = read(record, self._facts, self._partitions)
        except UnreadableError as error:
            return "unreadable", self._park(record, str(error))
        if found is None:
            return "unknown", None
        envelope, fact = found
        if isinstance(fact, Said):
            # Nobody speaks for our services on a topic where anybody may write.
            return envelope.type, None if record.topic in self._foreign else fact
        try:
            request = self._topics[record.topic](envelope, fact, record)
        except NotYetError:
            raise
        except UnauthenticatedError as error:
            return envelope.type, self._park(record, str(error), is_alone=True)
        except Exception as error:  # noqa: BLE001 the dead-letter edge: one bad record stops no partition
            return envelope.type, self._park(record, told(error))
        if request is None:
            return envelope.type, None
        heard = (f"{envelope.source}#{envelope.subject}", envelope.sequence)
        is_ours = record.topic not in self._foreign
        source = request.source or heard
        return envelope.type, request._replace(source=source, record=record, is_ours=is_ours)

    def again(self, record: Inbound) -> Request | None:
        """Return what a dead letter asks for today; for ``Replay``."""
        _, item = self._request(record)
        return None if isinstance(item, Said) else item

    def _park(self, record: Inbound, reason: str, *, is_alone: bool = False) -> Request:
        """Return the wish to keep an unreadable record, on its stream if its key names one of this partition.

        A key that is no identifier may be anybody's words, and no stream can be called so.
        It is known again by what it holds: offsets begin anew when a broker comes back empty.
        """
        known_by = hashlib.sha256(b"%b\0%b" % (record.key or b"", record.value)).hexdigest()
        here = f"{record.topic}/{record.partition}"
        stream = f"unreadable:{here}/{known_by}"
        try:
            key = (record.key or b"").decode()
            is_alone = is_alone or record.topic in self._foreign
            if (
                is_identifier(key)
                and not is_alone
                and partition_of(key, self._partitions) == record.partition
            ):
                stream = self._stream_of(key)
        except ValueError:
            pass
        cause, source = f"{here}/{record.offset}", (f"{here}#{known_by}", 1)
        return Request(stream, Park(reason), cause, correlation=stream, source=source, record=record)
