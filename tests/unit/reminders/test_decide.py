"""The rule of reminders in sentences: remind, miss, climb, hold, end."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from contracts.escalations import (
    DutyMissed,
    DutyMissWithdrawn,
    EscalationAcknowledged,
    EscalationExhausted,
    EscalationRaised,
    EscalationResolved,
    EscalationWithdrawn,
    PostFoundVacant,
)
from contracts.reminders import ReminderFired
from contracts.tree import Tree
from services.reminders.domain.climb import gate_at
from services.reminders.domain.evolve import evolve, needs_owner, wake_at
from services.reminders.domain.ladder import POLICIES, Policy, Rung
from services.reminders.domain.model import Acknowledge, Status, WatchMoved
from services.reminders.domain.telling import is_still_true
from shared.workdays import Calendar, ChineseWorkdays
from tests.support.reminders import (
    DUE,
    MICROSECOND,
    REPORTING,
    Places,
    Story,
    a_duty,
    a_village,
    at,
    given,
    of,
    places,
)

VERDICT = DUE + MICROSECOND
RUNG_1, RUNG_2, RUNG_3 = at("2026-02-02 09:00"), at("2026-02-04 09:00"), at("2026-02-06 09:00")
RUNG_4, RUNG_5, RUNG_6 = at("2026-02-13 09:00"), at("2026-02-27 09:00"), at("2026-03-05 09:00")
RUNG_7 = at("2026-03-12 09:00")
GOES_ON = (RUNG_1, RUNG_2, RUNG_3, RUNG_4, RUNG_5, RUNG_6, RUNG_7)
"""When the climb goes on behind each rung, if nobody takes note."""
DUTY = a_duty()
MISSED = DutyMissed(
    duty=DUTY.duty,
    unit="village",
    kind=DUTY.kind,
    line=DUTY.line,
    recipient=DUTY.recipient,
    period=DUTY.period,
    due_at=DUE,
    occurrence=DUTY.occurrence,
)
TAKES_NOTE = Acknowledge("village/handler", "p-village/handler")


def raised(
    rung: int,
    post: str,
    planned_at: datetime,
    *superseded: int,
    role: str = "",
    level: int = 0,
    is_last: bool = False,
) -> EscalationRaised:
    return EscalationRaised(
        duty=DUTY.duty,
        unit="village",
        line=DUTY.line,
        rung=rung,
        level=level,
        role=role or post.rpartition("/")[2],
        post=post,
        person=f"p-{post}",
        due_at=DUE,
        planned_at=planned_at,
        superseded=superseded,
        next_at=None if is_last else GOES_ON[rung],
    )


def vacant(rung: int, post: str, planned_at: datetime, role: str = "", level: int = 0) -> PostFoundVacant:
    return PostFoundVacant(
        duty=DUTY.duty,
        unit="village",
        rung=rung,
        level=level,
        role=role or post.rpartition("/")[2],
        vacant_unit=post.partition("/")[0],
        post=post,
        planned_at=planned_at,
    )


def exhausted(rung: int) -> EscalationExhausted:
    return EscalationExhausted(duty=DUTY.duty, unit="village", rung=rung)


def resolved(fulfilled_at: datetime, rung: int) -> EscalationResolved:
    return EscalationResolved(duty=DUTY.duty, unit="village", fulfilled_at=fulfilled_at, rung=rung)


WITHDRAWN_MISS = DutyMissWithdrawn(duty=DUTY.duty, unit="village", fulfilled_at=DUE, due_at=DUE)


def missed(made: Places | None = None) -> Story:
    """Return the story of a duty whose handler was just told that it is missed."""
    return given(made or a_village()).opened(DUTY).wakes_until(VERDICT)


class TestBeforeDue:
    def test_a_duty_that_nobody_opened_has_nothing_to_say(self) -> None:
        story = given(a_village()).wakes(DUE)
        story.then_nothing()
        assert story.watch.status is Status.UNKNOWN
        assert wake_at(story.watch) is None

    def test_opening_says_nothing_and_waits_for_the_first_reminder(self) -> None:
        story = given(a_village()).opened(DUTY).then()
        assert story.watch.status is Status.WATCHING
        assert story.watch.owner == REPORTING
        assert wake_at(story.watch) == at("2026-01-05 09:00")

    def test_a_duty_opened_twice_is_watched_once(self) -> None:
        given(a_village()).opened(DUTY).opened(DUTY).then_nothing()

    def test_a_duty_with_an_unknown_ladder_is_refused_loudly(self) -> None:
        with pytest.raises(KeyError):
            given(a_village()).opened(DUTY.model_copy(update={"policy": "nobody/1"}))

    def test_the_handler_is_reminded_at_each_moment_and_not_a_microsecond_before(self) -> None:
        story = given(a_village()).opened(DUTY)
        days_before = (20, 10, 5, 3)
        moments = [at(f"2026-01-{day} 09:00") for day in ("05", "19", "26", "28")]
        for days, moment, next_at in zip(days_before, moments, [*moments[1:], VERDICT], strict=True):
            story.wakes(moment - MICROSECOND).then_nothing()
            story.wakes(moment).then(
                ReminderFired(
                    duty=DUTY.duty,
                    unit="village",
                    days_before=days,
                    role="handler",
                    post="village/handler",
                    person="p-village/handler",
                    due_at=DUE,
                    planned_at=moment,
                    next_at=next_at,
                )
            )
            story.wakes(moment + MICROSECOND).then_nothing()
        assert wake_at(story.watch) == VERDICT

    def test_after_a_stop_only_the_latest_reminder_speaks_and_names_the_others(self) -> None:
        """Lesson 3, before due."""
        [fired] = of(ReminderFired, given(a_village()).opened(DUTY).wakes(at("2026-01-26 10:00")).facts)
        assert (fired.days_before, fired.superseded) == (5, (20, 10))

    @pytest.mark.parametrize("opened_at", ["2026-01-28 09:00", "2026-01-31 23:59"])
    def test_a_duty_opened_late_is_reminded_of_once_and_at_once(self, opened_at: str) -> None:
        story = given(a_village()).opened(DUTY, at(opened_at))
        assert wake_at(story.watch) == at(opened_at)
        story.wakes_until(DUE)
        assert [fired.days_before for fired in of(ReminderFired, story.said)] == [3]

    def test_nobody_is_called_late_for_what_was_planned_before_the_duty_was_opened(self) -> None:
        opened_at = at("2026-01-28 09:00")
        watch = given(a_village()).opened(DUTY, opened_at).watch
        assert watch.allowed_at(opened_at - MICROSECOND) == opened_at
        assert watch.allowed_at(opened_at + MICROSECOND) == opened_at + MICROSECOND

    def test_a_duty_opened_after_due_is_not_reminded_of_but_missed(self) -> None:
        story = given(a_village()).opened(DUTY, RUNG_1 - MICROSECOND)
        assert wake_at(story.watch) == RUNG_1 - MICROSECOND
        story.wakes(RUNG_1 - MICROSECOND).then(MISSED, raised(0, "village/handler", DUE))

    def test_a_duty_opened_at_the_due_moment_is_not_missed_yet(self) -> None:
        story = given(a_village()).opened(DUTY, DUE).wakes(DUE)
        assert story.watch.status is Status.WATCHING
        assert wake_at(story.watch) == VERDICT

    def test_reminders_that_a_stop_has_carried_past_due_leave_the_word_to_the_verdict(self) -> None:
        """The verdict has a gate of its own; a reminder's wake may not slip through it."""
        story = given(a_village()).opened(DUTY)
        assert not needs_owner(story.watch)
        story.wakes(RUNG_1).then()
        assert wake_at(story.watch) == VERDICT
        assert needs_owner(story.watch)

    def test_a_reminder_for_a_vacant_post_says_so(self) -> None:
        made = a_village().vacate("village/handler")
        [fired] = of(ReminderFired, given(made).opened(DUTY).wakes(at("2026-01-05 09:00")).facts)
        assert (fired.post, fired.person) == (None, None)

    def test_a_reminder_for_an_unknown_unit_is_not_swallowed(self) -> None:
        with pytest.raises(KeyError):
            given(Places(Tree())).opened(DUTY).wakes(at("2026-01-05 09:00"))


class TestTheVerdict:
    @pytest.mark.parametrize("early", [MICROSECOND, 2 * MICROSECOND], ids=["at due", "before due"])
    def test_nothing_is_missed_up_to_and_at_the_due_moment(self, early: timedelta) -> None:
        given(a_village()).opened(DUTY).wakes_until(DUE).wakes(VERDICT - early).then_nothing()

    def test_a_microsecond_after_due_the_duty_is_missed_and_its_handler_told(self) -> None:
        story = missed().then(MISSED, raised(0, "village/handler", DUE))
        assert story.watch.status is Status.CLIMBING
        story.wakes(VERDICT).then_nothing()

    @pytest.mark.parametrize(
        ("fulfilled_at", "status"),
        [
            (DUE - MICROSECOND, Status.FULFILLED),
            (DUE, Status.FULFILLED),
            (DUE + MICROSECOND, Status.RESOLVED),
        ],
        ids=["before due", "at due", "after due"],
    )
    def test_in_time_is_up_to_and_at_due(self, fulfilled_at: datetime, status: Status) -> None:
        story = given(a_village()).opened(DUTY).fulfilled(fulfilled_at, heard_at=DUE + timedelta(seconds=1))
        assert story.watch.status is status
        story.wakes(RUNG_3).then_nothing()

    def test_fulfilled_in_time_ends_in_silence(self) -> None:
        story = given(a_village()).opened(DUTY).fulfilled(DUE, heard_at=DUE).then()
        assert wake_at(story.watch) is None

    def test_late_before_anybody_said_missed_is_missed_and_resolved_without_a_rung(self) -> None:
        given(a_village()).opened(DUTY).fulfilled(VERDICT, heard_at=VERDICT).then(
            MISSED, resolved(VERDICT, -1)
        )

    @pytest.mark.parametrize(("said", "status"), [(0, Status.FULFILLED), (1, Status.RESOLVED)])
    def test_a_fulfilment_heard_before_the_opening_waits_for_it(self, said: int, status: Status) -> None:
        fulfilled_at = DUE + said * MICROSECOND
        story = given(a_village()).fulfilled(fulfilled_at, heard_at=RUNG_1).then()
        assert story.watch.status is Status.UNKNOWN
        story.fulfilled(fulfilled_at, heard_at=RUNG_1).then_nothing()
        story.opened(DUTY, RUNG_1).then(*([MISSED, resolved(fulfilled_at, -1)] * said))
        assert story.watch.status is status
        assert wake_at(story.watch) is None


class TestTheClimb:
    def test_a_rung_said_before_facts_told_when_the_climb_goes_on_does_not_end_it(self) -> None:
        """Such facts come back from the topics without the private one that stood beside them."""
        watch = given(a_village()).opened(DUTY).wakes_until(DUE).watch
        older = raised(0, "village/handler", DUE).model_copy(update={"next_at": None})
        assert wake_at(evolve(watch, older)) == VERDICT

    def test_the_matter_climbs_from_the_village_to_the_province_on_both_lines(self) -> None:
        story = missed()
        told = [["village/leader_in_charge"], ["village/head"]]
        told += [
            [f"{unit}/head", f"{unit}-dc/discipline_head"] for unit in ("town", "county", "city", "province")
        ]
        moments = (RUNG_1, RUNG_2, RUNG_3, RUNG_4, RUNG_5, RUNG_6)
        for k, (moment, posts) in enumerate(zip(moments, told, strict=True), start=1):
            story.wakes(moment - MICROSECOND).then_nothing()
            story.wakes(moment).then_told(*posts)
            assert {(f.rung, f.level, f.planned_at) for f in of(EscalationRaised, story.facts)} == {
                (k, max(0, k - 2), moment)
            }
        story.wakes(RUNG_7 - MICROSECOND).then_nothing()
        story.wakes(RUNG_7).then(exhausted(6))
        assert story.watch.status is Status.EXHAUSTED
        assert wake_at(story.watch) is None
        story.wakes(RUNG_7 + timedelta(days=365)).then_nothing()

    def test_f2_a_unit_moved_under_another_parent_climbs_to_its_new_superior(self) -> None:
        made = a_village().level("harbour", "county")
        story = missed(made).wakes_until(RUNG_2)
        made.move("village", "harbour").move("village-dc", "harbour-dc")
        story.wakes(RUNG_3).then_told("harbour/head", "harbour-dc/discipline_head")
        story.wakes(RUNG_4).then_told("county/head", "county-dc/discipline_head")

    def test_f4_seven_levels_of_mixed_kinds_are_climbed_to_the_root(self) -> None:
        kinds = {
            "state": "party_committee",
            "bank": "enterprise",
            "branch": "bank_branch",
            "subbranch": "bank_branch",
            "department": "department",
            "office": "second_level_unit",
            "village": "community",
        }
        made, parent = Places(), None
        for unit, kind in kinds.items():
            made.level(unit, parent, kind)
            parent = unit
        story = missed(made).wakes_until(at("2026-12-31 09:00"))
        raisings = of(EscalationRaised, story.said)
        assert [f.post for f in raisings if f.post.endswith("/head")] == [
            f"{unit}/head" for unit in reversed(kinds)
        ]
        assert max(f.level for f in raisings) == 6
        assert story.said[-1] == exhausted(8)

    def test_where_one_line_has_no_superior_only_the_other_speaks(self) -> None:
        made = a_village().place("town-dc", None, same_level="town")
        story = missed(made).wakes_until(RUNG_3).then_told("town/head", "town-dc/discipline_head")
        story.wakes(RUNG_4).then(raised(4, "county/head", RUNG_4, role="superior(2).head", level=2))

    def test_a_post_that_two_roles_lead_to_is_told_once(self) -> None:
        made = a_village().place("village", "county-dc")
        made.place("village-dc", "county-dc", same_level="village")
        missed(made).wakes_until(RUNG_3).then_told("county-dc/discipline_head")

    def test_an_unknown_superior_is_not_swallowed(self) -> None:
        made = Places().level("village", "nowhere")
        story = missed(made).wakes_until(RUNG_2)
        with pytest.raises(KeyError):
            story.wakes(RUNG_3)


class TestVacancy:
    """Lesson 8: a rung that finds nobody speaks to the next above at once, and says so."""

    def test_lesson_8_a_vacant_post_is_said_and_the_next_rung_speaks_at_once_and_only_once(self) -> None:
        story = missed(a_village().vacate("village/leader_in_charge")).wakes(RUNG_1)
        story.then(vacant(1, "village/leader_in_charge", RUNG_1), raised(2, "village/head", RUNG_1))
        story.wakes(RUNG_2).then_nothing()
        story.wakes(RUNG_3).then_told("town/head", "town-dc/discipline_head")

    def test_a_post_that_does_not_exist_is_vacant_too(self) -> None:
        made = places("town")
        made.place("village", "town").place("village-dc", "town-dc", same_level="village").seat(
            "village", "head"
        )
        [found, *_] = of(PostFoundVacant, given(made).opened(DUTY).wakes_until(VERDICT).facts)
        assert (found.role, found.vacant_unit, found.post) == ("handler", "village", None)

    def test_a_role_of_its_own_level_that_no_unit_bears_is_vacant_and_not_above_the_root(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        policy = Policy("peer", 1, rungs=(Rung(0, ("discipline_head",)), Rung(1, ("head",))))
        monkeypatch.setitem(POLICIES, policy.id, policy)
        made = Places().place("village", None).seat("village", "head")
        story = given(made).opened(DUTY.model_copy(update={"policy": policy.id})).wakes_until(VERDICT)
        [found] = of(PostFoundVacant, story.facts)
        assert (found.vacant_unit, found.post) == ("village", None)
        story.then_told("village/head")

    def test_a_post_is_vacant_from_the_end_of_its_tenure(self) -> None:
        made = a_village().vacate("village/leader_in_charge", until_at=RUNG_1)
        missed(made).wakes(RUNG_1).then_told("village/head")
        made = a_village().vacate("village/leader_in_charge", until_at=RUNG_1 + MICROSECOND)
        missed(made).wakes(RUNG_1).then_told("village/leader_in_charge")

    def test_where_one_of_two_is_vacant_the_other_is_told_and_the_ladder_keeps_its_pace(self) -> None:
        story = missed(a_village().vacate("town/head")).wakes_until(RUNG_3)
        story.then(
            vacant(3, "town/head", RUNG_3, role="superior.head", level=1),
            raised(3, "town-dc/discipline_head", RUNG_3, role="superior.discipline_head", level=1),
        )
        assert wake_at(story.watch) == RUNG_4

    def test_where_nobody_is_left_above_the_climb_is_exhausted_at_once(self) -> None:
        made = places("town", "village").vacate("town/head").vacate("town-dc/discipline_head")
        story = missed(made).wakes_until(RUNG_3)
        assert [type(fact) for fact in story.facts] == [PostFoundVacant, PostFoundVacant, EscalationExhausted]
        assert story.watch.status is Status.EXHAUSTED

    def test_a_directory_without_anybody_is_exhausted_with_the_verdict_and_can_still_be_withdrawn(
        self,
    ) -> None:
        made = Places().place("village", None).place("village-dc", None, same_level="village")
        story = given(made).opened(DUTY).wakes_until(VERDICT)
        assert [type(fact) for fact in story.facts] == [
            DutyMissed,
            *[PostFoundVacant] * 3,
            EscalationExhausted,
        ]
        story.fulfilled(DUE, heard_at=RUNG_1)
        story.then(WITHDRAWN_MISS, EscalationWithdrawn(duty=DUTY.duty, unit="village", rung=-1))


class TestAfterAStop:
    """Lesson 3: threshold passed and not fired; only the highest speaks."""

    def test_lesson_3_a_stop_of_ten_days_across_three_rungs_is_one_message_and_three_records(self) -> None:
        story = given(a_village()).opened(DUTY).wakes_until(RUNG_2 - timedelta(days=10))
        story.wakes(RUNG_2).wakes(RUNG_2)
        story.then(MISSED, raised(2, "village/head", RUNG_2, 0, 1))
        story.wakes(RUNG_2).then_nothing()
        story.wakes(RUNG_3).then_told("town/head", "town-dc/discipline_head")

    def test_a_rung_that_found_nobody_is_not_superseded_but_vacant(self) -> None:
        made = a_village().vacate("village/head")
        story = missed(made).wakes(RUNG_2)
        story.then(
            vacant(2, "village/head", RUNG_2),
            raised(3, "town/head", RUNG_2, 1, role="superior.head", level=1),
            raised(3, "town-dc/discipline_head", RUNG_2, 1, role="superior.discipline_head", level=1),
        )

    def test_where_nobody_is_left_above_the_highest_passed_rung_below_speaks_after_all(self) -> None:
        made = (
            places("town", "village")
            .vacate("town/head")
            .vacate("town-dc/discipline_head")
            .vacate("village/head")
        )
        story = missed(made).wakes(RUNG_3)
        [told] = of(EscalationRaised, story.facts)
        assert (told.rung, told.post, told.planned_at, told.superseded) == (
            1,
            "village/leader_in_charge",
            RUNG_1,
            (),
        )
        assert {fact.rung for fact in of(PostFoundVacant, story.facts)} == {2, 3}
        assert story.facts[-1] == exhausted(3)
        story.wakes(RUNG_7).then_nothing()

    def test_a_stop_longer_than_the_ladder_still_tells_the_top(self) -> None:
        story = missed(places("town", "village")).wakes(at("2027-06-01 09:00"))
        story.then(
            raised(3, "town/head", RUNG_3, 1, 2, role="superior.head", level=1, is_last=True),
            raised(
                3,
                "town-dc/discipline_head",
                RUNG_3,
                1,
                2,
                role="superior.discipline_head",
                level=1,
                is_last=True,
            ),
            exhausted(3),
        )

    def test_the_gate_is_the_moment_of_the_rung_that_would_speak(self) -> None:
        """An owner heard only up to the lowest passed rung may have said since that the duty is done."""
        story = given(a_village()).opened(DUTY).wakes_until(DUE)
        gates = [
            gate_at(story.watch, now, story.workdays)
            for now in (VERDICT, RUNG_1 - MICROSECOND, RUNG_1, RUNG_3)
        ]
        assert gates == [DUE, DUE, RUNG_1, RUNG_3]
        assert gate_at(missed().watch, RUNG_2, story.workdays) == RUNG_2

    def test_a_reminder_has_no_gate(self) -> None:
        story = given(a_village()).opened(DUTY)
        assert gate_at(story.watch, at("2026-01-05 09:00"), story.workdays) is None


class TestTakingNote:
    def test_taking_note_holds_the_climb_for_two_working_days(self) -> None:
        story = missed().when(TAKES_NOTE, at("2026-02-01 12:00"))
        story.then(
            EscalationAcknowledged(
                duty=DUTY.duty,
                unit="village",
                rung=0,
                post="village/handler",
                person="p-village/handler",
                held_until=at("2026-02-03 09:00"),
            )
        )
        story.wakes(RUNG_1).then_nothing()
        story.wakes(at("2026-02-03 09:00") - MICROSECOND).then_nothing()
        story.wakes(at("2026-02-03 09:00")).then_told("village/leader_in_charge")
        story.wakes(at("2026-02-05 09:00")).then_told("village/head")
        story.wakes(at("2026-02-09 09:00")).then_told("town/head", "town-dc/discipline_head")

    def test_taking_note_while_the_next_rung_is_far_puts_nothing_off(self) -> None:
        story = missed().wakes_until(RUNG_3).when(Acknowledge("town/head", "p-town/head"), RUNG_3)
        [taken] = of(EscalationAcknowledged, story.facts)
        assert taken.held_until == at("2026-02-10 09:00")
        assert wake_at(story.watch) == RUNG_4

    def test_a_later_note_does_not_take_back_what_an_earlier_one_has_put_off(self) -> None:
        story = missed().when(TAKES_NOTE, at("2026-02-01 12:00")).wakes_until(at("2026-02-09 09:00"))
        story.when(Acknowledge("town/head", "p-town/head"), at("2026-02-09 10:00"))
        assert wake_at(story.watch) == at("2026-02-14 09:00")

    def test_a_day_held_begins_with_its_midnight(self) -> None:
        story = missed().when(TAKES_NOTE, at("2026-02-02 00:00"))
        [taken] = of(EscalationAcknowledged, story.facts)
        assert taken.held_until == at("2026-02-04 09:00")

    def test_lesson_1_taking_note_makes_what_was_queued_before_void(self) -> None:
        story = missed()
        [queued] = of(EscalationRaised, story.facts)
        assert is_still_true(story.watch, queued)
        assert not is_still_true(story.when(TAKES_NOTE, RUNG_1 - MICROSECOND).watch, queued)

    def test_taking_note_again_of_the_same_rung_changes_nothing(self) -> None:
        story = missed().wakes_until(RUNG_3)
        story.when(Acknowledge("town/head", "p-town/head"), RUNG_3)
        story.when(Acknowledge("town/head", "p-town/head"), RUNG_3 + timedelta(days=1)).then_nothing()
        other = Acknowledge("town-dc/discipline_head", "p-town-dc/discipline_head")
        story.when(other, RUNG_3 + timedelta(days=1)).then_nothing()

    def test_each_rung_holds_once_even_after_the_next_has_spoken(self) -> None:
        story = missed().wakes_until(RUNG_1).when(TAKES_NOTE, RUNG_1)
        assert wake_at(story.watch) == RUNG_2
        story.when(Acknowledge("village/leader_in_charge", "somebody"), at("2026-02-03 10:00"))
        assert wake_at(story.watch) == at("2026-02-05 09:00")

    def test_who_was_not_told_cannot_take_note(self) -> None:
        missed().when(Acknowledge("town/head", "p-town/head"), RUNG_1).then_refused("not_told")

    def test_where_nothing_climbs_there_is_nothing_to_take_note_of(self) -> None:
        story = given(a_village())
        story.when(TAKES_NOTE, DUE).then_refused("nothing_to_acknowledge")
        story.opened(DUTY).when(TAKES_NOTE, DUE).then_refused("nothing_to_acknowledge")
        story.wakes_until(RUNG_7).when(TAKES_NOTE, RUNG_7).then_refused("nothing_to_acknowledge")
        story.fulfilled(RUNG_7, heard_at=RUNG_7).when(TAKES_NOTE, RUNG_7).then_refused(
            "nothing_to_acknowledge"
        )


class TestTheEnd:
    @pytest.mark.parametrize(("until", "rung"), [(VERDICT, 0), (RUNG_1, 1), (RUNG_7, 6)])
    def test_late_ends_the_climb_with_the_highest_rung_that_had_spoken(
        self, until: datetime, rung: int
    ) -> None:
        story = missed().wakes_until(until).fulfilled(VERDICT, heard_at=until).then(resolved(VERDICT, rung))
        assert story.watch.status is Status.RESOLVED
        assert wake_at(story.watch) is None

    @pytest.mark.parametrize(("until", "rung"), [(VERDICT, 0), (RUNG_1, 1), (RUNG_7, 6)])
    def test_in_time_but_heard_after_the_verdict_withdraws_it_exactly_once(
        self, until: datetime, rung: int
    ) -> None:
        story = missed().wakes_until(until).fulfilled(DUE, heard_at=until)
        story.then(WITHDRAWN_MISS, EscalationWithdrawn(duty=DUTY.duty, unit="village", rung=rung))
        assert story.watch.status is Status.WITHDRAWN
        story.fulfilled(DUE, heard_at=until).then_nothing()
        story.wakes(RUNG_7).then_nothing()

    @pytest.mark.parametrize("fulfilled_at", [DUE, VERDICT], ids=["in time", "late"])
    def test_a_duty_ends_once(self, fulfilled_at: datetime) -> None:
        story = given(a_village()).opened(DUTY).fulfilled(fulfilled_at, heard_at=VERDICT)
        for again in (fulfilled_at, DUE, RUNG_1):
            story.fulfilled(again, heard_at=RUNG_1).then_nothing()
        story.opened(DUTY).then_nothing()

    def test_an_end_makes_what_was_queued_before_void(self) -> None:
        story = missed()
        [queued] = of(EscalationRaised, story.facts)
        assert not is_still_true(story.fulfilled(VERDICT, heard_at=RUNG_1).watch, queued)


@dataclass(frozen=True)
class Closed:
    """The published days, and a week that is closed beside them."""

    covered_until: date = date(2026, 12, 31)

    def is_working(self, day: date) -> bool:
        return day.isocalendar().week != 6 and ChineseWorkdays().is_working(day)


def test_lesson_7_a_rung_is_not_early_when_the_calendar_has_grown_since_it_was_planned() -> None:
    story = missed()
    story.workdays = Calendar(Closed())
    story.wakes(RUNG_1).then()
    assert story.facts == [WatchMoved(duty=DUTY.duty, next_at=at("2026-02-09 09:00"), delay=0)]
    story.wakes(at("2026-02-09 09:00") - MICROSECOND).then_nothing()
    story.wakes(at("2026-02-09 09:00")).then_told("village/leader_in_charge")


def test_a_fact_that_is_no_part_of_the_story_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="duty-opened"):
        evolve(missed().watch, DUTY)
