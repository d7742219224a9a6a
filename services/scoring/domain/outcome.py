"""What became of a duty that is due, as far as it counts."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from services.scoring.domain.model import Row
from services.scoring.domain.rate import Rate


class Outcome(StrEnum):
    ON_TIME = "on_time"
    LATE = "late"
    MISSED = "missed"
    """Not done, as far as is heard; it may still be withdrawn."""
    RETURNED = "returned"
    """Done, and the work came back: it was not accepted (mission §1.13)."""
    WAIVED = "waived"
    """It leaves the denominator."""


WORTH: Mapping[Outcome, Rate] = {
    Outcome.ON_TIME: Rate(1, 1),
    Outcome.LATE: Rate(0, 1, late=1),
    Outcome.MISSED: Rate(0, 1),
    Outcome.RETURNED: Rate(0, 1),
    Outcome.WAIVED: Rate(),
}
"""What each outcome adds to the score of the unit that bears the duty."""

Return = tuple[str, str]
"""The unit and the duty whose work came back."""


def outcome(row: Row, *, is_returned: bool = False) -> Outcome:
    """Return what became of an opened duty whose moment has passed; the due moment itself is in time."""
    if row.waived_at is not None:
        return Outcome.WAIVED
    if is_returned:
        return Outcome.RETURNED
    if row.fulfilled_at is None or row.due_at is None:
        return Outcome.MISSED
    return Outcome.ON_TIME if row.fulfilled_at <= row.due_at else Outcome.LATE


def returns(rows: Iterable[Row]) -> dict[Return, str]:
    """Return the work that came back, and the fact that says so; a duty goes on in the unit that bore it."""
    found = sorted((row.unit, row.continues, row.opened_by) for row in rows if row.continues is not None)
    return {(unit, duty): fact for unit, duty, fact in reversed(found)}


def score(rows: Iterable[Row], came_back: Mapping[Return, str]) -> Rate:
    """Return what rows add up to: the sum of what each explains."""
    return sum((WORTH[outcome(r, is_returned=(r.unit, r.duty) in came_back)] for r in rows), Rate())
