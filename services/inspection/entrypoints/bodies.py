"""What people say when they decide."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from contracts.duties import Line
from services.inspection.domain.dossier import Outcome
from services.inspection.entrypoints.desk import Desk

RECTIFIED_WITHIN = 30
"""Calendar days: a report of what was put right within one month."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]
SomeWords = Annotated[Words, StringConstraints(min_length=1)]
Days = Annotated[int, Field(ge=1, le=3660, description="calendar days; due at 24:00 of the last")]


class OpeningBody(BaseModel):
    """A person confirms a proposal."""

    inspector: str | None = Field(
        None, description="the unit that inspects; the nearest superior discipline committee if left out"
    )


class DismissalBody(BaseModel):
    """A person dismisses a proposal."""

    reason: SomeWords


class FindingBody(BaseModel):
    """A problem was found."""

    line: Line
    text: SomeWords
    days: Days | None = None
    due_at: AwareDatetime | None = Field(None, description="instead of days; 30 days if both are left out")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.days is not None and self.due_at is not None:
            raise ValueError("either days or due_at")
        return self

    def due(self, desk: Desk, unit: str) -> datetime:
        """Return when its rectification is due, in the zone of the unit."""
        if self.due_at is not None:
            return desk.local(self.due_at, unit)
        return desk.in_days(self.days or RECTIFIED_WITHIN, unit)


class RectificationBody(BaseModel):
    """The unit says that it has put the problem right."""

    text: Words = ""


class ReturnBody(BaseModel):
    """It was not put right."""

    reason: SomeWords
    days: Days = RECTIFIED_WITHIN


class ClosingBody(BaseModel):
    """How a finding ends."""

    outcome: Outcome
    reason: Words = Field("", description="required to dismiss")
