"""How scores are told: whole numbers, and a text in the language asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from services.scoring.domain.heat import gap, heat
from services.scoring.domain.model import Row
from services.scoring.domain.months import window_of
from services.scoring.domain.outcome import Return, outcome
from services.scoring.domain.rate import NO_DATA, Rate, percent


def iso(moment: datetime | None) -> str | None:
    """Return a moment as text."""
    return None if moment is None else moment.isoformat()


@dataclass(frozen=True, slots=True)
class Words:
    """Tells in English or in Chinese."""

    is_chinese: bool

    def rate(self, rate: Rate) -> dict[str, Any]:
        """Return a rate as numerator, denominator and words."""
        text = rate.text(is_chinese=self.is_chinese)
        return {"on_time": rate.on_time, "due": rate.due, "late": rate.late, "text": text}

    def share(self, share: Fraction | None) -> dict[str, Any]:
        """Return a fraction; its denominator is 0 if there is no data."""
        if share is None:
            return {"numerator": 0, "denominator": 0, "text": NO_DATA[self.is_chinese]}
        return {"numerator": share.numerator, "denominator": share.denominator, "text": percent(share)}

    def side(self, rate: Rate) -> dict[str, Any]:
        """Return the rate and the heat of a side of an edge or of a level."""
        return {"rate": self.rate(rate), "heat": self.share(heat(rate))}

    def edge(self, upper: Rate, lower: Rate) -> dict[str, Any]:
        """Return both sides of an edge and by how much the upper one is hotter."""
        return {
            "upper": self.side(upper),
            "lower": self.side(lower),
            "gap": self.share(gap(upper, lower)),
        }

    def row(self, row: Row, came_back: Mapping[Return, str], zone: str) -> dict[str, Any]:
        """Return what a duty adds to the score, and the identities of the facts that say so."""
        returned_by = came_back.get((row.unit, row.duty))
        return {
            "duty": row.duty,
            "kind": row.kind,
            "line": row.line,
            "period": row.period,
            "occurrence": row.occurrence,
            "window": None if row.due_at is None else window_of(row.due_at, zone),
            "due_at": iso(row.due_at),
            "fulfilled_at": iso(row.fulfilled_at),
            "waived_at": iso(row.waived_at),
            "continues": row.continues,
            "outcome": outcome(row, is_returned=returned_by is not None),
            "facts": [*row.facts, *([] if returned_by is None else [returned_by])],
        }
