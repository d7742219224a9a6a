"""Deciding: requests in, drafts and entries out; nothing is read or written here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from contracts.envelope import MAX_FACT_BYTES, Fact, around_time, written
from contracts.personal import is_identifier
from contracts.topics import PARTITIONS
from shared import ids
from shared.decider import Decider, Erase, Outcome, Park, Refusal, Replay, Request
from shared.ledger import MAX_PAGE_BYTES, Entry, Event, digest, weigh
from shared.reasons import told
from shared.state import NOTHING_SEEN, DeadLetter, DeadLetterReplayed, Record

S = TypeVar("S")


LONGEST_TIME = len('"2026-01-01T00:00:00.000001Z"')


class FactTooLargeError(Exception):
    """A decided fact is larger than the contract allows."""


class StillUnreadableError(Exception):
    """A dead letter cannot be applied today either."""


PARKED = Refusal(
    "stream-parked",
    "A message before this one could not be applied; an operator has to replay it first.",
    "此前有一条消息未能处理，须由运维人员重放后再试。",
)


Decision = tuple[Outcome, Sequence[Event], tuple[str, int] | None]
"""What one request comes to: the answer, the events of its entry, and what is remembered by it."""


class _Unsaid(NamedTuple):
    """An event whose time is not known yet."""

    topic: str | None
    type: str
    key: str
    before: bytes
    behind: bytes

    def said(self, time: bytes) -> Event:
        return Event(self.topic, self.type, self.key, self.before + time + self.behind)


class _Foreseen(NamedTuple):
    """A decision that lacks nothing but its time."""

    request: Request
    holds: Callable[[datetime], bool]
    after: Record[Any]
    outcome: Outcome
    unsaid: Sequence[_Unsaid]


def _is_applied(record: Record[Any], source: tuple[str, int] | None) -> bool:
    return source is not None and record.seen.get(source[0], NOTHING_SEEN).has(source[1])


def _known(record: Record[Any], source: tuple[str, int]) -> str | None:
    """Return what became of a fact that was heard before, None if it was not.

    A dead letter that comes again counts again: who stopped because of it stops again, until it is replayed.
    """
    letters = [letter.source for letter in record.parked]
    if source in letters:
        return "parked" if letters.index(source) else "dead_letter"
    return "duplicate" if _is_applied(record, source) else None


@dataclass(slots=True)
class PageDraft(Generic[S]):
    """A page while it is decided; what never becomes one has never happened."""

    number: int
    since: datetime
    """Nothing on it is judged as of a moment before this one."""
    drafts: dict[str, Record[S]] = field(default_factory=dict)
    """The states that changed."""
    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    """One for each request decided."""
    size: int = 0


class Drafts(Generic[S]):
    """Decides on copies of states."""

    def __init__(self, decider: Decider[S], source: str) -> None:
        """Decide by *decider* and say it as *source*."""
        self._decider = decider
        self._shape = decider.shape
        self._source = source

    def decide(
        self,
        page: PageDraft[S],
        records: Mapping[str, Record[S]],
        part: Sequence[tuple[Request, datetime]],
    ) -> bool:
        """Decide further requests of a page, on drafts of *records*; tell whether all of them found room."""
        drafts, entries = page.drafts, page.entries
        for (request, at), salt in zip(part, ids.salts(len(part)), strict=True):
            stream = request.stream
            before, moment = drafts.get(stream) or records[stream], max(at, page.since)
            if (foreseen := self._still_holds(before, request, moment)) is not None:
                # It is used once: should the page be lost, all is decided anew.
                before.foreseen, record, outcome, source = None, foreseen.after, foreseen.outcome, None
                time = written(moment)
                events: Sequence[Event] = [one.said(time) for one in foreseen.unsaid]
            else:
                record = before.draft()
                outcome, events, source = self._decide_one(record, request, moment)
            weight = weigh(events)
            if page.size + weight > MAX_PAGE_BYTES and entries:
                return False
            page.outcomes.append(outcome)
            if not (events or source):
                continue
            drafts[stream] = record
            page.size += weight
            record.version += 1
            record.page = page.number
            if source is not None:
                heard = record.seen.get(source[0], NOTHING_SEEN).plus(source[1])
                record.seen = record.seen | {source[0]: heard}
            content = (stream, record.version, request.cause, record.correlation, source, tuple(events))
            entries.append(Entry(*content, salt, digest(salt, *content)))
        return True

    def foresee(self, record: Record[S]) -> None:
        """Decide ahead what a stream will be asked, if its decider can tell; it counts if nothing changes.

        What cannot be decided now is left to its moment, where it fails as it must.
        """
        if self._decider.ahead is None or record.parked:
            return
        after = record.draft()
        try:
            ahead = self._decider.ahead(record.stream, record.body)
            if ahead is None or not ahead.facts:
                return
            request = ahead.request
            after.correlation = record.correlation or request.correlation or request.stream
            unsaid = self._take(after, ahead.facts, request.cause)
            for one in unsaid:
                ids.partition_of(one.key, PARTITIONS)  # remembered there
            briefs = tuple(map(self._decider.brief, ahead.facts))
        except Exception:  # noqa: BLE001 as said above
            return
        outcome = Outcome("applied", briefs, None, None, after.body)
        record.foreseen = _Foreseen(request, ahead.holds, after, outcome, unsaid)

    @staticmethod
    def _still_holds(record: Record[S], request: Request, now: datetime) -> _Foreseen | None:
        """Return what was decided ahead on this very state, if it was of this request and still holds."""
        foreseen: _Foreseen | None = record.foreseen
        if foreseen is None or foreseen.request != request:
            return None
        try:
            return foreseen if foreseen.holds(now) else None
        except Exception:  # noqa: BLE001 it is decided anew, and fails there if it must
            return None

    def _decide_one(self, record: Record[S], request: Request, now: datetime) -> Decision:
        known = None if request.source is None else _known(record, request.source)
        if known is not None:
            return Outcome(known, state=record.body), (), None
        record.correlation = record.correlation or request.correlation or request.stream
        if isinstance(request.command, Replay):
            return self._replay(record, request, request.command, now)
        if isinstance(request.command, Erase):
            fact = request.command.fact
            return Outcome("applied"), self._say(record, [fact], request.cause, now), None
        if record.parked and request.record is None:
            return Outcome("refused", refusal=PARKED, state=record.body), (), None
        if isinstance(request.command, Park):
            return self._park(record, request, request.command.reason, now)
        if record.parked:
            return self._park(record, request, f"waits behind {record.parked[0].origin}", now, "parked")
        try:
            decided = self._decider.decide(record.body, request.command, now)
            if isinstance(decided, Refusal):
                source = request.source if request.record is not None else None
                return Outcome("refused", refusal=decided, state=record.body), (), source
            events = self._say(record, decided, request.cause, now)
        except Exception as error:  # noqa: BLE001 the dead-letter edge: one bad request harms no other
            if request.record is None:
                return Outcome("failed", error=error, state=record.body), (), None
            return self._park(record, request, told(error), now)
        result = "applied" if events else "nothing"
        briefs = tuple(map(self._decider.brief, decided))
        return Outcome(result, briefs, None, None, record.body), events, request.source

    def _park(
        self, record: Record[S], request: Request, reason: str, now: datetime, result: str = "dead_letter"
    ) -> Decision:
        """Keep a record in its stream's state and say it among the dead letters; it is not *seen* by that.

        What is no fact of ours may hold anything: of that only the reason is said.
        """
        if request.record is None:
            raise TypeError("only a record can be parked")
        letter = DeadLetter.of(request.stream, request.record, reason, request.source)
        events = self._say(record, [letter], request.cause, now)
        key = letter.key_text if is_identifier(letter.key_text or "") else None
        value = request.record.value if request.is_ours else b""
        said = Event(f"{request.record.topic}-dlq", "dead-letter", key or request.stream, value, reason)
        return Outcome(result, state=record.body), [*events, said], None

    def _replay(self, record: Record[S], request: Request, replay: Replay, now: datetime) -> Decision:
        """Take the first dead letter out and apply it in the same entry; it stays first if it fails again."""
        if not record.parked:
            return Outcome("nothing", state=record.body), (), None
        letter = record.parked[0]
        try:
            again = replay.read(letter.record())
            decided: Sequence[Fact] | Refusal = ()
            source = letter.source
            if again is not None:
                if isinstance(again.command, Park):
                    raise StillUnreadableError(again.command.reason)
                if again.stream != request.stream:
                    raise StillUnreadableError(f"it belongs to {again.stream}")
                source = again.source
                if not _is_applied(record, source):
                    decided = self._decider.decide(record.body, again.command, now)
            facts = () if isinstance(decided, Refusal) else tuple(decided)
            taken = DeadLetterReplayed(stream=request.stream, origin=letter.origin)
            events = self._say(record, [taken, *facts], again.cause if again else request.cause, now)
        except Exception as error:  # noqa: BLE001 the dead-letter edge again: the letter stays where it is
            return Outcome("failed", error=error, state=record.body), (), None
        return Outcome("applied", state=record.body), events, source

    def _say(self, record: Record[S], facts: Sequence[Fact], cause: str, now: datetime) -> list[Event]:
        """Serialise facts and let them change the record, all or none."""
        sequences, body, parked = record.sequences, record.body, record.parked
        try:
            unsaid = self._take(record, facts, cause)
        except BaseException:
            record.sequences, record.body, record.parked = sequences, body, parked
            raise
        time = written(now)
        return [one.said(time) for one in unsaid]

    def _take(self, record: Record[S], facts: Sequence[Fact], cause: str) -> list[_Unsaid]:
        """Serialise facts but for the time, and let them change the record."""
        unsaid: list[_Unsaid] = []
        record.sequences = record.sequences.copy()
        for fact in facts:
            key = fact.subject
            before, behind = around_time(
                fact,
                source=self._source,
                sequence=record.sequences.get(key, 0) + 1,
                correlation=record.correlation,
                cause=cause,
            )
            size = len(before) + LONGEST_TIME + len(behind)
            if size > MAX_FACT_BYTES and not isinstance(fact, DeadLetter):
                raise FactTooLargeError(f"{fact.type}: {size} bytes")
            unsaid.append(_Unsaid(fact.topic, fact.type, key, before, behind))
            self._shape.take(record, key, fact)
        return unsaid
