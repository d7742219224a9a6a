"""When an edge is flagged (mission V1): after consecutive windows with data on both sides."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from contracts.envelope import Fact
from contracts.scores import HeatFlagged, HeatUnflagged
from services.scoring.domain.heat import HeatScheme, gap, is_lost
from services.scoring.domain.model import (
    BeginHeat,
    CloseMonth,
    FlagStood,
    Heat,
    HeatBegun,
    JudgeEdges,
    MonthJudged,
    Reading,
)
from services.scoring.domain.months import last_windows, shifted
from services.scoring.domain.rate import Rate

NOTHING = (Rate(), Rate())
KIND = "vertical"


def decide(state: Heat, command: BeginHeat | JudgeEdges | CloseMonth, scheme: HeatScheme) -> Sequence[Fact]:
    """Return the facts that *command* makes true, none if it changes nothing."""
    match command:
        case BeginHeat(month):
            return [] if state.month else [HeatBegun(scheme=scheme.id, month=month)]
        case JudgeEdges(month, readings) if month == state.month:
            return [fact for reading in readings for fact in _judge(state, reading, month, scheme)]
        case CloseMonth(month) if month == state.month:
            return [MonthJudged(scheme=scheme.id, month=month)]
        case JudgeEdges() | CloseMonth():
            return []
        case _:
            assert_never(command)


def windows_for(state: Heat, scheme: HeatScheme) -> set[str]:
    """Return the windows that the next judgement looks at: the last ones, and those on which flags rest."""
    return {*last_windows(state.month, scheme.windows), *(w for ws in state.flags.values() for w in ws)}


def evolve(state: Heat, fact: Fact) -> Heat:
    """Return heat after a fact."""
    match fact:
        case HeatBegun():
            return replace(state, month=fact.month)
        case MonthJudged():
            return replace(state, month=shifted(fact.month, 1))
        case HeatFlagged() | FlagStood():
            return replace(state, flags={**state.flags, fact.unit: fact.windows})
        case HeatUnflagged():
            return replace(state, flags={u: ws for u, ws in state.flags.items() if u != fact.unit})
        case _:
            raise TypeError(f"no part of the story of heat: {fact.type}")


def _judge(state: Heat, reading: Reading, month: str, scheme: HeatScheme) -> Sequence[Fact]:
    known, last = state.flags.get(reading.unit), last_windows(month, scheme.windows)
    is_lately = _is_lost_in(reading, last, scheme)
    if known is None:
        return [_flagged(reading, last, scheme)] if is_lately else []
    if is_lately:
        return [] if known == last else [FlagStood(scheme=scheme.id, unit=reading.unit, windows=last)]
    # A month without data closes no gap; what the flag rests on may have been withdrawn, though.
    has_data = gap(*reading.sides.get(month, NOTHING)) is not None
    is_closed = has_data and not _is_lost_in(reading, (month,), scheme)
    if is_closed or not _is_lost_in(reading, known, scheme):
        return [HeatUnflagged(unit=reading.unit, kind=KIND, window=month)]
    return []


def _is_lost_in(reading: Reading, windows: Sequence[str], scheme: HeatScheme) -> bool:
    return all(is_lost(*reading.sides.get(window, NOTHING), scheme) for window in windows)


def _flagged(reading: Reading, windows: tuple[str, ...], scheme: HeatScheme) -> HeatFlagged:
    upper, lower = reading.sides[windows[-1]]
    return HeatFlagged(
        unit=reading.unit,
        kind=KIND,
        scheme=scheme.id,
        windows=windows,
        upper_on_time=upper.on_time,
        upper_due=upper.due,
        upper_late=upper.late,
        lower_on_time=lower.on_time,
        lower_due=lower.due,
        lower_late=lower.late,
    )
