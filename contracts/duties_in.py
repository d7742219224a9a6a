"""Facts of the topic ``duties-in``: what foreign systems wish to be watched; reporting takes them in.

A record bears the header ``authorization: Bearer <token>``; the token names the owner (``sub``), the subtree
that it reaches (``unit``) and the kinds it may bring (a role ``duties:<kind>`` for each).
"""

from pydantic import AwareDatetime, Field

from contracts.duties import Line
from contracts.envelope import Fact


class DutyInFact(Fact, topic="duties-in", prefix="duty-in", key="duty"):
    """A wish of a foreign system about one duty of its own (外部事项)."""

    duty: str = Field(description="<owner>.<its own id>")
    unit: str = Field(description="the unit that bears the duty")


class DutyBrought(DutyInFact):
    """A foreign system wishes a duty to be opened."""

    kind: str = Field(description="open list: lesson …")
    line: Line = Field(description="the responsibility that it belongs to")
    recipient: str = Field(description="the unit to which it is owed")
    period: str = Field(description="what it is about, not when it is done")
    due_at: AwareDatetime = Field(description="the last moment that is still in time")
    policy: str = Field(default="standard/1", description="the ladder, <name>/<version>")
    occurrence: str = Field(default="", description="what it is part of; the duty itself if empty")
    title: str = Field(default="", description="what it is, for a reader")


class DutyDone(DutyInFact):
    """A foreign system says that its duty was fulfilled."""

    done_at: AwareDatetime = Field(description="when it was done, not after it is received")
