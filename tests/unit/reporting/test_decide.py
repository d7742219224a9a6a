"""What may happen to a report."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.duties import DutyFulfilled, DutyOpened, Line
from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.reports import ReportFiled, ReportHalfFiled
from services.reporting.domain.decide import decide, evolve
from services.reporting.domain.model import (
    Command,
    FileReport,
    OpenReport,
    OpenYear,
    Report,
    SetSchedule,
    Standing,
    State,
    Status,
    YearOpened,
    initial,
    standing,
    view,
    wake_at,
)

DUE = datetime(2026, 1, 31, 16, tzinfo=UTC)
NOW = datetime(2026, 1, 20, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
OPENING = OpenReport(
    unit="v",
    row="main-responsibility",
    line=Line.MAIN,
    period="2025",
    due_at=DUE,
    recipients=("t", "t-dc"),
    policy="double-report/1",
    title="2025年度履行主体责任情况报告",
)
REPORT = "2025.main-responsibility.v"


def after(*steps: Command | tuple[Command, datetime], state: State | None = None) -> Report:
    """Return the report that commands lead to."""
    report = state or initial(REPORT)
    for step in steps:
        command, now = step if isinstance(step, tuple) else (step, NOW)
        for fact in said(report, command, now):
            report = evolve(report, fact)
    assert isinstance(report, Report)
    return report


def said(state: State, command: Command, now: datetime = NOW) -> list[Fact]:
    """Return the facts of a command that is not refused."""
    decision = decide(state, command, now)
    assert not isinstance(decision, Refusal), decision
    return list(decision)


def refused(state: State, command: Command) -> str:
    """Return the word of a refusal."""
    decision = decide(state, command, NOW)
    assert isinstance(decision, Refusal)
    assert decision.reason
    assert decision.reason_zh
    return decision.word


def fulfilled(recipient: str, at: datetime = NOW) -> DutyFulfilled:
    return DutyFulfilled(duty=f"{REPORT}@{recipient}", unit="v", fulfilled_at=at)


def test_a_report_opens_a_duty_for_each_recipient() -> None:
    assert said(initial(REPORT), OPENING) == [
        DutyOpened(
            duty=f"{REPORT}@{recipient}",
            unit="v",
            kind="double-report",
            line=Line.MAIN,
            recipient=recipient,
            period="2025",
            due_at=DUE,
            policy="double-report/1",
            occurrence=REPORT,
            title="2025年度履行主体责任情况报告",
        )
        for recipient in ("t", "t-dc")
    ]


def test_opening_twice_opens_once_even_if_the_tree_has_changed_since() -> None:
    report = after(OPENING)
    assert said(report, OPENING) == []
    assert said(report, replace(OPENING, recipients=("other", "other-dc"))) == []
    assert said(after(OPENING, FileReport()), OPENING) == []


def test_a_recipient_named_twice_is_owed_once() -> None:
    assert len(said(initial(REPORT), replace(OPENING, recipients=("t", "t")))) == 1


def test_a_report_that_nobody_would_receive_is_not_opened() -> None:
    assert refused(initial(REPORT), replace(OPENING, recipients=())) == "no_recipients"


def test_r1_a_report_is_half_filed_until_both_recipients_have_it() -> None:
    report = after(OPENING)
    assert report.status is Status.OPEN
    assert said(report, FileReport(("t-dc",))) == [
        fulfilled("t-dc"),
        ReportHalfFiled(
            report=REPORT, unit="v", period="2025", recipient="t-dc", missing=("t",), filed_at=NOW
        ),
    ]
    half = after(FileReport(("t-dc",)), state=report)
    assert half.status is Status.HALF_FILED
    assert standing(half, DUE + MICROSECOND) == {"t": Standing.MISSING, "t-dc": Standing.ON_TIME}
    later = NOW + timedelta(days=1)
    assert said(half, FileReport(("t",)), later) == [
        fulfilled("t", later),
        ReportFiled(report=REPORT, unit="v", period="2025", recipients=("t", "t-dc"), filed_at=later),
    ]
    assert after((FileReport(("t",)), later), state=half).status is Status.FILED


def test_r1_filing_with_both_at_once_is_never_half() -> None:
    facts = said(after(OPENING), FileReport())
    assert [type(fact) for fact in facts] == [DutyFulfilled, DutyFulfilled, ReportFiled]


def test_of_three_recipients_each_that_gets_it_is_told_who_still_waits() -> None:
    report = after(replace(OPENING, recipients=("a", "b", "c")))
    halves = [fact for fact in said(report, FileReport(("c", "a"))) if isinstance(fact, ReportHalfFiled)]
    assert [(fact.recipient, fact.missing) for fact in halves] == [("a", ("b",)), ("c", ("b",))]


def test_a_report_with_one_recipient_is_filed_at_once() -> None:
    report = after(replace(OPENING, recipients=("t",)), FileReport(("t",)))
    assert report.status is Status.FILED


@pytest.mark.parametrize(
    "again", [FileReport(), FileReport(("t",)), FileReport(("t-dc", "t")), FileReport(())]
)
def test_filing_again_says_nothing(again: FileReport) -> None:
    assert said(after(OPENING, FileReport()), again, DUE) == []


def test_what_is_filed_keeps_its_first_date() -> None:
    report = after(OPENING, FileReport(("t",)), (FileReport(), DUE))
    assert [edge.filed_at for edge in report.edges] == [NOW, DUE]


def test_a_report_that_was_never_opened_is_unknown() -> None:
    assert refused(initial(REPORT), FileReport()) == "unknown_report"


def test_a_stranger_receives_nothing_nor_does_anybody_beside_him() -> None:
    assert refused(after(OPENING), FileReport(("t", "stranger"))) == "not_a_recipient"


@pytest.mark.parametrize(
    ("late_by", "unfiled", "filed"),
    [
        (-MICROSECOND, Standing.OPEN, Standing.ON_TIME),
        (timedelta(0), Standing.OPEN, Standing.ON_TIME),
        (MICROSECOND, Standing.MISSING, Standing.LATE),
    ],
)
def test_the_due_moment_itself_is_in_time(late_by: timedelta, unfiled: Standing, filed: Standing) -> None:
    moment = DUE + late_by
    report = after(OPENING)
    assert standing(report, moment) == {"t": unfiled, "t-dc": unfiled}
    report = after((FileReport(), moment), state=report)
    assert standing(report, DUE + timedelta(days=300)) == {"t": filed, "t-dc": filed}


def test_r3_filing_in_january_counts_for_the_year_before() -> None:
    report = after(OPENING)
    facts = said(report, FileReport())
    assert {fact.period for fact in facts if isinstance(fact, ReportFiled)} == {"2025"}
    report = after(FileReport(), state=report)
    assert report.period == "2025"
    assert [edge.filed_at and edge.filed_at.year for edge in report.edges] == [2026, 2026]


def test_queries_find_a_report_by_what_it_is() -> None:
    assert view(initial(REPORT)) == {}
    assert view(after(OPENING, FileReport(("t",)))) == {
        "unit": "v",
        "period": "2025",
        "row": "main-responsibility",
        "status": "half_filed",
        "due_at": 1769875200000000,
    }
    assert wake_at(after(OPENING)) is None


def test_every_state_is_kept_and_read_back() -> None:
    adapter: TypeAdapter[State] = TypeAdapter(State)
    set_schedule = decide(initial("schedule:yearly"), SetSchedule("v", 2026), NOW)
    assert not isinstance(set_schedule, Refusal)
    schedule = evolve(initial("schedule:yearly"), set_schedule[0])
    for state in (initial(REPORT), after(OPENING, FileReport(("t",))), schedule, initial("schedule:x")):
        assert adapter.validate_json(adapter.dump_json(state)) == state


def test_a_command_for_another_stream_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        decide(initial(REPORT), OpenYear(2026), NOW)
    with pytest.raises(TypeError):
        decide(initial("schedule:x"), FileReport(), NOW)
    with pytest.raises(ValueError, match="not for the stream"):
        decide(initial("2024.main-responsibility.v"), OPENING, NOW)
    with pytest.raises(TypeError):
        evolve(initial("schedule:x"), fulfilled("t"))
    with pytest.raises(TypeError):
        evolve(initial(REPORT), YearOpened(schedule="x", year=2026, period="2025", due_at=DUE))


FILINGS = st.lists(st.sampled_from([("t",), ("t-dc",), ("t", "t-dc"), None]), max_size=4)


@settings(max_examples=60, deadline=None)
@given(FILINGS, st.data())
def test_any_order_of_duplicate_filings_gives_the_same_state(
    filings: list[tuple[str, ...] | None], data: st.DataObject
) -> None:
    commands: list[Command] = [OPENING, *(FileReport(recipients) for recipients in filings)]
    again = data.draw(st.permutations(commands + commands))
    assert after(OPENING, *again) == after(*commands)


@settings(max_examples=60, deadline=None)
@given(FILINGS)
def test_every_duty_is_fulfilled_once_and_the_status_says_how_many_are(
    filings: list[tuple[str, ...] | None],
) -> None:
    report, duties = after(OPENING), []
    for recipients in filings:
        facts = said(report, FileReport(recipients))
        duties += [fact.duty for fact in facts if isinstance(fact, DutyFulfilled)]
        report = after(FileReport(recipients), state=report)
    assert len(duties) == len(set(duties))
    assert report.status == [Status.OPEN, Status.HALF_FILED, Status.FILED][len(duties)]
