"""What is decided before its moment is what would be decided when it comes, or does not hold."""

from datetime import datetime, timedelta

import pytest

from contracts.directory import TenureEnded, TenureStarted
from contracts.escalations import DutyMissed, EscalationRaised
from contracts.reminders import ReminderFired
from contracts.tree import Tree
from services.reminders.domain.foresee import Foreseen, foresee
from services.reminders.domain.model import Acknowledge
from tests.support.reminders import (
    CALENDAR,
    DUE,
    LONG_AGO,
    MICROSECOND,
    OPENED_AT,
    Places,
    Story,
    a_duty,
    a_village,
    at,
    given,
)

VERDICT = DUE + MICROSECOND
HANDLER = "village/handler"


def watched(made: Places, until: datetime = DUE) -> Story:
    """Return the story of a duty that nobody does, up to a moment."""
    return given(made).opened(a_duty(), OPENED_AT).wakes_until(until)


def foreseen_of(story: Story) -> Foreseen:
    found = foresee(story.watch, tree=story.tree, workdays=CALENDAR)
    assert found is not None
    return found


def followed(story: Story, post: str, from_at: datetime) -> None:
    """Let somebody else hold a post from a moment on."""
    unit, person = post.partition("/")[0], f"p-{post}"
    story.tree.apply(TenureEnded(post=post, unit=unit, person=person, until_at=from_at), 1_000)
    story.tree.apply(TenureStarted(post=post, unit=unit, person="new", from_at=from_at), 1_001)


def test_the_verdict_and_the_first_rung_are_known_before_the_duty_is_due() -> None:
    story = watched(a_village())

    foreseen = foreseen_of(story)
    assert [type(fact) for fact in foreseen.facts] == [DutyMissed, EscalationRaised]
    assert [foreseen.holds(moment) for moment in (DUE, VERDICT, at("2026-02-02 08:59"))] == [
        False,
        True,
        True,
    ]
    assert story.wakes(at("2026-02-02 08:59")).facts == foreseen.facts


def test_they_do_not_hold_once_the_next_rung_has_come() -> None:
    story = watched(a_village())

    foreseen = foreseen_of(story)
    assert not foreseen.holds(at("2026-02-02 09:00"))
    assert story.wakes(at("2026-02-02 09:00")).facts != foreseen.facts


def test_a_reminder_holds_until_the_next_one_or_until_due() -> None:
    story = watched(a_village(), until=OPENED_AT)
    bounds = []
    while not isinstance((foreseen := foreseen_of(story)).facts[0], DutyMissed):
        assert isinstance(foreseen.facts[0], ReminderFired)
        bounds.append((foreseen.at, foreseen.until))
        story.wakes(foreseen.at)
    assert [later for _, later in bounds] == [*(moment for moment, _ in bounds[1:]), VERDICT]


@pytest.mark.parametrize("is_heard_before", [True, False])
def test_who_holds_the_post_when_it_is_said_is_told(*, is_heard_before: bool) -> None:
    story, change = watched(a_village()), VERDICT + timedelta(seconds=2)
    if is_heard_before:
        followed(story, HANDLER, change)
    foreseen = foreseen_of(story)
    if not is_heard_before:
        followed(story, HANDLER, change)

    assert foreseen.holds(change - MICROSECOND)
    assert not foreseen.holds(change)
    assert "new" in {fact.person for fact in story.wakes(change).facts if isinstance(fact, EscalationRaised)}


def test_a_post_that_falls_vacant_at_a_moment_known_before_changes_the_answer() -> None:
    story, change = watched(a_village()), VERDICT + timedelta(seconds=2)
    story.tree.apply(TenureEnded(post=HANDLER, unit="village", person=f"p-{HANDLER}", until_at=change), 1_000)
    foreseen = foreseen_of(story)

    assert [foreseen.holds(moment) for moment in (change - MICROSECOND, change)] == [True, False]


def test_a_post_that_is_taken_at_a_moment_known_before_changes_the_answer() -> None:
    story, change = watched(a_village().vacate(HANDLER)), VERDICT + timedelta(seconds=2)
    story.tree.apply(TenureStarted(post=HANDLER, unit="village", person="new", from_at=change), 1_000)
    story.tree.apply(TenureStarted(post="town/head", unit="town", person="new", from_at=LONG_AGO), 1_000)
    foreseen = foreseen_of(story)

    assert [foreseen.holds(moment) for moment in (change - MICROSECOND, change)] == [True, False]


def test_a_change_of_another_post_does_no_harm() -> None:
    story = watched(a_village())
    foreseen = foreseen_of(story)
    followed(story, "town/head", LONG_AGO)

    assert foreseen.holds(VERDICT)
    assert story.wakes(VERDICT).facts == foreseen.facts


def test_who_is_skipped_counts_as_well() -> None:
    story = watched(a_village().vacate(HANDLER))
    foreseen = foreseen_of(story)
    story.tree.apply(TenureStarted(post=HANDLER, unit="village", person="new", from_at=DUE), 1_000)

    assert not foreseen.holds(VERDICT)


def test_a_rung_that_was_put_off_is_foreseen_where_it_is_now() -> None:
    story = watched(a_village(), until=VERDICT)
    story.when(Acknowledge(HANDLER, "p"), VERDICT + timedelta(minutes=1))

    foreseen = foreseen_of(story)
    assert foreseen.at == story.watch.next_at
    assert story.wakes(foreseen.at).facts == foreseen.facts


def test_nothing_is_foreseen_of_a_watch_that_waits_for_others() -> None:
    story = watched(a_village()).fulfilled(DUE, DUE)

    assert foresee(story.watch, tree=story.tree, workdays=CALENDAR) is None
    assert foresee(given(a_village()).watch, tree=story.tree, workdays=CALENDAR) is None


def test_a_tree_that_has_lost_the_unit_is_an_error() -> None:
    story = watched(a_village())
    foreseen = foreseen_of(story)
    story.tree.become(Tree())

    with pytest.raises(KeyError):
        foreseen.holds(VERDICT)
