"""What a watch over one duty is, what may be asked of it, and the facts that only it remembers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, dataclass_transform

from contracts import escalations, reminders
from contracts.duties import DutyOpened
from contracts.envelope import Fact, Moment


class Status(StrEnum):
    """Where a watch stands; ``WATCHING``, ``CLIMBING`` and ``EXHAUSTED`` still wait for the duty's end."""

    UNKNOWN = "unknown"
    """The duty was not opened, as far as was heard."""
    WATCHING = "watching"
    CLIMBING = "climbing"
    """The duty was missed."""
    EXHAUSTED = "exhausted"
    """The top of both lines was told, or nobody is left to tell."""
    FULFILLED = "fulfilled"
    """In time, before anybody called it missed."""
    RESOLVED = "resolved"
    """Late."""
    WITHDRAWN = "withdrawn"
    """In time, heard after it had been called missed."""
    WAIVED = "waived"
    """It need not be done any more."""


@dataclass_transform(frozen_default=True)
def _state(cls: type[Any]) -> type[Any]:
    """Make a data class that the type checker holds frozen: a frozen one takes four times as long to make."""
    return dataclass(slots=True)(cls)


@_state
class Watch:
    """The state of one duty's watch."""

    duty: str
    status: Status = Status.UNKNOWN
    owner: str = ""
    """The source whose ``Said`` must be heard before a verdict."""
    opened: DutyOpened | None = None
    next_at: Moment | None = None
    """When it has something to say; up to ``due_at`` that is a reminder, after it the verdict or a rung."""
    reminded: int | None = None
    """The last reminder, in working days before due."""
    rung: int = -1
    """The highest rung that has fired: spoken, or found nobody."""
    delay: int = 0
    """Working days by which those who took note have put off the rest of the ladder."""
    told: tuple[tuple[str, int], ...] = ()
    """The posts told, each with the highest rung that told it."""
    held: tuple[int, ...] = ()
    """The rungs that were taken note of; each holds once."""
    fulfilled_at: datetime | None = None
    """May be known before the duty's opening is."""
    waived_at: datetime | None = None
    """Likewise."""
    first_at: Moment | None = None
    """The moment of its first say; it lies behind planned ones if the duty opened late."""

    def allowed_at(self, planned_at: datetime) -> datetime:
        """Return when a reminder could fire: at its moment, or at the first say if that is later."""
        return planned_at if self.first_at is None else max(planned_at, self.first_at)

    @property
    def spoken(self) -> int:
        """Return the highest rung that told anybody, -1 if none has."""
        return max((k for _, k in self.told), default=-1)


_VALUES = attrgetter(*Watch.__annotations__)


def changed(watch: Watch, **changes: Any) -> Watch:
    """Return a watch with some of its fields changed, faster than ``dataclasses.replace``."""
    after = Watch(*_VALUES(watch))
    for name, value in changes.items():
        setattr(after, name, value)  # nobody has seen it yet
    return after


@dataclass(frozen=True, slots=True)
class WatchDuty:
    """Begin to watch a duty; *owner* is the source of the fact that opened it."""

    opened: DutyOpened
    owner: str


@dataclass(frozen=True, slots=True)
class EndDuty:
    """The duty was fulfilled."""

    fulfilled_at: datetime


@dataclass(frozen=True, slots=True)
class WaiveDuty:
    """The duty need not be done any more."""

    waived_at: datetime


@dataclass(frozen=True, slots=True)
class Wake:
    """The watch's moment may have come."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The holder of a post takes note."""

    post: str
    person: str


Command = WatchDuty | EndDuty | WaiveDuty | Wake | Acknowledge


class WatchFact(Fact, topic=None, prefix="watch", key="duty"):
    """A fact that stays in this service."""

    duty: str


class DutyWatched(WatchFact):
    """A duty is watched from now on."""

    owner: str
    opened: DutyOpened
    next_at: datetime


class WatchMoved(WatchFact):
    """The watch has its next say at another moment."""

    next_at: datetime
    delay: int


class WatchEnded(WatchFact):
    """The duty was fulfilled and nothing was to be said about it: in time, or not yet opened."""

    fulfilled_at: datetime


class WatchWaived(WatchFact):
    """The duty need not be done any more, whether it is opened yet or not."""

    waived_at: datetime


FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (
        DutyWatched,
        WatchMoved,
        WatchEnded,
        WatchWaived,
        reminders.ReminderFired,
        escalations.DutyMissed,
        escalations.DutyMissWithdrawn,
        escalations.EscalationRaised,
        escalations.PostFoundVacant,
        escalations.EscalationAcknowledged,
        escalations.EscalationResolved,
        escalations.EscalationWithdrawn,
        escalations.EscalationExhausted,
    )
}
"""Every type that may stand in a watch's story."""
