"""Facts of the topic ``escalations``: what was missed, and how the matter climbed until somebody acted."""

from pydantic import AwareDatetime, Field

from contracts.duties import Line
from contracts.envelope import Fact


class EscalationFact(Fact, topic="escalations", prefix="escalation", key="duty"):
    """A fact about the escalation of one duty."""

    duty: str = Field(description="the duty's id")
    unit: str = Field(description="the unit that bears the duty")


class DutyMissed(EscalationFact):
    """A duty was not fulfilled in time, as far as its owner had said (逾期)."""

    kind: str = Field(description="open list, as the duty was opened: double-report …")
    line: Line = Field(description="the responsibility that the duty belongs to")
    recipient: str = Field(description="the unit to which it is owed")
    period: str = Field(description="what it is about, not when it is done")
    due_at: AwareDatetime = Field(description="the last moment that was still in time")
    occurrence: str = Field(default="", description="what the duty is part of: a report's id, a finding's")


class DutyMissWithdrawn(EscalationFact):
    """The duty had been fulfilled in time after all; nobody is scored for the miss."""

    fulfilled_at: AwareDatetime = Field(description="when the duty was done")
    due_at: AwareDatetime = Field(description="the last moment that was still in time")


class EscalationRaised(EscalationFact):
    """A rung of the ladder spoke to one post (逐级上报)."""

    line: Line = Field(description="the responsibility that the duty belongs to")
    rung: int = Field(description="the step of the ladder, from 0")
    level: int = Field(description="how many levels above the bearer's unit: 0 is the unit itself")
    role: str = Field(description="as the policy names it: handler, superior(2).head …")
    post: str = Field(description="the post that was told")
    person: str = Field(description="who held the post then; an identifier")
    due_at: AwareDatetime = Field(description="the last moment that was still in time")
    planned_at: AwareDatetime = Field(description="the moment at which the rung was to fire")
    superseded: tuple[int, ...] = Field(
        default=(), description="lower rungs whose moments had passed as well and which stay silent"
    )
    next_at: AwareDatetime | None = Field(
        default=None,
        description="when the climb goes on if nobody acts before; none if it is exhausted",
    )


class PostFoundVacant(EscalationFact):
    """A rung found nobody to speak to and the matter goes on upward at once (空缺)."""

    rung: int = Field(description="the step of the ladder, from 0")
    level: int = Field(description="how many levels above the bearer's unit")
    role: str = Field(description="as the policy names it: handler, superior(2).head …")
    vacant_unit: str = Field(description="the unit whose post is vacant")
    post: str | None = Field(description="none if the unit has no such post")
    planned_at: AwareDatetime = Field(description="the moment at which the rung was to fire")


class EscalationAcknowledged(EscalationFact):
    """A told post has taken note (签收); it holds the climb, it fulfils nothing."""

    rung: int = Field(description="the rung that had told it")
    post: str = Field(description="the post that has taken note")
    person: str = Field(description="who held the post then; an identifier")
    held_until: AwareDatetime = Field(description="when the climb goes on if nothing is fulfilled")


class EscalationResolved(EscalationFact):
    """The duty was fulfilled late; the climb ends."""

    fulfilled_at: AwareDatetime = Field(description="when the duty was done")
    rung: int = Field(description="the highest rung that had spoken")


class EscalationWithdrawn(EscalationFact):
    """The climb is void: the miss is, or the duty need not be done any more and its miss stands."""

    rung: int = Field(description="the highest rung that had spoken")


class EscalationExhausted(EscalationFact):
    """The matter has reached the top of both lines and still nobody has acted."""

    rung: int = Field(description="the highest rung of the ladder")
