"""The ladder as data: every rung of it, and when."""

from datetime import datetime

import pytest

from contracts import duties
from contracts.tree import parse_role
from services.reminders.domain.ladder import POLICIES, Policy, Rung, reminder_at, rung, rung_at
from tests.support.reminders import CALENDAR, DUE, at

REPORT = POLICIES["double-report/1"]
each_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


@pytest.mark.parametrize(
    ("days", "moment"),
    [(20, "2026-01-05"), (10, "2026-01-19"), (5, "2026-01-26"), (3, "2026-01-28")],
)
def test_a_reminder_comes_so_many_working_days_before_due(days: int, moment: str) -> None:
    assert reminder_at(REPORT, days, DUE, CALENDAR) == at(f"{moment} 09:00")


@pytest.mark.parametrize(
    ("k", "moment"),
    [
        (0, DUE),
        (1, at("2026-02-02 09:00")),
        (2, at("2026-02-04 09:00")),
        (3, at("2026-02-06 09:00")),
        (4, at("2026-02-13 09:00")),
        (5, at("2026-02-27 09:00")),
    ],
)
def test_a_rung_comes_so_many_working_days_after_due(k: int, moment: datetime) -> None:
    assert rung_at(REPORT, k, DUE, 0, CALENDAR) == moment


@pytest.mark.parametrize("k", range(1, 12))
def test_a_hold_puts_a_rung_off_by_whole_working_days(k: int) -> None:
    later = Policy("later", 1, rungs=(Rung(rung(REPORT, k).after + 2, ("head",)),))
    assert rung_at(REPORT, k, DUE, 2, CALENDAR) == rung_at(later, 0, DUE, 0, CALENDAR)


def test_beyond_the_listed_rungs_each_climbs_one_level_on_both_lines() -> None:
    assert rung(REPORT, 4) == Rung(10, ("superior(2).head", "superior(2).discipline_head"))
    assert rung(REPORT, 9) == Rung(35, ("superior(7).head", "superior(7).discipline_head"))


def test_a_ladder_that_lists_only_the_unit_goes_on_with_the_superior() -> None:
    assert rung(Policy("short", 1, rungs=(Rung(0, ("head",)),)), 1) == Rung(
        5, ("superior(1).head", "superior(1).discipline_head")
    )


@each_policy
def test_a_duty_names_its_ladder_by_name_and_version(policy: Policy) -> None:
    assert POLICIES[f"{policy.name}/{policy.version}"] is policy


@each_policy
def test_a_ladder_only_ever_rises_and_reminders_only_draw_nearer(policy: Policy) -> None:
    rungs = [rung(policy, k) for k in range(30)]
    assert [r.after for r in rungs] == sorted({r.after for r in rungs})
    levels = [min(parse_role(role)[0] for role in r.roles) for r in rungs]
    assert levels == sorted(levels)
    assert list(policy.reminders_before) == sorted(set(policy.reminders_before), reverse=True)
    assert all(days >= 1 for days in policy.reminders_before)


@each_policy
def test_every_role_of_a_ladder_can_be_resolved_and_every_hold_is_a_hold(policy: Policy) -> None:
    """Lesson 8: a role name taken literally froze approvals elsewhere."""
    for k in range(30):
        assert all(parse_role(role) for role in rung(policy, k).roles)
        assert rung(policy, k).holds >= 1
    assert parse_role(policy.reminder_role)


def test_every_ladder_may_be_named_by_a_duty_and_no_other() -> None:
    assert set(POLICIES) == set(duties.POLICIES)
