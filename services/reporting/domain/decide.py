"""What may happen to a report, a schedule or a foreign duty."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.duties import DutyFulfilled, DutyOpened
from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.reports import ReportFiled, ReportHalfFiled
from services.reporting.domain import foreign
from services.reporting.domain.foreign import BringDuty, FinishDuty, ForeignDuty
from services.reporting.domain.model import (
    Command,
    Edge,
    FileReport,
    MonthDay,
    OpenReport,
    OpenYear,
    Report,
    Schedule,
    ScheduleSet,
    SetSchedule,
    State,
    Status,
    YearOpened,
    duty_id,
)

YEARS = range(1971, 9000)

Decision = Sequence[Fact] | Refusal


def decide(state: State, command: Command, now: datetime) -> Decision:
    """Return the facts that *command* makes true, none if it changes nothing."""
    if isinstance(state, Report) and isinstance(command, OpenReport | FileReport):
        return _open(state, command) if isinstance(command, OpenReport) else _file(state, command, now)
    if isinstance(state, Schedule) and isinstance(command, SetSchedule | OpenYear):
        return _set(state, command) if isinstance(command, SetSchedule) else _open_year(state, command, now)
    if isinstance(state, ForeignDuty) and isinstance(command, BringDuty | FinishDuty):
        return foreign.decide(state, command, now)
    raise TypeError(f"{type(command).__name__} is not for a {state.state}")


def evolve(state: State, fact: Fact) -> State:
    """Return what a stream has come to after a fact."""
    match state:
        case Report():
            return _evolve_report(state, fact)
        case Schedule():
            return _evolve_schedule(state, fact)
        case ForeignDuty():
            return foreign.evolve(state, fact)
        case _:
            assert_never(state)


def _open(state: Report, command: OpenReport) -> Decision:
    if command.report != state.report:
        raise ValueError(f"{command.report} is not for the stream {state.report}")
    if state.status is not Status.NONE:
        return ()
    if not command.recipients:
        return Refusal(
            "no_recipients", f"Nobody would receive {state.report}.", f"报告 {state.report} 没有接收单位。"
        )
    return tuple(_duty(command, recipient) for recipient in dict.fromkeys(command.recipients))


def _duty(command: OpenReport, recipient: str) -> DutyOpened:
    return DutyOpened(
        duty=duty_id(command.report, recipient),
        unit=command.unit,
        kind=command.kind,
        line=command.line,
        recipient=recipient,
        period=command.period,
        due_at=command.due_at,
        policy=command.policy,
        occurrence=command.report,
        title=command.title,
    )


def _file(state: Report, command: FileReport, now: datetime) -> Decision:
    if state.status is Status.NONE:
        return Refusal(
            "unknown_report", f"There is no report {state.report}.", f"报告 {state.report} 不存在。"
        )
    at = command.received_at or now
    if at > now:
        return Refusal("received_in_future", "It cannot have been received yet.", "收文时间不能晚于现在。")
    known = {edge.recipient for edge in state.edges}
    named = known if command.recipients is None else set(command.recipients)
    for stranger in sorted(named - known):
        return Refusal(
            "not_a_recipient",
            f"{stranger} does not receive {state.report}.",
            f"{stranger} 不是报告 {state.report} 的接收单位。",
        )
    filed = [edge for edge in state.edges if edge.recipient in named and edge.filed_at is None]
    duties = [DutyFulfilled(duty=edge.duty, unit=state.unit, fulfilled_at=at) for edge in filed]
    return (*duties, *_filings(state, filed, at))


def _filings(state: Report, filed: Sequence[Edge], at: datetime) -> Sequence[Fact]:
    """Return what the filings make of the report: half-filed, once for each new recipient, or filed."""
    missing = tuple(e.recipient for e in state.edges if e.filed_at is None and e not in filed)
    if filed and not missing:
        recipients = tuple(edge.recipient for edge in state.edges)
        return (
            ReportFiled(
                report=state.report, unit=state.unit, period=state.period, recipients=recipients, filed_at=at
            ),
        )
    return [
        ReportHalfFiled(
            report=state.report,
            unit=state.unit,
            period=state.period,
            recipient=edge.recipient,
            missing=missing,
            filed_at=at,
        )
        for edge in filed
    ]


def _set(state: Schedule, command: SetSchedule) -> Decision:
    fact = ScheduleSet(
        schedule=state.schedule,
        kind=command.kind,
        root=command.root,
        opens=command.opens,
        due=command.due,
        zone=command.zone,
        first_year=command.first_year,
        policy=command.policy,
        last_year=command.last_year,
    )
    if not _is_zone(command.zone):
        return Refusal(
            "unknown_zone", f"There is no time zone {command.zone}.", f"时区 {command.zone} 不存在。"
        )
    if not (_is_yearly(command.opens) and _is_yearly(command.due)):
        return Refusal("bad_date", "Not days of every year.", "日期并非每年都有。")
    if command.first_year not in YEARS:
        return Refusal("bad_year", f"Not a year: {command.first_year}.", f"年份无效：{command.first_year}。")
    if command.last_year is not None and command.last_year < command.first_year:
        return Refusal("ends_before_beginning", "It ends before it begins.", "终止年份早于起始年份。")
    if command.due < command.opens:
        return Refusal("due_before_opening", "Due before it opens.", "截止日期早于启动日期。")
    return () if _evolve_schedule(state, fact) == state else (fact,)


def _is_zone(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_yearly(day: MonthDay) -> bool:
    try:
        date(2001, *day)
    except (ValueError, OverflowError):
        return False
    return True


def _open_year(state: Schedule, command: OpenYear, now: datetime) -> Decision:
    if not state.kind:
        return Refusal(
            "unknown_schedule", f"There is no schedule {state.schedule}.", f"计划 {state.schedule} 不存在。"
        )
    if state.is_over or command.year != state.next_year or now < state.opens_at(command.year):
        return ()
    due_at = state.due_at(command.year)
    return (
        YearOpened(schedule=state.schedule, year=command.year, period=str(command.year - 1), due_at=due_at),
    )


def _evolve_report(state: Report, fact: Fact) -> Report:
    match fact:
        case DutyOpened():
            return replace(
                state,
                unit=fact.unit,
                line=fact.line,
                period=fact.period,
                due_at=fact.due_at,
                policy=fact.policy,
                edges=(*state.edges, Edge(fact.recipient, fact.duty)),
            )
        case DutyFulfilled():
            return replace(state, edges=tuple(_filed(edge, fact) for edge in state.edges))
        case ReportHalfFiled() | ReportFiled():
            return state
        case _:
            raise TypeError(f"{fact.type} is not about a report")


def _filed(edge: Edge, fact: DutyFulfilled) -> Edge:
    return replace(edge, filed_at=fact.fulfilled_at) if edge.duty == fact.duty else edge


def _evolve_schedule(state: Schedule, fact: Fact) -> Schedule:
    match fact:
        case ScheduleSet():
            return Schedule(
                state.schedule,
                fact.kind,
                fact.root,
                fact.opens,
                fact.due,
                fact.zone,
                fact.first_year,
                # A year that was opened stays so, however the schedule is set afterwards.
                max(state.next_year, fact.first_year),
                fact.policy,
                fact.last_year,
            )
        case YearOpened():
            return replace(state, next_year=fact.year + 1)
        case _:
            raise TypeError(f"{fact.type} is not about a schedule")
