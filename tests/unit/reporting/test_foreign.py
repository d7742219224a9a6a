"""What of a foreign system's wishes is let in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.duties import OURS, POLICIES, DutyFulfilled, DutyOpened, DutyRefused, Line
from contracts.duties_in import DutyBrought
from contracts.refusal import Refusal
from contracts.reports import ReportFiled
from services.reporting.domain import decide as rule
from services.reporting.domain.foreign import (
    FOREIGN,
    HORIZON,
    LONGEST,
    BringDuty,
    FinishDuty,
    ForeignDuty,
    Found,
    find,
    owner_of,
)
from services.reporting.domain.model import FACTS, FileReport, State, initial, view, wake_at
from shared.decider import Decider
from shared.state import Shape
from shared.testing.given import Given, Scene
from tests.support.reminders import Places, a_village

NOW = datetime(2026, 3, 2, 1, 15, tzinfo=UTC)
DUE = datetime(2026, 3, 31, 16, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DUTY = "training.lesson-1"
WISH = DutyBrought(
    duty=DUTY, unit="v", kind="lesson", line=Line.MAIN, recipient="t", period="2026-Q1", due_at=DUE
)
BRING = BringDuty(WISH, ("lesson",), Found.OPEN, is_recipient_known=True)
FINISH = FinishDuty(DUTY, "v", ("lesson",), Found.OPEN)
OPENED = DutyOpened(
    duty=DUTY,
    unit="v",
    kind="lesson",
    line=Line.MAIN,
    recipient="t",
    period="2026-Q1",
    due_at=DUE,
    policy="standard/1",
    occurrence=DUTY,
    received_at=NOW,
)
SHAPE: Shape[State] = Shape(
    initial=initial, evolve=rule.evolve, adapter=TypeAdapter(State), facts=FACTS, wake_at=wake_at, view=view
)
SCENE = Scene(Decider(rule.decide, SHAPE), FOREIGN + DUTY)
NEVER_HEARD_OF, OPEN = SCENE.given(), SCENE.given(OPENED)


def brought(**changes: Any) -> BringDuty:
    """Return the wish with other content."""
    return replace(BRING, wish=WISH.model_copy(update=changes))


def done(at: datetime = NOW) -> DutyFulfilled:
    return DutyFulfilled(duty=DUTY, unit="v", fulfilled_at=at)


WISHES: list[BringDuty | FinishDuty] = [BRING, FINISH, brought(title="x"), replace(BRING, kinds=())]


class TestBringing:
    def test_a_duty_that_is_brought_is_opened_and_bears_the_moment_of_its_receipt(self) -> None:
        NEVER_HEARD_OF.when(BRING, at=NOW).then(OPENED)

    def test_what_it_is_part_of_and_what_it_is_called_are_passed_on(self) -> None:
        given = {"occurrence": "lesson-2026-03", "title": "廉政教育课", "policy": "rectification/1"}

        NEVER_HEARD_OF.when(brought(**given), at=NOW).then(OPENED.model_copy(update=given))

    def test_the_same_duty_again_changes_nothing_however_late(self) -> None:
        for moment in (NOW, NOW + MICROSECOND, DUE, DUE + timedelta(days=400)):
            OPEN.when(BRING, at=moment).then_nothing()

    def test_the_same_duty_again_changes_nothing_even_if_its_unit_was_closed_or_it_is_done(self) -> None:
        OPEN.when(replace(BRING, unit=Found.CLOSED, is_recipient_known=False), at=NOW).then_nothing()
        SCENE.given(OPENED, done()).when(BRING, at=NOW).then_nothing()

    def test_the_same_moment_in_another_zone_is_the_same_content(self) -> None:
        elsewhere = datetime.fromisoformat("2026-04-01T00:00:00+08:00")

        OPEN.when(brought(due_at=elsewhere), at=NOW).then_nothing()

    @pytest.mark.parametrize(
        "change",
        [
            {"unit": "w"},
            {"line": Line.SUPERVISION},
            {"recipient": "c"},
            {"period": "2026-Q2"},
            {"due_at": DUE + MICROSECOND},
            {"policy": "verification/1"},
            {"occurrence": "other"},
            {"title": "other"},
        ],
    )
    def test_the_same_duty_with_other_content_is_refused(self, change: dict[str, Any]) -> None:
        OPEN.when(brought(**change), at=NOW).then_refused("opened_otherwise")

    def test_a_due_moment_must_lie_ahead_when_the_wish_is_received(self) -> None:
        NEVER_HEARD_OF.when(BRING, at=DUE - MICROSECOND).then(
            OPENED.model_copy(update={"received_at": DUE - MICROSECOND})
        )
        NEVER_HEARD_OF.when(BRING, at=DUE).then_refused("due_in_past")
        NEVER_HEARD_OF.when(BRING, at=DUE + MICROSECOND).then_refused("due_in_past")

    def test_nothing_is_due_further_ahead_than_calendars_reach(self) -> None:
        last = NOW + HORIZON

        NEVER_HEARD_OF.when(brought(due_at=last), at=NOW).then(OPENED.model_copy(update={"due_at": last}))
        NEVER_HEARD_OF.when(brought(due_at=last + MICROSECOND), at=NOW).then_refused("due_too_far")
        end = datetime.max.replace(tzinfo=UTC)
        NEVER_HEARD_OF.when(brought(due_at=end), at=NOW).then_refused("due_too_far")

    def test_a_token_brings_only_the_kinds_that_it_grants(self) -> None:
        for kinds in ((), ("drill",), ("lessons",), ("less",)):
            NEVER_HEARD_OF.when(replace(BRING, kinds=kinds), at=NOW).then_refused("not_allowed")
            OPEN.when(replace(BRING, kinds=kinds), at=NOW).then_refused("not_allowed")
        NEVER_HEARD_OF.when(replace(BRING, kinds=("drill", "lesson")), at=NOW).then(OPENED)

    @pytest.mark.parametrize(
        ("command", "word"),
        [
            (replace(BRING, unit=Found.OUTSIDE), "unknown_unit"),
            (replace(BRING, unit=Found.CLOSED), "unit_closed"),
            (replace(BRING, is_recipient_known=False), "unknown_recipient"),
            (brought(policy="standard/2"), "unknown_policy"),
            (brought(policy=""), "unknown_policy"),
            (brought(period=""), "bad_text"),
            (brought(period=" "), "bad_text"),
        ],
    )
    def test_what_nobody_could_watch_is_refused(self, command: BringDuty, word: str) -> None:
        NEVER_HEARD_OF.when(command, at=NOW).then_refused(word)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_every_ladder_that_there_is_may_be_named(self, policy: str) -> None:
        NEVER_HEARD_OF.when(brought(policy=policy), at=NOW).then(OPENED.model_copy(update={"policy": policy}))

    @pytest.mark.parametrize(("name", "most"), LONGEST.items())
    def test_a_text_may_be_just_so_long(self, name: str, most: int) -> None:
        longest = {name: "报" * most}

        NEVER_HEARD_OF.when(brought(**longest), at=NOW).then(OPENED.model_copy(update=longest))
        NEVER_HEARD_OF.when(brought(**{name: "报" * (most + 1)}), at=NOW).then_refused("bad_text")


class TestFinishing:
    def test_a_duty_is_done_when_its_owner_says_so(self) -> None:
        OPEN.when(FINISH, at=NOW).then(done())
        OPEN.when(replace(FINISH, done_at=NOW - timedelta(days=1)), at=NOW).then(
            done(NOW - timedelta(days=1))
        )

    def test_a_duty_done_long_before_it_was_brought_is_done(self) -> None:
        long_ago = NOW - timedelta(days=900)

        OPEN.when(replace(FINISH, done_at=long_ago), at=NOW).then(done(long_ago))

    def test_it_is_not_done_after_its_receipt(self) -> None:
        OPEN.when(replace(FINISH, done_at=NOW), at=NOW).then(done())
        OPEN.when(replace(FINISH, done_at=NOW + MICROSECOND), at=NOW).then_refused("done_in_future")

    def test_the_first_date_stays_however_often_it_is_finished(self) -> None:
        finished = SCENE.given(OPENED, done())

        for done_at in (None, NOW - MICROSECOND, NOW, NOW + timedelta(days=9)):
            finished.when(replace(FINISH, done_at=done_at), at=NOW + MICROSECOND).then_nothing()

    def test_what_was_not_brought_cannot_be_finished_and_what_follows_is_as_if_nobody_had_tried(self) -> None:
        NEVER_HEARD_OF.when(FINISH, at=NOW).then_refused("unknown_duty").given().when(BRING, at=NOW).then(
            OPENED
        ).given().when(FINISH, at=NOW).then(done())

    def test_a_duty_of_a_closed_unit_can_still_be_finished(self) -> None:
        OPEN.when(replace(FINISH, found=Found.CLOSED), at=NOW).then(done())

    @pytest.mark.parametrize(
        ("command", "word"),
        [
            (replace(FINISH, kinds=("drill",)), "not_allowed"),
            (replace(FINISH, found=Found.OUTSIDE), "unknown_unit"),
            (replace(FINISH, unit="w"), "opened_otherwise"),
        ],
    )
    def test_a_token_finishes_only_what_it_may_bring(self, command: FinishDuty, word: str) -> None:
        OPEN.when(command, at=NOW).then_refused(word)


class TestARefusal:
    @pytest.mark.parametrize(
        ("given", "command", "word"),
        [
            (NEVER_HEARD_OF, replace(BRING, kinds=()), "not_allowed"),
            (OPEN, brought(title="other"), "opened_otherwise"),
            (NEVER_HEARD_OF, FINISH, "unknown_duty"),
            (OPEN, replace(FINISH, done_at=DUE), "done_in_future"),
        ],
    )
    def test_of_a_record_is_said_and_changes_nothing(
        self, given: Given[State], command: BringDuty | FinishDuty, word: str
    ) -> None:
        decided = given.when(replace(command, record="e-1"), at=NOW)

        decided.then(DutyRefused(duty=DUTY, unit="v", word=word, request="e-1"))
        assert decided.state == given.state

    def test_of_a_request_is_an_answer_and_no_fact(self) -> None:
        NEVER_HEARD_OF.when(FINISH, at=NOW).then_refused("unknown_duty")

    def test_of_a_record_that_wishes_what_is_already_so_is_none(self) -> None:
        OPEN.when(replace(BRING, record="e-1"), at=NOW).then_nothing()

    def test_has_reasons_in_both_languages(self) -> None:
        commands: list[BringDuty | FinishDuty] = [
            replace(BRING, kinds=()),
            replace(BRING, unit=Found.OUTSIDE),
            replace(BRING, unit=Found.CLOSED),
            replace(BRING, is_recipient_known=False),
            brought(policy=""),
            brought(period=""),
            brought(due_at=NOW),
            brought(due_at=NOW + 2 * HORIZON),
            FINISH,
        ]
        decisions = [rule.decide(NEVER_HEARD_OF.state, command, NOW) for command in commands]
        decisions += [
            rule.decide(OPEN.state, command, NOW)
            for command in (brought(title="x"), replace(FINISH, done_at=DUE))
        ]

        refusals = [one for one in decisions if isinstance(one, Refusal)]
        assert len({refusal.word for refusal in refusals}) == len(decisions)
        for refusal in refusals:
            assert refusal.reason.isascii()
            assert not refusal.reason_zh.isascii()


class TestTheIdOfADuty:
    @pytest.mark.parametrize(
        ("duty", "owner"),
        [
            ("training.lesson-1", "training"),
            ("a.1", "a"),
            ("Office_7.2026.Q1_x-9", "Office_7"),
            (f"{'a' * 64}.{'b' * 128}", "a" * 64),
        ],
    )
    def test_names_its_owner_up_to_the_first_dot(self, duty: str, owner: str) -> None:
        assert owner_of(duty) == owner

    @pytest.mark.parametrize(
        "duty",
        [
            "",
            "training",
            "training.",
            ".lesson",
            "-training.lesson",
            "training..lesson",
            "training.-lesson",
            "training.lesson 1",
            "training.lesson/2",
            "training.lesson#1",
            "training.lesson?x",
            "training.lesson%20",
            "training.lesson\n",
            "培训.lesson",
            "training.课",
            "train@ing.lesson",
            "training.lesson@town",
            "2025.main-responsibility.330305@3303",
            "foreign:training.lesson",
            f"{'a' * 65}.b",
            f"a.{'b' * 129}",
        ],
    )
    def test_is_refused_if_it_could_be_anothers_or_cannot_stand_in_an_address(self, duty: str) -> None:
        assert owner_of(duty) is None

    @settings(max_examples=200, deadline=None)
    @given(st.from_regex(r"[A-Za-z0-9_.@-]{1,20}", fullmatch=True), st.text(max_size=10))
    def test_has_one_owner_at_most_and_is_never_that_of_a_report(self, sub: str, own: str) -> None:
        duty = f"{sub}.{own}"
        assert owner_of(duty) in {None, duty.partition(".")[0]}
        assert owner_of(duty) is None or "@" not in duty


class TestTheTree:
    def test_tells_what_is_open_closed_or_outside_the_subtree(self) -> None:
        made: Places = a_village()
        made.level("other-town", "county")
        made.tree.units["other-town"].is_closed = True

        assert find(made.tree, "village", "town") is Found.OPEN
        assert find(made.tree, "village-dc", "town") is Found.OPEN
        assert find(made.tree, "town", "town") is Found.OPEN
        assert find(made.tree, "county", "town") is Found.OUTSIDE
        assert find(made.tree, "nowhere", "town") is Found.OUTSIDE
        assert find(made.tree, "village", "nowhere") is Found.OUTSIDE
        assert find(made.tree, "other-town", "county") is Found.CLOSED
        assert find(made.tree, "other-town", "town") is Found.OUTSIDE


class TestTheState:
    def test_is_kept_and_read_back(self) -> None:
        for state in (NEVER_HEARD_OF.state, OPEN.state, SCENE.given(OPENED, done()).state):
            assert isinstance(state, ForeignDuty)
            assert SHAPE.adapter.validate_json(SHAPE.adapter.dump_json(state)) == state

    def test_never_wakes_and_is_no_report_to_be_found(self) -> None:
        assert wake_at(OPEN.state) is None
        assert view(OPEN.state) == {}

    def test_takes_nothing_that_is_not_about_it(self) -> None:
        filed = ReportFiled(report="r", unit="v", period="2025", recipients=(), filed_at=NOW)
        with pytest.raises(TypeError):
            rule.evolve(OPEN.state, filed)
        with pytest.raises(TypeError):
            rule.decide(OPEN.state, FileReport(), NOW)
        with pytest.raises(TypeError):
            rule.decide(initial("2025.x.v"), BRING, NOW)
        with pytest.raises(ValueError, match="not for the stream"):
            rule.decide(OPEN.state, brought(duty="training.other"), NOW)

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.sampled_from([BRING, FINISH, brought(title="x"), replace(BRING, kinds=())]), max_size=8)
    )
    def test_a_duty_is_opened_once_and_done_once_whatever_is_wished(self, commands: list[Any]) -> None:
        state, facts = NEVER_HEARD_OF.state, []
        for n, command in enumerate(commands):
            asked = replace(command, record=f"e-{n}")
            then = Given(SCENE.decider, state).when(asked, at=NOW + n * MICROSECOND)
            facts += list(then.decided)
            state = then.state
        kinds = [type(fact) for fact in facts if not isinstance(fact, DutyRefused)]
        assert kinds in ([], [DutyOpened], [DutyOpened, DutyFulfilled])


@pytest.mark.parametrize("word", OURS)
def test_no_foreign_system_owns_a_name_of_our_own_duties(word: str) -> None:
    assert owner_of(f"{word}.330305001.special.1.1.1") is None
    assert owner_of(f"{word}s.330305001") == f"{word}s"
