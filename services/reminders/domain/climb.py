"""Who speaks when a rung is due: the highest that has passed; where nobody sits, the next above at once."""

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from itertools import count, takewhile

from contracts.duties import DutyOpened
from contracts.envelope import Fact
from contracts.escalations import EscalationExhausted, EscalationRaised, PostFoundVacant
from contracts.tree import Seat
from services.reminders.domain.evolve import needs_owner
from services.reminders.domain.ladder import POLICIES, Calendar, Seats, rung, rung_at
from services.reminders.domain.model import Watch, WatchMoved

Called = tuple[tuple[str, Seat], ...]
"""The roles of a rung and who answers for them, those above the root left out: beyond it a rung is empty."""


def climb(watch: Watch, opened: DutyOpened, now: datetime, tree: Seats, workdays: Calendar) -> list[Fact]:
    """Return what the ladder says at a moment, and when it speaks next.

    If nobody is left above, a passed rung below speaks after all, and the climb is exhausted.
    """
    policy, first = POLICIES[opened.policy], watch.rung + 1

    def at(k: int) -> datetime:
        return rung_at(policy, k, opened.due_at, watch.delay, workdays)

    def called(k: int) -> Called:
        return _called(tree, opened.unit, rung(policy, k).roles, now)

    top, top_at = first, at(first)
    if top_at > now:
        return [WatchMoved(duty=opened.duty, next_at=top_at, delay=watch.delay)]
    here, next_at = called(top), at(top + 1)
    while here and next_at <= now:
        top, top_at = top + 1, next_at
        here, next_at = called(top), at(top + 1)
    facts: list[Fact] = []
    beyond = top
    while here:
        facts += _say(opened, beyond, here, top_at, range(first, top), next_at=next_at)
        if _has_anyone(here):
            return facts
        beyond += 1
        here, next_at = called(beyond), at(beyond + 1)
    for k in range(top - 1, first - 1, -1):
        facts += _say(opened, k, called(k), at(k), range(first, k), next_at=None)
        if _has_anyone(called(k)):
            break
    return [*facts, EscalationExhausted(duty=opened.duty, unit=opened.unit, rung=beyond - 1)]


def gate_at(watch: Watch, now: datetime, workdays: Calendar) -> datetime | None:
    """Return the moment beyond which the owner and the directory must be heard before a Wake at *now*.

    None if it needs neither. After downtime this lies later than ``wake_at``: the highest passed rung speaks.
    """
    if watch.opened is None or not needs_owner(watch):
        return None
    policy, due_at = POLICIES[watch.opened.policy], watch.opened.due_at
    moments = (rung_at(policy, k, due_at, watch.delay, workdays) for k in count(watch.rung + 1))
    gate = next(moments)
    for moment in takewhile(lambda moment: moment <= now, moments):
        gate = moment
    return gate


def waits_like(watch: Watch) -> Hashable:
    """Return what the gate of a watch hangs on, and its owner: watches of which it is equal wait alike."""
    opened = watch.opened
    if opened is None or not needs_owner(watch):
        return None
    return watch.owner, opened.due_at, opened.policy, watch.rung, watch.delay


def _called(tree: Seats, unit: str, roles: tuple[str, ...], now: datetime) -> Called:
    seats = [(role, tree.seat(unit, role, now)) for role in roles]
    return tuple(one for one in seats if one[1].unit is not None or one[1].level == 0)


def _has_anyone(called: Called) -> bool:
    return any(seat.person is not None for _, seat in called)


def _say(
    opened: DutyOpened,
    k: int,
    called: Called,
    planned_at: datetime,
    superseded: Iterable[int],
    *,
    next_at: datetime | None,
) -> Iterator[Fact]:
    """Yield what one rung finds: each post is told once, whatever number of roles it has."""
    told: set[str] = set()
    for role, seat in called:
        if seat.post is None or seat.person is None:
            yield PostFoundVacant(
                duty=opened.duty,
                unit=opened.unit,
                rung=k,
                level=seat.level,
                role=role,
                vacant_unit=seat.unit or opened.unit,
                post=seat.post,
                planned_at=planned_at,
            )
        elif seat.post not in told:
            told.add(seat.post)
            yield EscalationRaised(
                duty=opened.duty,
                unit=opened.unit,
                line=opened.line,
                rung=k,
                level=seat.level,
                role=role,
                post=seat.post,
                person=seat.person,
                due_at=opened.due_at,
                planned_at=planned_at,
                superseded=tuple(superseded),
                next_at=next_at,
            )
