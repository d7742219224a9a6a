"""After a restore: what one stream had heard and said is told again, in the order in which it happened."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Generic, NamedTuple, TypeVar

from contracts.envelope import Envelope
from shared import ids
from shared.decider import Decider, Request
from shared.drafts import Drafts, PageDraft
from shared.ledger import Entry, Event, digest
from shared.published import Origin
from shared.state import Record

S = TypeVar("S")


class Fetched(NamedTuple):
    """A fact that the ledger does not know any more, as it was said."""

    topic: str
    envelope: Envelope
    value: bytes


class HeardAgain(NamedTuple):
    """A record of another service that the ledger does not know any more, and when it was said there."""

    at: datetime
    request: Request


class MisfitError(Exception):
    """A fact that was said does not follow from what the backup holds."""

    def __init__(self, fact: str, error: Exception) -> None:
        """Name the fact and what is wrong."""
        super().__init__(fact, error)
        self.fact, self.error = fact, error


@dataclass(frozen=True, slots=True)
class Retelling(Generic[S]):
    """Tells the lost stories of one service's streams.

    What was said stands as it was said. What was heard is decided once more: its private facts are kept, and
    what it would say is kept only if nothing that was said can have come later: a book is said in order.
    """

    decider: Decider[S]
    origin: Origin
    source: str
    says: Sequence[str]
    who: str
    now: datetime
    """The moment of the decisions that nobody had made before."""

    def tell(
        self, record: Record[S], said: Iterable[Fetched], heard: Iterable[HeardAgain], page: int
    ) -> Iterator[tuple[datetime, Entry]]:
        """Yield the entries of one stream and their moments, from the record that the backup held.

        Raises:
            MisfitError: a fact that was said does not fit.
        """
        groups = self._groups(said)
        answered = {group[0].envelope.causationid for group in groups}
        waiting = _by_partition(heard)
        for group in groups:
            first = group[0].envelope
            asked: HeardAgain | None = None
            for queue in waiting:
                had_asked = any(one.request.cause == first.causationid for one in queue)
                yield from self._catch_up(record, queue, answered, first, page, is_before=had_asked)
                if had_asked:
                    asked = queue.popleft()
            entry = self._said(record, group, None if asked is None else asked.request)
            self._fold(record, entry, page, first.id)
            yield first.time, entry
        for queue in waiting:
            for one in queue:
                record, entries = self._decided(record, one.request, self.now)
                for entry in entries:
                    yield self.now, entry

    def _catch_up(
        self,
        record: Record[S],
        queue: deque[HeardAgain],
        answered: set[str],
        first: Envelope,
        page: int,
        *,
        is_before: bool,
    ) -> Iterator[tuple[datetime, Entry]]:
        """Decide on what had been heard before a fact was said: on its partition, or at an earlier moment.

        Of the latter nobody knows whether it was decided before; it was not if it would say something.
        A stream begins with what was heard, whatever the clock of who said it.
        """
        while queue and queue[0].request.cause != first.causationid:
            at, request = queue[0]
            is_first = not record.version and request.cause not in answered
            if not (is_before or is_first) and (at > first.time or request.cause in answered):
                return
            _, entries = self._decided(record, request, at)
            if not is_before and any(event.topic is not None for entry in entries for event in entry.events):
                return
            queue.popleft()
            for entry in map(_without_words, entries):
                self._fold(record, entry, page, request.cause)
                yield at, entry

    def _decided(self, record: Record[S], request: Request, at: datetime) -> tuple[Record[S], list[Entry]]:
        """Return what a record becomes by a decision, and the entry of it unless it decides nothing."""
        page = PageDraft[S](record.page + 1, at)
        Drafts(self.decider, self.source).decide(page, {record.stream: record}, [(request, at)])
        return page.drafts.get(record.stream, record), page.entries

    def _said(self, record: Record[S], group: Sequence[Fetched], heard: Request | None) -> Entry:
        """Return the entry of one decision that was said, with the private facts that stood beside it."""
        first, draft, decided = group[0].envelope, record, list[Event]()
        if heard is not None:
            _, decided = self._events(record, first, [heard.command])
            return self._entry(record, first.correlationid, heard.source, _merged(decided, group))
        for said in group:
            fact = self.decider.shape.read(said.envelope.type, said.envelope)
            draft, events = self._events(draft, first, self.origin.before(draft.body, fact))
            decided += events
        source = self.origin.source_of(first)
        return self._entry(record, first.correlationid, source, _merged(decided, group))

    def _events(
        self, draft: Record[S], first: Envelope, commands: Iterable[Any]
    ) -> tuple[Record[S], list[Event]]:
        """Return what commands come to, one after another, at the moment of what was said."""
        decided: list[Event] = []
        for command in commands:
            request = Request(draft.stream, command, first.causationid, first.correlationid)
            draft, entries = self._decided(draft, request, first.time)
            decided += (event for entry in entries for event in entry.events)
        return draft, decided

    def _entry(
        self, record: Record[S], correlation: str, source: tuple[str, int] | None, events: tuple[Event, ...]
    ) -> Entry:
        content = (record.stream, record.version + 1, f"adopt:{self.who}", correlation, source, events)
        (salt,) = ids.salts(1)
        return Entry(*content, salt, digest(salt, *content))

    def _fold(self, record: Record[S], entry: Entry, page: int, fact: str) -> None:
        try:
            self.decider.shape.fold(record, entry, page)
        except Exception as error:
            raise MisfitError(fact, error) from error

    def _groups(self, said: Iterable[Fetched]) -> list[list[Fetched]]:
        """Return the facts of each decision, in the order in which they were made.

        Those of one moment are ordered by the sequences of what they said.
        """
        groups: list[list[Fetched]] = []
        for _, now in groupby(sorted(said, key=self._order), key=lambda fact: fact.envelope.time):
            rest = [list(group) for _, group in groupby(now, key=lambda fact: fact.envelope.causationid)]
            while rest:
                following = next((group for group in rest if _is_first(group, rest)), rest[0])
                rest.remove(following)
                groups.append(following)
        return groups

    def _order(self, fact: Fetched) -> tuple[Any, ...]:
        """Return where a fact stands: by its decision, then by topic in the order of ``says``."""
        one = fact.envelope
        return one.time, one.causationid, self.says.index(fact.topic), one.subject, one.sequence


def _is_first(group: Sequence[Fetched], groups: Iterable[Sequence[Fetched]]) -> bool:
    """Tell whether none of the others said something before on a subject of this one."""
    first: dict[str, int] = {}
    for fact in group:
        first.setdefault(fact.envelope.subject, fact.envelope.sequence)
    others = (fact.envelope for other in groups for fact in other)
    return all(one.sequence >= first.get(one.subject, 0) for one in others)


def _without_words(entry: Entry) -> Entry:
    """Return an entry without what it would say: it was decided once, and then did not say it."""
    events = tuple(event for event in entry.events if event.topic is None)
    return entry._replace(events=events, digest=digest(entry.salt, *entry[:5], events))


def _by_partition(heard: Iterable[HeardAgain]) -> list[deque[HeardAgain]]:
    """Return what was heard of each partition, in its order."""
    queues: dict[tuple[str, int], deque[HeardAgain]] = {}
    for one in heard:
        if one.request.record is not None:
            place = one.request.record.topic, one.request.record.partition
            queues.setdefault(place, deque()).append(one)
    return list(queues.values())


def _merged(decided: Sequence[Event], said: Sequence[Fetched]) -> tuple[Event, ...]:
    """Return the events of a decision in its order: private ones as decided again, the others as said."""
    left = [Event(one.topic, one.envelope.type, one.envelope.subject, one.value) for one in said]
    events: list[Event] = []
    for event in decided:
        if event.topic is None:
            events.append(event)
            continue
        same = next((one for one in left if one[:3] == event[:3]), None)
        if same is not None:
            left.remove(same)
            events.append(same)
    return (*events, *left)
