"""What a watch becomes by a fact, and what follows from its state alone."""

from datetime import datetime

from contracts.envelope import Fact
from contracts.escalations import (
    DutyMissed,
    DutyMissWithdrawn,
    EscalationAcknowledged,
    EscalationExhausted,
    EscalationRaised,
    EscalationResolved,
    EscalationWithdrawn,
    PostFoundVacant,
)
from contracts.reminders import ReminderFired
from services.reminders.domain.model import (
    DutyWatched,
    Status,
    Watch,
    WatchEnded,
    WatchMoved,
    WatchWaived,
    changed,
)


def wake_at(watch: Watch) -> datetime | None:
    """Return the next moment at which the watch has something to say, None if it waits for others."""
    return watch.next_at


def needs_owner(watch: Watch) -> bool:
    """Tell whether the next say is a verdict or a rung, which may not run ahead of what the owner says."""
    return watch.opened is not None and watch.next_at is not None and watch.next_at > watch.opened.due_at


def evolve(watch: Watch, fact: Fact) -> Watch:
    """Return the watch after a fact; the only place where it changes."""
    # What a deadline brings by the thousand comes first: to be no instance of a model takes a while.
    match fact:
        case DutyMissed():
            return changed(watch, status=Status.CLIMBING)
        case EscalationRaised():
            told = tuple({**dict(watch.told), fact.post: fact.rung}.items())
            next_at = fact.next_at or watch.next_at
            return changed(watch, rung=max(watch.rung, fact.rung), told=told, next_at=next_at)
        case DutyWatched():
            return _watched(watch, fact)
        case ReminderFired():
            return changed(watch, reminded=fact.days_before, next_at=fact.next_at or watch.next_at)
        case WatchMoved():
            return changed(watch, next_at=fact.next_at, delay=fact.delay)
        case PostFoundVacant():
            return changed(watch, rung=max(watch.rung, fact.rung))
        case EscalationAcknowledged():
            return changed(watch, held=(*watch.held, fact.rung))
        case EscalationExhausted():
            return changed(watch, status=Status.EXHAUSTED, next_at=None)
        case _:
            return _ended(watch, fact)


def _watched(watch: Watch, fact: DutyWatched) -> Watch:
    due_at, status = fact.opened.due_at, Status.WATCHING
    if watch.fulfilled_at is not None and watch.fulfilled_at <= due_at:
        status = Status.FULFILLED
    elif watch.waived_at is not None and watch.waived_at <= due_at:
        status = Status.WAIVED
    return changed(
        watch,
        status=status,
        owner=fact.owner,
        opened=fact.opened,
        next_at=fact.next_at if status is Status.WATCHING else None,
        first_at=fact.next_at,
    )


def _ended(watch: Watch, fact: Fact) -> Watch:
    match fact:
        case WatchEnded() if watch.status is Status.UNKNOWN:
            return changed(watch, fulfilled_at=fact.fulfilled_at)
        case WatchEnded():
            status = Status.FULFILLED
        case EscalationResolved():
            status = Status.RESOLVED
        case DutyMissWithdrawn():
            status = Status.WITHDRAWN
        case EscalationWithdrawn():
            return watch
        case WatchWaived():
            waived = watch.status if watch.status is Status.UNKNOWN else Status.WAIVED
            return changed(watch, status=waived, next_at=None, waived_at=fact.waived_at)
        case _:
            raise TypeError(f"no part of a watch's story: {fact.type}")
    return changed(watch, status=status, next_at=None, fulfilled_at=fact.fulfilled_at)
