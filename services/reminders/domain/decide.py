"""The rule of reminders: remind before due, call missed what was not done in time, climb until it is."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import assert_never

from contracts.duties import DutyOpened
from contracts.envelope import Fact
from contracts.escalations import (
    DutyMissed,
    DutyMissWithdrawn,
    EscalationAcknowledged,
    EscalationResolved,
    EscalationWithdrawn,
)
from contracts.refusal import Refusal
from services.reminders.domain.climb import climb
from services.reminders.domain.evolve import needs_owner
from services.reminders.domain.ladder import MICROSECOND, POLICIES, Calendar, Seats, rung, rung_at
from services.reminders.domain.model import (
    Acknowledge,
    Command,
    DutyWatched,
    EndDuty,
    Status,
    WaiveDuty,
    Wake,
    Watch,
    WatchDuty,
    WatchEnded,
    WatchMoved,
    WatchWaived,
)
from services.reminders.domain.remind import first_at, remind

NOTHING_TO_ACKNOWLEDGE = Refusal("nothing_to_acknowledge", "nothing is climbing here", "没有正在上报的事项")
NOT_TOLD = Refusal("not_told", "this post was not told of the duty", "该职务未收到此事项的上报")


def decide(
    watch: Watch, command: Command, now: datetime, *, tree: Seats, workdays: Calendar
) -> Sequence[Fact] | Refusal:
    """Return the facts that a command makes true, none if it changes nothing.

    Raises:
        KeyError: the unit, one above it or the policy is not known.
    """
    match command:
        case WatchDuty():
            return _watch(watch, command, now, workdays)
        case EndDuty():
            return _end(watch, command.fulfilled_at)
        case WaiveDuty():
            return _waive(watch, command.waived_at)
        case Wake():
            return _wake(watch, now, tree, workdays)
        case Acknowledge():
            return _acknowledge(watch, command, now, workdays)
        case _:
            assert_never(command)


def _watch(watch: Watch, command: WatchDuty, now: datetime, workdays: Calendar) -> list[Fact]:
    if watch.opened is not None:
        return []
    opened = command.opened
    next_at = first_at(opened, now, workdays)
    watched = DutyWatched(duty=opened.duty, owner=command.owner, opened=opened, next_at=next_at)
    if watch.fulfilled_at is not None and watch.fulfilled_at > opened.due_at:
        return [watched, _missed(opened), _resolved(watch, opened, watch.fulfilled_at)]
    if watch.waived_at is not None and watch.waived_at > opened.due_at:
        return [watched, _missed(opened), *_waived(watch, opened, watch.waived_at)]
    return [watched]


def _end(watch: Watch, fulfilled_at: datetime) -> list[Fact]:
    if watch.fulfilled_at is not None or watch.waived_at is not None:
        return []
    opened = watch.opened
    if opened is None:
        return [WatchEnded(duty=watch.duty, fulfilled_at=fulfilled_at)]
    is_called_missed = watch.status is not Status.WATCHING
    if fulfilled_at > opened.due_at:
        missed = [] if is_called_missed else [_missed(opened)]
        return [*missed, _resolved(watch, opened, fulfilled_at)]
    if not is_called_missed:
        return [WatchEnded(duty=opened.duty, fulfilled_at=fulfilled_at)]
    return [
        DutyMissWithdrawn(
            duty=opened.duty, unit=opened.unit, fulfilled_at=fulfilled_at, due_at=opened.due_at
        ),
        EscalationWithdrawn(duty=opened.duty, unit=opened.unit, rung=watch.spoken),
    ]


def _waive(watch: Watch, waived_at: datetime) -> list[Fact]:
    """Return the end of a watch; a duty that was due before it was waived is missed all the same."""
    if watch.fulfilled_at is not None or watch.waived_at is not None:
        return []
    opened = watch.opened
    if opened is None or (watch.status is Status.WATCHING and waived_at <= opened.due_at):
        return [WatchWaived(duty=watch.duty, waived_at=waived_at)]
    missed = [_missed(opened)] if watch.status is Status.WATCHING else []
    return [*missed, *_waived(watch, opened, waived_at)]


def _wake(watch: Watch, now: datetime, tree: Seats, workdays: Calendar) -> list[Fact]:
    opened = watch.opened
    if opened is None or watch.next_at is None or now < watch.next_at:
        return []
    if not needs_owner(watch):
        return remind(watch, opened, now, tree, workdays)
    missed = [_missed(opened)] if watch.status is Status.WATCHING else []
    return [*missed, *climb(watch, opened, now, tree, workdays)]


def _acknowledge(
    watch: Watch, command: Acknowledge, now: datetime, workdays: Calendar
) -> list[Fact] | Refusal:
    opened = watch.opened
    if opened is None or watch.status is not Status.CLIMBING:
        return NOTHING_TO_ACKNOWLEDGE
    told_by = dict(watch.told).get(command.post)
    if told_by is None:
        return NOT_TOLD
    if told_by in watch.held:
        return []
    policy, due_at, above = POLICIES[opened.policy], opened.due_at, watch.rung + 1
    # A moment later, because the calendar counts midnight itself to the day that it ends.
    held_until = workdays.after(now + MICROSECOND, rung(policy, told_by).holds, policy.at, policy.zone)
    delays = ((d, rung_at(policy, above, due_at, d, workdays)) for d in count(watch.delay))
    delay, next_at = next((d, moment) for d, moment in delays if moment >= held_until)
    taken = EscalationAcknowledged(
        duty=opened.duty,
        unit=opened.unit,
        rung=told_by,
        post=command.post,
        person=command.person,
        held_until=held_until,
    )
    if delay == watch.delay:
        return [taken]
    return [taken, WatchMoved(duty=opened.duty, next_at=next_at, delay=delay)]


def _missed(opened: DutyOpened) -> DutyMissed:
    return DutyMissed(
        duty=opened.duty,
        unit=opened.unit,
        kind=opened.kind,
        line=opened.line,
        recipient=opened.recipient,
        period=opened.period,
        due_at=opened.due_at,
        occurrence=opened.occurrence,
    )


def _waived(watch: Watch, opened: DutyOpened, waived_at: datetime) -> list[Fact]:
    return [
        WatchWaived(duty=opened.duty, waived_at=waived_at),
        EscalationWithdrawn(duty=opened.duty, unit=opened.unit, rung=watch.spoken),
    ]


def _resolved(watch: Watch, opened: DutyOpened, fulfilled_at: datetime) -> EscalationResolved:
    """Return the late end; its rung is -1 if none had spoken."""
    return EscalationResolved(
        duty=opened.duty, unit=opened.unit, fulfilled_at=fulfilled_at, rung=watch.spoken
    )
