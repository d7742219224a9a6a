"""What queries ask of a row: three numbers that are summed, and what they are summed by."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from contracts.duties import Line
from services.scoring.domain.model import Heat, Row, State, micros
from services.scoring.domain.outcome import WORTH, Return, outcome
from services.scoring.domain.rate import Rate

SUMMED = ("view.on_time", "view.due", "view.late")
"""In the order of a ``Rate``."""


def view(state: State) -> Mapping[str, Any]:
    """Return what a row adds to the score once it is due, unless its work comes back; empty if not opened."""
    if isinstance(state, Heat) or state.due_at is None:
        return {}
    worth = WORTH[outcome(state)]
    return {
        "unit": state.unit,
        "kind": state.kind,
        "line": str(state.line),
        "due_at": micros(state.due_at),
        "on_time": worth.on_time,
        "due": worth.due,
        "late": worth.late,
        **({} if state.continues is None else {"continues": state.continues}),
    }


@dataclass(frozen=True, slots=True)
class Slice:
    """Which of the duties that are due; all by default."""

    window: str | None = None
    kind: str | None = None
    line: Line | None = None


ALL = Slice()


class Scores(Protocol):
    """What rows add up to as of a moment: a duty counts once it was due before that; none do as of None."""

    async def rates(
        self, units: Collection[str] | None, as_of: datetime | None, part: Slice = ALL
    ) -> Mapping[str, Rate]:
        """Return the rate of each unit that has any row, of all units if None."""

    async def rows(
        self, unit: str, as_of: datetime | None, part: Slice = ALL
    ) -> tuple[list[Row], Mapping[Return, str]]:
        """Return the rows behind the rate of a unit, and the work in it that came back."""
