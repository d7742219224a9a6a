"""What scoring keeps of each duty and of heat, and what it can be asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from contracts.duties import DutyOpened, Line
from contracts.envelope import Fact
from contracts.scores import HeatFlagged, HeatUnflagged
from services.scoring.domain.heat import SCHEME
from services.scoring.domain.months import ends_at
from services.scoring.domain.rate import Rate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HEAT = "heat"
"""The one stream in which flags are raised; no duty may bear this name."""


class RowFact(Fact, topic=None, prefix="row", key="duty"):
    """A fact about the row of a duty; private."""

    duty: str
    fact: str
    """The identity of the fact that was heard."""


class RowOpened(RowFact):
    """Somebody owes it."""

    unit: str
    kind: str
    line: Line
    period: str
    occurrence: str
    due_at: datetime
    continues: str | None


class RowFulfilled(RowFact):
    """It was done."""

    fulfilled_at: datetime


class RowWaived(RowFact):
    """It need not be done any more."""

    waived_at: datetime


class HeatFact(Fact, topic=None, prefix="heat", key="scheme"):
    """A fact about the judging of heat; private."""

    scheme: str


class HeatBegun(HeatFact):
    """Heat is judged from the end of this month on."""

    month: str


class FlagStood(HeatFact):
    """A flag stands, by the newer windows that it now rests on."""

    unit: str
    windows: tuple[str, ...]


class MonthJudged(HeatFact):
    """Every edge was judged at the end of a month."""

    month: str


FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (
        RowOpened,
        RowFulfilled,
        RowWaived,
        HeatBegun,
        FlagStood,
        MonthJudged,
        HeatFlagged,
        HeatUnflagged,
    )
}
"""Every type that may stand in scoring's ledger."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one duty; its end may be heard before its opening."""

    duty: str
    unit: str = ""
    kind: str = ""
    line: Line | None = None
    period: str = ""
    occurrence: str = ""
    due_at: datetime | None = None
    continues: str | None = None
    """The duty whose work came back and that goes on in this one."""
    fulfilled_at: datetime | None = None
    waived_at: datetime | None = None
    opened_by: str = ""
    fulfilled_by: str = ""
    waived_by: str = ""
    state: Literal["row"] = "row"

    @property
    def facts(self) -> tuple[str, ...]:
        """Return the identities of the facts behind the row."""
        return tuple(fact for fact in (self.opened_by, self.fulfilled_by, self.waived_by) if fact)


@dataclass(frozen=True, slots=True)
class Heat:
    """How far heat is judged, and which flags stand."""

    month: str = ""
    """The next one to judge; empty before the beginning."""
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By upper unit the windows on which its flag rests."""
    state: Literal["heat"] = "heat"


@dataclass(frozen=True, slots=True)
class OpenRow:
    opened: DutyOpened
    fact: str


@dataclass(frozen=True, slots=True)
class FulfilRow:
    fulfilled_at: datetime
    fact: str


@dataclass(frozen=True, slots=True)
class WaiveRow:
    waived_at: datetime
    fact: str


@dataclass(frozen=True, slots=True)
class BeginHeat:
    month: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Both sides of an edge, by window; a window that is not there has no data."""

    unit: str
    sides: Mapping[str, tuple[Rate, Rate]]


@dataclass(frozen=True, slots=True)
class JudgeEdges:
    """Judge some edges at the end of a month."""

    month: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class CloseMonth:
    """Said after every edge is judged, never before; a crash between judges again, which changes nothing."""

    month: str


State = Row | Heat
Command = OpenRow | FulfilRow | WaiveRow | BeginHeat | JudgeEdges | CloseMonth


def initial(stream: str) -> State:
    """Return the state of a stream that nobody has heard of."""
    return Heat() if stream == HEAT else Row(stream)


def wake_at(state: State) -> int | None:
    """Return the end of the month that is to be judged next, in microseconds."""
    if isinstance(state, Row) or not state.month:
        return None
    return micros(ends_at(state.month, SCHEME.zone))


def micros(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND
