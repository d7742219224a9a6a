"""What is said before due: one reminder at a time, and the latest one when several have passed."""

from datetime import datetime

from contracts.duties import DutyOpened
from contracts.envelope import Fact
from contracts.reminders import ReminderFired
from services.reminders.domain.ladder import MICROSECOND, POLICIES, Calendar, Seats, reminder_at
from services.reminders.domain.model import Watch, WatchMoved


def first_at(opened: DutyOpened, now: datetime, workdays: Calendar) -> datetime:
    """Return when a duty heard of now has its first say; not in the past, where nobody could have spoken."""
    days_before = POLICIES[opened.policy].reminders_before
    if now > opened.due_at or not days_before:
        return max(opened.due_at + MICROSECOND, now)
    return max(reminder_at(POLICIES[opened.policy], days_before[0], opened.due_at, workdays), now)


def remind(watch: Watch, opened: DutyOpened, now: datetime, tree: Seats, workdays: Calendar) -> list[Fact]:
    """Let the latest reminder that has passed speak; none does any more once the duty is due."""
    policy = POLICIES[opened.policy]
    left = [days for days in policy.reminders_before if watch.reminded is None or days < watch.reminded]
    planned = {days: reminder_at(policy, days, opened.due_at, workdays) for days in left}
    passed = [days for days in left if planned[days] <= now]
    coming = (planned[days] for days in left if days not in passed)
    next_at = min(coming, default=opened.due_at + MICROSECOND)
    if not passed or now > opened.due_at:
        return [WatchMoved(duty=opened.duty, next_at=next_at, delay=watch.delay)]
    *earlier, latest = passed
    seat = tree.seat(opened.unit, policy.reminder_role, now)
    fired = ReminderFired(
        duty=opened.duty,
        unit=opened.unit,
        days_before=latest,
        role=policy.reminder_role,
        post=seat.post if seat.person is not None else None,
        person=seat.person,
        due_at=opened.due_at,
        planned_at=planned[latest],
        superseded=tuple(earlier),
        next_at=next_at,
    )
    return [fired]
