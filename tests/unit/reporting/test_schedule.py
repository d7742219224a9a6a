"""A year's round opens of itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.duties import DutyOpened, Line
from contracts.refusal import Refusal
from services.directory.domain.model import MoveUnit
from services.reporting.domain.decide import decide, evolve
from services.reporting.domain.model import (
    Command,
    OpenReport,
    OpenYear,
    Schedule,
    SetSchedule,
    State,
    YearOpened,
    initial,
    view,
    wake_at,
)
from services.reporting.domain.opening import opening
from tests.support.hierarchy import Directory, a_mixed_tree, divisions

STREAM = "schedule:double-report"
PLAN = SetSchedule("330305", 2026)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NEW_YEAR = datetime(2025, 12, 31, 16, tzinfo=UTC)
DUE = datetime(2026, 1, 31, 16, tzinfo=UTC)


def after(*commands: Command, now: datetime = NEW_YEAR, state: State | None = None) -> Schedule:
    """Return the schedule that commands lead to."""
    schedule = state or initial(STREAM)
    for command in commands:
        decision = decide(schedule, command, now)
        assert not isinstance(decision, Refusal), decision
        for fact in decision:
            schedule = evolve(schedule, fact)
    assert isinstance(schedule, Schedule)
    return schedule


def wakes_at(schedule: Schedule) -> datetime:
    """Return the moment of the next opening."""
    micros = wake_at(schedule)
    assert micros is not None
    return EPOCH + micros * MICROSECOND


def opened(
    directory: Directory, schedule: Schedule, year: int, reports: dict[str, State]
) -> list[DutyOpened]:
    """Open a year's round as the shell does it, and return the duties that are new."""
    duties: list[DutyOpened] = []
    for command in opening(directory.tree, schedule, year):
        state = reports.get(command.report) or initial(command.report)
        decision = decide(state, command, NEW_YEAR)
        assert not isinstance(decision, Refusal), decision
        for fact in decision:
            assert isinstance(fact, DutyOpened)
            duties.append(fact)
            state = evolve(state, fact)
        reports[command.report] = state
    return duties


def test_a_schedule_that_nobody_set_never_wakes() -> None:
    assert wake_at(initial(STREAM)) is None
    decision = decide(initial(STREAM), OpenYear(2026), NEW_YEAR)
    assert isinstance(decision, Refusal)
    assert decision.word == "unknown_schedule"


def test_a_year_opens_on_its_first_day_and_is_due_at_the_end_of_january_in_the_zone() -> None:
    schedule = after(PLAN)
    assert wakes_at(schedule) == NEW_YEAR
    assert schedule.due_at(2026) == DUE
    assert view(schedule) == {}


@pytest.mark.parametrize(("late_by", "opens"), [(-MICROSECOND, 0), (timedelta(0), 1), (MICROSECOND, 1)])
def test_f1_a_year_is_never_opened_early(late_by: timedelta, opens: int) -> None:
    decision = decide(after(PLAN), OpenYear(2026), NEW_YEAR + late_by)
    facts = [YearOpened(schedule="double-report", year=2026, period="2025", due_at=DUE)]
    assert list(decision if not isinstance(decision, Refusal) else ()) == facts[:opens]


def test_f1_every_year_opens_of_itself_year_after_year() -> None:
    directory, reports, schedule = Directory().imported(divisions()), dict[str, State](), after(PLAN)
    for year in (2026, 2027, 2028):
        now = wakes_at(schedule)
        duties = opened(directory, schedule, schedule.next_year, reports)
        assert {duty.period for duty in duties} == {str(year - 1)}
        assert len(duties) == 103 * 6
        schedule = after(OpenYear(schedule.next_year), now=now, state=schedule)
    assert wakes_at(schedule) == datetime(2028, 12, 31, 16, tzinfo=UTC)


def test_f1_after_a_sleep_of_years_no_year_is_left_out() -> None:
    now = NEW_YEAR + timedelta(days=3 * 366)
    schedule = after(PLAN, OpenYear(2026), OpenYear(2026), now=now)
    assert schedule.next_year == 2027
    assert wakes_at(schedule) < now
    for year in (2026, 2028):
        assert decide(schedule, OpenYear(year), now) == ()


def test_a_round_that_broke_off_is_opened_again_and_opens_only_what_is_missing() -> None:
    directory, schedule = Directory().imported(divisions()), after(PLAN)
    reports: dict[str, State] = {}
    whole = opened(directory, schedule, 2026, reports)
    half = dict(list(reports.items())[:100])
    rest = opened(directory, schedule, 2026, half)
    assert half == reports
    assert 0 < len(rest) < len(whole)
    assert opened(directory, schedule, 2026, reports) == []


def test_a_unit_that_moves_during_a_round_owes_no_second_report() -> None:
    directory, schedule, reports = Directory().imported(divisions()), after(PLAN), dict[str, State]()
    opened(directory, schedule, 2026, reports)
    directory.done(MoveUnit("330305001200", "330305002"))
    assert opened(directory, schedule, 2026, reports) == []


def test_every_report_names_its_row_line_title_and_period() -> None:
    by_row = {command.row: command for command in opening(a_mixed_tree().tree, after(PLAN), 2026)}
    assert {row: (c.line, c.title) for row, c in by_row.items()} == {
        "main-responsibility": (Line.MAIN, "2025年度履行主体责任情况报告"),
        "first-responsible-person": (Line.MAIN, "2025年度履行第一责任人职责情况报告"),
        "supervision-responsibility": (Line.SUPERVISION, "2025年度履行监督责任情况报告"),
    }
    assert {(c.due_at, c.period, c.policy, c.kind) for c in by_row.values()} == {
        (DUE, "2025", "double-report/1", "double-report")
    }


def test_f4_a_round_reaches_units_of_every_kind() -> None:
    tree = a_mixed_tree().tree
    units = {command.unit for command in opening(tree, after(replace(PLAN, root="33")), 2026)}
    assert units == set(tree.units) - {"33"}


def test_setting_a_schedule_again_says_nothing_and_another_way_keeps_the_years() -> None:
    schedule = after(PLAN, OpenYear(2026))
    assert decide(schedule, PLAN, NEW_YEAR) == ()
    changed = after(replace(PLAN, root="33", due=(2, 28)), state=schedule)
    assert (changed.root, changed.next_year) == ("33", 2027)
    assert changed.due_at(2027) == datetime(2027, 2, 28, 16, tzinfo=UTC)
    assert after(replace(PLAN, first_year=2030), state=schedule).next_year == 2030


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (replace(PLAN, zone="Asia/Nowhere"), "unknown_zone"),
        (replace(PLAN, zone="../etc"), "unknown_zone"),
        (replace(PLAN, opens=(2, 29)), "bad_date"),
        (replace(PLAN, due=(13, 1)), "bad_date"),
        (replace(PLAN, opens=(2**63, 1)), "bad_date"),
        (replace(PLAN, due=(1, -(2**63))), "bad_date"),
        (replace(PLAN, opens=(2, 1)), "due_before_opening"),
        (replace(PLAN, first_year=0), "bad_year"),
        (replace(PLAN, first_year=9999), "bad_year"),
        (replace(PLAN, last_year=2025), "ends_before_beginning"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(command: SetSchedule, word: str) -> None:
    decision = decide(initial(STREAM), command, NEW_YEAR)
    assert isinstance(decision, Refusal)
    assert decision.word == word
    assert decision.reason_zh


def test_a_schedule_ends_with_its_last_year_and_goes_on_if_that_is_taken_back() -> None:
    ending = after(replace(PLAN, last_year=2026))
    assert wakes_at(ending) == NEW_YEAR
    ended = after(OpenYear(2026), state=ending)
    assert wake_at(ended) is None
    next_year = NEW_YEAR + timedelta(days=365)
    assert decide(ended, OpenYear(2027), next_year) == ()
    assert wakes_at(after(PLAN, state=ended)) == next_year


def test_a_zone_with_summer_time_is_due_at_its_own_midnight() -> None:
    schedule = after(replace(PLAN, zone="Europe/Berlin", due=(3, 29)))
    assert schedule.due_at(2026) == datetime(2026, 3, 29, 22, tzinfo=UTC)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_reports_opened_in_any_order_and_twice_are_opened_once(data: st.DataObject) -> None:
    commands = list(opening(a_mixed_tree().tree, after(PLAN), 2026))
    twice: list[OpenReport] = data.draw(st.permutations(commands + commands))
    states: dict[str, State] = {}
    duties: list[str] = []
    for command in twice:
        state = states.get(command.report) or initial(command.report)
        decision = decide(state, command, NEW_YEAR)
        assert not isinstance(decision, Refusal)
        for fact in decision:
            assert isinstance(fact, DutyOpened)
            duties.append(fact.duty)
            state = evolve(state, fact)
        states[command.report] = state
    assert sorted(duties) == sorted({f"{c.report}@{r}" for c in commands for r in c.recipients})
