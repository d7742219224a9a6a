"""A duty that need not be done any more is neither reminded of nor escalated."""

from datetime import datetime

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from contracts.envelope import Fact
from contracts.escalations import DutyMissed, EscalationRaised, EscalationWithdrawn
from contracts.reminders import ReminderFired
from services.reminders.domain.evolve import wake_at
from services.reminders.domain.model import Acknowledge, Command, EndDuty, Status, WaiveDuty, Wake
from services.reminders.domain.telling import is_still_true
from tests.support.reminders import DUE, MICROSECOND, OPENED_AT, Story, a_duty, a_village, at, given, of

VERDICT = DUE + MICROSECOND
RUNG_1, RUNG_7 = at("2026-02-02 09:00"), at("2026-03-12 09:00")
DUTY = a_duty()


def withdrawn(rung: int) -> EscalationWithdrawn:
    return EscalationWithdrawn(duty=DUTY.duty, unit="village", rung=rung)


def opened() -> Story:
    return given(a_village()).opened(DUTY)


def kinds(facts: list[Fact]) -> list[type[Fact]]:
    return [type(fact) for fact in facts]


@pytest.mark.parametrize("waived_at", [OPENED_AT, DUE])
def test_a_duty_waived_before_it_is_due_ends_without_a_word(waived_at: datetime) -> None:
    story = opened().when(WaiveDuty(waived_at), waived_at).then()

    assert (story.watch.status, wake_at(story.watch)) == (Status.WAIVED, None)
    story.wakes(RUNG_7).then_nothing()
    assert of(ReminderFired, story.said) == []


@pytest.mark.parametrize(("until", "rung"), [(VERDICT, 0), (RUNG_1, 1), (RUNG_7, 6)])
def test_a_climb_ends_where_its_duty_is_waived_and_the_miss_stands(until: datetime, rung: int) -> None:
    story = opened().wakes_until(until).when(WaiveDuty(until), until).then(withdrawn(rung))

    assert (story.watch.status, wake_at(story.watch)) == (Status.WAIVED, None)
    assert len(of(DutyMissed, story.said)) == 1
    story.wakes(RUNG_7).then_nothing()


def test_what_was_waived_after_it_was_due_is_missed_whether_or_not_the_verdict_came_first() -> None:
    story = opened().when(WaiveDuty(VERDICT), RUNG_1)

    assert kinds(story.published) == [DutyMissed, EscalationWithdrawn]
    assert (story.watch.status, story.watch.spoken) == (Status.WAIVED, -1)


@pytest.mark.parametrize(
    ("waived_at", "said"), [(DUE, []), (VERDICT, [DutyMissed, EscalationWithdrawn])], ids=["in time", "late"]
)
def test_a_waiver_heard_before_its_opening_counts(waived_at: datetime, said: list[type[Fact]]) -> None:
    story = given(a_village()).when(WaiveDuty(waived_at), waived_at).then()
    assert story.watch.status is Status.UNKNOWN

    story.opened(DUTY, RUNG_1)

    assert kinds(story.published) == said
    assert (story.watch.status, wake_at(story.watch)) == (Status.WAIVED, None)


def test_nobody_takes_note_of_what_was_waived_and_what_was_queued_is_void() -> None:
    story = opened().wakes_until(VERDICT)
    [queued] = of(EscalationRaised, story.facts)
    story.when(WaiveDuty(RUNG_1), RUNG_1)

    assert not is_still_true(story.watch, queued)
    story.when(Acknowledge("village/handler", "p-village/handler"), RUNG_1)
    story.then_refused("nothing_to_acknowledge")


ends: list[Command] = [WaiveDuty(VERDICT), WaiveDuty(RUNG_1), EndDuty(DUE), EndDuty(RUNG_1), Wake()]


@for_any(st.permutations(ends))
@settings(max_examples=60, deadline=None)
def test_a_duty_ends_once_in_whatever_order_its_ends_come(order: list[Command]) -> None:
    story = opened().wakes_until(VERDICT)
    first = next(command for command in order if not isinstance(command, Wake))
    for command in order:
        story.when(command, RUNG_7)

    assert (
        story.watch.status
        is {
            WaiveDuty(VERDICT): Status.WAIVED,
            WaiveDuty(RUNG_1): Status.WAIVED,
            EndDuty(DUE): Status.WITHDRAWN,
            EndDuty(RUNG_1): Status.RESOLVED,
        }[first]
    )
    assert len(of(DutyMissed, story.said)) == 1
    assert len(of(EscalationWithdrawn, story.said)) == (first != EndDuty(RUNG_1))
