"""Time in: watches whose moment has come, once their owner and the directory have said all before it."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from contracts.envelope import Fact
from contracts.escalations import DutyMissed, EscalationRaised
from contracts.reminders import ReminderFired
from contracts.topics import PARTITIONS
from contracts.tree import Tree
from services.reminders.domain.climb import gate_at, waits_like
from services.reminders.domain.foresee import foresee
from services.reminders.domain.ladder import Calendar
from services.reminders.domain.model import Wake, Watch
from services.reminders.metrics import FAILED, RAISED, SILENT, WAKEUP_LATENESS, count_from_nought
from shared.book import Book
from shared.clock import real_now
from shared.decider import Ahead, Request
from shared.reasons import told
from shared.service import Service

log = structlog.get_logger()


class Spoken(NamedTuple):
    """What is measured of a fact."""

    type: str
    planned_at: datetime
    place: tuple[int, str] | None = None
    """The level and the line of a rung."""


def brief(fact: Fact) -> Spoken | None:
    """Return what is measured of a fact; None if nothing is."""
    match fact:
        case DutyMissed():
            return Spoken(fact.type, fact.due_at)
        case EscalationRaised():
            return Spoken(fact.type, fact.planned_at, (fact.level, fact.line))
        case ReminderFired():
            return Spoken(fact.type, fact.planned_at)
        case _:
            return None


def wake_of(stream: str) -> Request:
    """Return the request to let a watch speak at its moment."""
    return Request(stream, Wake(), f"time:{stream}")


def ahead(stream: str, watch: Watch, *, tree: Tree, workdays: Calendar) -> Ahead | None:
    """Return what a watch will be asked at its moment, and what that comes to."""
    foreseen = foresee(watch, tree=tree, workdays=workdays)
    return None if foreseen is None else Ahead(wake_of(stream), foreseen.facts, foreseen.holds)


class Wait(NamedTuple):
    """Streams that wait alike: for this owner and the directory, until both have said all up to the gate."""

    streams: Sequence[str]
    owner: str
    gate: datetime | None

    def is_due(self, now: datetime) -> bool:
        """Tell whether they still have something to say now.

        Another replica may have spoken meanwhile, or somebody taken note: the next moment is expected as any
        other.
        """
        return self.gate is None or self.gate <= now


class Gate:
    """No verdict ahead of its owner, no rung on an unread tree."""

    def __init__(self, service: Service[Any], calendar: Calendar, patience: timedelta) -> None:
        self._service = service
        self._calendar = calendar
        self._patience = patience
        self._silences: dict[str, dict[int, timedelta]] = {}
        count_from_nought()

    async def wake(self, book: Book[Any], streams: Sequence[str]) -> list[str]:
        """Wake the watches that may speak; return the others, to be tried again."""
        now = self._service.clock.now()
        watches = await book.peek_all(streams)
        tree = self._service.heard.through_all("directory", PARTITIONS, "/zeren/directory")
        # At a deadline thousands wait for the same word: it is looked for once.
        alike: dict[Hashable, list[str]] = {}
        for stream in streams:
            alike.setdefault(waits_like(watches[stream]), []).append(stream)
        waits = [
            Wait(mine, example.owner, gate_at(example, now, self._calendar))
            for mine in alike.values()
            for example in (watches[mine[0]],)
        ]
        speaking = self._may_speak(waits, book.number, tree, now)
        free = [stream for wait, may in zip(waits, speaking, strict=True) if may for stream in wait.streams]
        requests = [wake_of(stream) for stream in free]
        failed: list[str] = []
        if requests:
            outcomes = await book.handle(requests)
            for stream, outcome in zip(free, outcomes, strict=True):
                if outcome.error is not None:
                    FAILED.inc()
                    log.warning("watch_cannot_speak", duty=stream, reason=told(outcome.error))
                    failed.append(stream)
            spoken = zip((watches[stream] for stream in free), outcomes, strict=True)
            self._measure(((watch, one) for watch, said in spoken for one in said.briefs), book.number)
        waiting = [wait for wait, may in zip(waits, speaking, strict=True) if not may and wait.is_due(now)]
        return [*failed, *(stream for wait in waiting for stream in wait.streams)]

    def _may_speak(
        self, waits: Sequence[Wait], book: int, tree: datetime | None, now: datetime
    ) -> list[bool]:
        """Tell for each whether all was heard that has to be, and show how long their owners are silent."""
        if tree is None:
            return [False] * len(waits)
        silences = {wait.owner: timedelta() for wait in waits if wait.gate is not None}
        through = {owner: self._service.heard.through("duties", book, owner) for owner in silences}
        speaking = []
        for _, owner, gate in waits:
            if gate is None:
                speaking.append(True)
                continue
            said = through[owner]
            is_heard = said is not None and said > gate
            if not is_heard and now - gate > self._patience:
                silences[owner] = max(silences[owner], now - gate)
            speaking.append(is_heard and tree > gate)
        for owner, silence in silences.items():
            self._note_silence(owner, book, silence)
        return speaking

    def _note_silence(self, owner: str, book: int, silence: timedelta) -> None:
        """Show the longest silence of an owner over all books."""
        silences = self._silences.setdefault(owner, {})
        silences[book] = silence
        SILENT.labels(owner).set(max(silences.values()).total_seconds())

    def _measure(self, spoken: Iterable[tuple[Watch, Spoken | None]], book: int) -> None:
        """Observe how late the decisions were, in real seconds; at a deadline thousands share a moment."""
        decided_at = real_now()
        alike = Counter(
            (one, watch.allowed_at(one.planned_at), None)
            if one.type == ReminderFired.type
            else (one, one.planned_at, watch.owner)
            for watch, one in spoken
            if one is not None
        )
        for (one, planned_at, owner), count in alike.items():
            if one.place is not None:
                RAISED.labels(*one.place).inc(count)
            lateness = max(0.0, (decided_at - self._allowed_at(planned_at, book, owner)).total_seconds())
            observe = WAKEUP_LATENESS.labels(one.type).observe
            for _ in range(count):
                observe(lateness)

    def _allowed_at(self, planned_at: datetime, book: int, owner: str | None) -> datetime:
        """Return a moment, or when the owner first had said all before it, which is behind it."""
        heard = self._service.heard
        through = None if owner is None else heard.first_through("duties", book, owner, planned_at)
        return self._service.clock.real(planned_at if through is None else through)
