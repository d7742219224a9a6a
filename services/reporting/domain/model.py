"""What reporting keeps of each report, schedule and foreign duty, and what it can be asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal
from zoneinfo import ZoneInfo

from contracts.duties import DutyFulfilled, DutyOpened, DutyRefused, Line
from contracts.envelope import Fact
from contracts.reports import ReportFiled, ReportHalfFiled
from services.reporting.domain.foreign import FOREIGN, BringDuty, FinishDuty, ForeignDuty

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
SCHEDULE = "schedule:"

MonthDay = tuple[int, int]


class ScheduleSet(Fact, topic=None, prefix="", key="schedule"):
    """A yearly round of reports is planned, or planned in another way; private."""

    schedule: str
    kind: str
    root: str
    opens: MonthDay
    due: MonthDay
    zone: str
    first_year: int
    policy: str
    last_year: int | None = None


class YearOpened(Fact, topic=None, prefix="", key="schedule"):
    """Every report of a year's round is open; private."""

    schedule: str
    year: int
    period: str
    due_at: datetime


FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (
        DutyOpened,
        DutyFulfilled,
        DutyRefused,
        ReportHalfFiled,
        ReportFiled,
        ScheduleSet,
        YearOpened,
    )
}
"""Every type that may stand in reporting's ledger."""


def report_id(period: str, row: str, unit: str) -> str:
    """Return the identity of a report, so that opening it twice opens it once."""
    return f"{period}.{row}.{unit}"


def duty_id(report: str, recipient: str) -> str:
    """Return the identity of the duty that one recipient is owed."""
    return f"{report}@{recipient}"


@dataclass(frozen=True, slots=True)
class OpenReport:
    unit: str
    row: str
    line: Line
    period: str
    due_at: datetime
    recipients: tuple[str, ...]
    policy: str
    title: str
    kind: str = "double-report"

    @property
    def report(self) -> str:
        """Return the report's id, which is also its stream."""
        return report_id(self.period, self.row, self.unit)


@dataclass(frozen=True, slots=True)
class FileReport:
    recipients: tuple[str, ...] | None = None
    """Who gets it now; None: all."""
    received_at: datetime | None = None
    """When the office had it, if before now: paper counts like a filing in the system (mission.md §3)."""


@dataclass(frozen=True, slots=True)
class SetSchedule:
    root: str
    first_year: int
    policy: str = "double-report/1"
    kind: str = "double-report"
    opens: MonthDay = (1, 1)
    due: MonthDay = (1, 31)
    zone: str = "Asia/Shanghai"
    last_year: int | None = None
    """The last year that opens; None: until somebody says so."""


@dataclass(frozen=True, slots=True)
class OpenYear:
    """Said after every report of ``opening(tree, schedule, year)`` is appended, never before.

    A crash between the two opens the reports again, which changes nothing.
    """

    year: int


Command = OpenReport | FileReport | SetSchedule | OpenYear | BringDuty | FinishDuty


class Status(StrEnum):
    NONE = "none"
    OPEN = "open"
    HALF_FILED = "half_filed"
    FILED = "filed"


class Standing(StrEnum):
    """How one recipient's copy stands at a moment."""

    OPEN = "open"
    MISSING = "missing"
    ON_TIME = "on_time"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Edge:
    """One recipient's copy; each is a duty of its own."""

    recipient: str
    duty: str
    filed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    report: str
    unit: str = ""
    line: Line | None = None
    period: str = ""
    """What it is about; the dates of filing stand on the edges (mission R3)."""
    due_at: datetime = EPOCH
    policy: str = ""
    edges: tuple[Edge, ...] = ()
    state: Literal["report"] = "report"

    @property
    def status(self) -> Status:
        """Return how far the report has come: half-filed until the last recipient has it."""
        filed = sum(edge.filed_at is not None for edge in self.edges)
        if filed == len(self.edges):
            return Status.FILED if filed else Status.NONE
        return Status.HALF_FILED if filed else Status.OPEN

    @property
    def row(self) -> str:
        """Return the row of the route table that the report answers."""
        return self.report.removeprefix(f"{self.period}.").removesuffix(f".{self.unit}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A yearly round of reports, opened of itself (mission F1); without a kind it is not set yet."""

    schedule: str
    kind: str = ""
    root: str = ""
    opens: MonthDay = (1, 1)
    due: MonthDay = (1, 31)
    zone: str = "UTC"
    first_year: int = 0
    next_year: int = 0
    policy: str = ""
    last_year: int | None = None
    state: Literal["schedule"] = "schedule"

    @property
    def is_over(self) -> bool:
        """Tell whether no year is left to open."""
        return self.last_year is not None and self.next_year > self.last_year

    def opens_at(self, year: int) -> datetime:
        """Return the first moment of the opening day, in the schedule's zone."""
        return datetime(year, *self.opens, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def due_at(self, year: int) -> datetime:
        """Return 24:00 of the due day, in the schedule's zone."""
        return (datetime(year, *self.due, tzinfo=ZoneInfo(self.zone)) + DAY).astimezone(UTC)


State = Report | Schedule | ForeignDuty


def initial(stream: str) -> State:
    """Return the state of a stream that nobody has heard of."""
    if stream.startswith(FOREIGN):
        return ForeignDuty(stream.removeprefix(FOREIGN))
    return Schedule(stream.removeprefix(SCHEDULE)) if stream.startswith(SCHEDULE) else Report(stream)


def wake_at(state: State) -> int | None:
    """Return the next moment, in microseconds, at which a year's round opens."""
    if not isinstance(state, Schedule) or not state.kind or state.is_over:
        return None
    return _micros(state.opens_at(state.next_year))


def view(state: State) -> Mapping[str, Any]:
    """Return what queries ask for; empty if there is nothing to find."""
    if not isinstance(state, Report) or state.status is Status.NONE:
        return {}
    return {
        "unit": state.unit,
        "period": state.period,
        "row": state.row,
        "status": state.status.value,
        "due_at": _micros(state.due_at),
    }


def standing(report: Report, now: datetime) -> dict[str, Standing]:
    """Return for each recipient whether its copy came in time; the due moment itself is in time."""
    return {edge.recipient: _standing(edge, report.due_at, now) for edge in report.edges}


def _standing(edge: Edge, due_at: datetime, now: datetime) -> Standing:
    if edge.filed_at is None:
        return Standing.OPEN if now <= due_at else Standing.MISSING
    return Standing.ON_TIME if edge.filed_at <= due_at else Standing.LATE


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND
