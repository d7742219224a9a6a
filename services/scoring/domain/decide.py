"""What may happen to a row or to heat."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from contracts.envelope import Fact
from services.scoring.domain import flags
from services.scoring.domain.heat import SCHEME, HeatScheme
from services.scoring.domain.model import (
    BeginHeat,
    CloseMonth,
    Command,
    FulfilRow,
    Heat,
    JudgeEdges,
    OpenRow,
    Row,
    RowFulfilled,
    RowOpened,
    RowWaived,
    State,
    WaiveRow,
)

Decision = Sequence[Fact]


def decide(state: State, command: Command, now: datetime, *, scheme: HeatScheme = SCHEME) -> Decision:  # noqa: ARG001 every moment comes with a fact; nothing here depends on today
    """Return the facts that *command* makes true, none if it changes nothing."""
    if isinstance(state, Row) and isinstance(command, OpenRow | FulfilRow | WaiveRow):
        return _on_row(state, command)
    if isinstance(state, Heat) and isinstance(command, BeginHeat | JudgeEdges | CloseMonth):
        return flags.decide(state, command, scheme)
    raise TypeError(f"{type(command).__name__} is not for a {state.state}")


def evolve(state: State, fact: Fact) -> State:
    """Return what a stream has come to after a fact."""
    return flags.evolve(state, fact) if isinstance(state, Heat) else _evolve_row(state, fact)


def _on_row(row: Row, command: OpenRow | FulfilRow | WaiveRow) -> Decision:
    match command:
        case OpenRow():
            return _open(row, command)
        case FulfilRow(at, fact):
            is_news = _is_earlier((at, fact), (row.fulfilled_at, row.fulfilled_by))
            return [RowFulfilled(duty=row.duty, fact=fact, fulfilled_at=at)] if is_news else []
        case WaiveRow(at, fact):
            is_news = _is_earlier((at, fact), (row.waived_at, row.waived_by))
            return [RowWaived(duty=row.duty, fact=fact, waived_at=at)] if is_news else []
        case _:
            assert_never(command)


def _is_earlier(new: tuple[datetime, str], known: tuple[datetime | None, str]) -> bool:
    """Tell whether a fact is to be kept: the earliest one is, in whatever order they come."""
    at, fact = known
    return at is None or new < (at, fact)


def _open(row: Row, command: OpenRow) -> Decision:
    if row.due_at is not None:
        return []
    opened = command.opened
    return [
        RowOpened(
            duty=row.duty,
            fact=command.fact,
            unit=opened.unit,
            kind=opened.kind,
            line=opened.line,
            period=opened.period,
            occurrence=opened.occurrence,
            due_at=opened.due_at,
            continues=opened.continues,
        )
    ]


def _evolve_row(row: Row, fact: Fact) -> Row:
    match fact:
        case RowOpened():
            known = fact.model_dump(exclude={"duty", "fact"})
            return replace(row, **known, opened_by=fact.fact)
        case RowFulfilled():
            return replace(row, fulfilled_at=fact.fulfilled_at, fulfilled_by=fact.fact)
        case RowWaived():
            return replace(row, waived_at=fact.waived_at, waived_by=fact.fact)
        case _:
            raise TypeError(f"no part of a row's story: {fact.type}")
