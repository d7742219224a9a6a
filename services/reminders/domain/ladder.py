"""The ladder: when a duty is reminded of, and who is told how many working days after it was missed."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol

from contracts.tree import Seat, parse_role

MICROSECOND = timedelta(microseconds=1)
"""What is done at the due moment itself is in time: the verdict falls one microsecond later."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step: so many working days after due these roles are told; one that takes note holds the climb."""

    after: int
    roles: tuple[str, ...]
    holds: int = 2


@dataclass(frozen=True, slots=True)
class Policy:
    """A ladder as data, immutable by version: numbers are working days, roles are never people."""

    name: str
    version: int
    reminders_before: tuple[int, ...] = (20, 10, 5, 3)
    reminder_role: str = "handler"
    rungs: tuple[Rung, ...] = (
        Rung(0, ("handler",)),
        Rung(1, ("leader_in_charge",)),
        Rung(3, ("head",)),
        Rung(5, ("superior.head", "superior.discipline_head")),
    )
    then_every: int = 5
    at: time = time(9)
    zone: str = "Asia/Shanghai"

    @property
    def id(self) -> str:
        """Return what a duty names its ladder by."""
        return f"{self.name}/{self.version}"


POLICIES = {
    policy.id: policy
    for policy in (
        Policy("double-report", 1),
        Policy("rectification", 1, reminders_before=(10, 5, 3)),
        Policy("verification", 1, reminders_before=(3, 1)),
        Policy("standard", 1, reminders_before=(10, 5, 3)),
    )
}


class Calendar(Protocol):
    """Moments counted in working days, as ``shared.workdays`` counts them."""

    def after(self, due_at: datetime, working_days: int, at: time, zone: str) -> datetime: ...

    def before(self, due_at: datetime, working_days: int, at: time, zone: str) -> datetime: ...


class Seats(Protocol):
    """Who answers for a role at a moment, as ``contracts.tree`` tells it."""

    def seat(self, code: str, role: str, at: datetime) -> Seat: ...


def rung(policy: Policy, k: int) -> Rung:
    """Return rung *k*; beyond the listed ones each climbs one level higher on both lines, without end."""
    above = k - len(policy.rungs) + 1
    if above <= 0:
        return policy.rungs[k]
    last = policy.rungs[-1]
    level = max(parse_role(role)[0] for role in last.roles) + above
    roles = (f"superior({level}).head", f"superior({level}).discipline_head")
    return Rung(last.after + above * policy.then_every, roles, last.holds)


def rung_at(policy: Policy, k: int, due_at: datetime, delay: int, workdays: Calendar) -> datetime:
    """Return the moment of rung *k*, put off by *delay* working days for those who took note."""
    days = rung(policy, k).after + delay
    return workdays.after(due_at, days, policy.at, policy.zone) if days else due_at


def reminder_at(policy: Policy, days_before: int, due_at: datetime, workdays: Calendar) -> datetime:
    """Return the moment of the reminder so many working days before due."""
    return workdays.before(due_at, days_before, policy.at, policy.zone)
