"""Facts of the topic ``duties``: the duty protocol, one for every obligation there is."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from contracts.envelope import Fact, Moment

POLICIES = ("double-report/1", "rectification/1", "verification/1", "standard/1")
"""The ladders that a duty may name, by name and version; what they hold is data of reminders."""


OURS = ("rectification", "verification")
"""First words of the ids of our own duties; no foreign system may be an owner of this name."""


class Line(StrEnum):
    """Which of the two responsibilities a duty belongs to; exactly one (mission F3)."""

    MAIN = "main"
    SUPERVISION = "supervision"


class DutyFact(Fact, topic="duties", prefix="duty", key="duty"):
    """A fact about one duty (履责事项)."""

    duty: str = Field(description="the duty's id")
    unit: str = Field(description="the unit that bears the duty")


class DutyOpened(DutyFact):
    """Somebody owes something by a moment."""

    kind: str = Field(description="open list: double-report, rectification, verification …")
    line: Line = Field(description="the responsibility that it belongs to")
    recipient: str = Field(description="the unit to which it is owed")
    period: str = Field(description="what it is about, not when it is done: 2025 (mission R3)")
    due_at: Moment = Field(description="the last moment that is still in time")
    policy: str = Field(description="the ladder in force when it opened, <name>/<version>")
    occurrence: str = Field(description="what it is part of: a report's id")
    title: str = Field(default="", description="what it is, for a reader")
    continues: str | None = Field(
        default=None, description="the duty whose work came back; it had ended and this one goes on"
    )
    received_at: AwareDatetime | None = Field(
        default=None, description="when a foreign system's wish was received; none if the duty is our own"
    )


class DutyFulfilled(DutyFact):
    """What was owed is done; in time if ``fulfilled_at`` is not after the duty's ``due_at``."""

    fulfilled_at: AwareDatetime = Field(description="when it was done, which may be before it was said")


class DutyWaived(DutyFact):
    """It need not be done any more (免除); a miss before it stands."""

    waived_at: AwareDatetime = Field(description="when its owner decided so")


class DutyRefused(DutyFact):
    """A foreign system's wish was refused; the duty is as it was (不予受理)."""

    word: str = Field(description="open list, for programs: unknown_unit, due_in_past, not_allowed …")
    request: str = Field(description="the identity of the refused record or request")
