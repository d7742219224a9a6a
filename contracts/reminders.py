"""Facts of the topic ``reminders``: what was said before a duty was due."""

from pydantic import AwareDatetime, Field

from contracts.envelope import Fact


class ReminderFact(Fact, topic="reminders", prefix="reminder", key="duty"):
    """A fact about the reminders of one duty."""

    duty: str = Field(description="the duty's id")
    unit: str = Field(description="the unit that bears the duty")


class ReminderFired(ReminderFact):
    """A post was reminded of a duty that is not yet due (临近提醒)."""

    days_before: int = Field(description="working days before due")
    role: str = Field(description="as the policy names it: handler …")
    post: str | None = Field(description="none if the post is vacant")
    person: str | None = Field(description="who held the post then; an identifier")
    due_at: AwareDatetime = Field(description="the last moment that is still in time")
    planned_at: AwareDatetime = Field(description="the moment at which it was to fire")
    superseded: tuple[int, ...] = Field(
        default=(), description="earlier reminders that were passed over, in working days before due"
    )
    next_at: AwareDatetime | None = Field(
        default=None,
        description="when the next reminder fires, or the verdict falls, if nothing is done before",
    )
