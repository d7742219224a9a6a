"""Three different misses of one unit within a window propose a special inspection, once (mission I4)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from contracts.inspections import Evidence, InspectionProposed, ProposalExtended, ProposalWithdrawn
from services.inspection.domain.decide import decide
from services.inspection.domain.dossier import Dossier, Status, view
from services.inspection.domain.model import (
    CloseInspection,
    Command,
    DismissProposal,
    MissForgotten,
    MissNoted,
    NoteMiss,
    OpenInspection,
    WithdrawMiss,
)
from services.inspection.domain.trigger import MISSED_THREE, carrying
from tests.support.inspections import (
    DAY,
    DUE,
    FIRST,
    INSPECTOR,
    MICROSECOND,
    NOW,
    UNIT,
    WINDOW,
    a_miss,
    after,
    decided,
    given,
    proposed,
    published,
    the_inspection,
)

SECOND = f"{UNIT}.special.2"
ONE, TWO, THREE, FOUR, FIVE, SIX = (a_miss(n) for n in range(6))


def noted(*misses: Evidence, state: Dossier | None = None) -> Dossier:
    return after(*(NoteMiss(miss) for miss in misses), state=state)


def withdrawn(miss: Evidence) -> WithdrawMiss:
    return WithdrawMiss(miss.duty, miss.due_at)


def a_proposal(*evidence: Evidence, inspection: str = FIRST) -> InspectionProposed:
    return InspectionProposed(
        inspection=inspection, unit=UNIT, kind="special", rule="missed-three/1", evidence=evidence
    )


class TestWhatIsProposed:
    def test_i4_the_third_different_miss_proposes_an_inspection_with_the_facts_that_caused_it(self) -> None:
        assert published(noted(ONE), NoteMiss(TWO)) == []
        assert published(noted(ONE, TWO), NoteMiss(THREE)) == [a_proposal(ONE, TWO, THREE)]

    def test_a_miss_is_noted_with_the_moment_up_to_which_others_are_too_old(self) -> None:
        miss = MissNoted(unit=UNIT, miss=ONE, since=ONE.due_at - WINDOW)
        given().when(NoteMiss(ONE), at=NOW).then(miss)

    def test_i4_one_report_to_two_recipients_is_one_and_both_are_evidence(self) -> None:
        report = [a_miss(n, occurrence="2025.main.village", period="2025") for n in (10, 11)]
        dossier = noted(*report, ONE)

        assert dossier.pending is None
        assert published(dossier, NoteMiss(TWO)) == [a_proposal(*report, ONE, TWO)]

    def test_i4_three_periods_of_the_same_obligation_are_three(self) -> None:
        *earlier, last = (a_miss(n, occurrence="lesson", period=f"2026-0{n}") for n in (1, 2, 3))

        assert published(noted(*earlier), NoteMiss(last)) == [a_proposal(*earlier, last)]

    @pytest.mark.parametrize(
        ("apart", "is_proposed"),
        [(WINDOW - MICROSECOND, True), (WINDOW, False), (WINDOW + MICROSECOND, False)],
        ids=["a microsecond less than the window", "the window", "a microsecond more"],
    )
    def test_the_first_and_the_last_lie_in_one_window(self, apart: timedelta, is_proposed: bool) -> None:
        first, last = a_miss(1, due_at=DUE), a_miss(3, due_at=DUE + apart)
        between = a_miss(2, due_at=DUE + 9 * DAY)

        assert bool(published(noted(first, between), NoteMiss(last))) is is_proposed
        assert bool(carrying([first, between, last], MISSED_THREE)) is is_proposed

    def test_a_window_of_its_own_is_data(self) -> None:
        two_in_a_day = replace(MISSED_THREE, misses=2, window=DAY + MICROSECOND, name="two", version=7)

        [_, fact] = decided_by(noted(ONE), TWO, two_in_a_day)

        assert isinstance(fact, InspectionProposed)
        assert fact.rule == "two/7"

    def test_the_latest_window_that_carries_is_the_evidence(self) -> None:
        early = [a_miss(n, due_at=DUE - 2 * WINDOW + n * DAY) for n in range(3)]

        assert carrying([*early, ONE, TWO], MISSED_THREE) == tuple(early)
        assert carrying([*early, ONE, TWO, THREE], MISSED_THREE) == (ONE, TWO, THREE)
        assert carrying([], MISSED_THREE) == ()

    def test_only_a_dossier_with_an_inspection_is_found_by_queries(self) -> None:
        assert view(noted(ONE, TWO)) == {}
        assert view(proposed()) == {"unit": UNIT, "is_pending": True}


def decided_by(state: Dossier, miss: Evidence, trigger: object) -> list[object]:
    facts = decide(state, NoteMiss(miss), NOW, trigger)  # type: ignore[arg-type]
    assert isinstance(facts, tuple)
    return list(facts)


class TestDuplicatesMerge:
    def test_i4_a_further_miss_joins_the_proposal_that_waits(self) -> None:
        joined = ProposalExtended(inspection=FIRST, unit=UNIT, evidence=(FOUR,))
        assert published(proposed(), NoteMiss(FOUR)) == [joined]
        assert the_inspection(noted(FOUR, state=proposed())).evidence == (ONE, TWO, THREE, FOUR)

    def test_the_other_recipient_of_a_report_in_a_proposal_joins_it(self) -> None:
        other = a_miss(9, occurrence=ONE.occurrence, period=ONE.period)
        assert [type(fact) for fact in published(proposed(), NoteMiss(other))] == [ProposalExtended]

    @pytest.mark.parametrize("miss", [ONE, THREE])
    def test_a_miss_that_is_heard_again_changes_nothing(self, miss: Evidence) -> None:
        assert decided(proposed(), NoteMiss(miss)) == ()

    def test_i4_after_a_dismissal_the_same_evidence_never_proposes_again(self) -> None:
        dismissed = after(DismissProposal(FIRST, "a flood", "p"), state=proposed())

        dossier = noted(FOUR, FIVE, state=dismissed)
        assert dossier.pending is None
        assert published(dossier, NoteMiss(SIX)) == [a_proposal(FOUR, FIVE, SIX, inspection=SECOND)]

    @pytest.mark.parametrize("is_closed", [False, True])
    def test_i4_after_a_confirmation_the_same_evidence_never_proposes_again(self, is_closed: bool) -> None:
        decisions: list[Command] = [OpenInspection(FIRST, INSPECTOR, "p"), CloseInspection(FIRST, "p")]
        dossier = after(*decisions[: 1 + is_closed], state=proposed())

        assert noted(FOUR, FIVE, state=dossier).pending is None

    def test_the_other_recipient_of_a_report_that_was_decided_on_proposes_nothing(self) -> None:
        dismissed = after(DismissProposal(FIRST, "a flood", "p"), state=proposed())
        others = [a_miss(9, occurrence=ONE.occurrence), a_miss(8, occurrence=TWO.occurrence)]

        assert noted(*others, FOUR, FIVE, state=dismissed).pending is None
        waiting = noted(FOUR, FIVE, SIX, state=dismissed)
        assert published(waiting, NoteMiss(others[0])) == []


class TestWithdrawnMisses:
    def test_a_withdrawn_miss_does_not_count(self) -> None:
        dossier = after(NoteMiss(ONE), NoteMiss(TWO), withdrawn(ONE))

        assert published(dossier, NoteMiss(THREE)) == []
        assert published(noted(THREE, state=dossier), NoteMiss(FOUR)) == [a_proposal(TWO, THREE, FOUR)]

    def test_i4_a_proposal_that_carries_no_more_is_withdrawn(self) -> None:
        gone = ProposalWithdrawn(inspection=FIRST, unit=UNIT, withdrawn=(TWO.duty,))

        assert published(proposed(), withdrawn(TWO)) == [gone]
        dossier = after(withdrawn(TWO), state=proposed())
        assert the_inspection(dossier).status is Status.WITHDRAWN

    def test_a_proposal_with_enough_left_stays_and_says_later_all_that_was_withdrawn(self) -> None:
        dossier = after(withdrawn(ONE), state=noted(FOUR, state=proposed()))

        assert the_inspection(dossier).standing == (TWO, THREE, FOUR)
        [gone] = published(dossier, withdrawn(FOUR))
        assert isinstance(gone, ProposalWithdrawn)
        assert gone.withdrawn == (ONE.duty, FOUR.duty)

    def test_one_recipient_less_of_a_report_leaves_the_report(self) -> None:
        other = a_miss(9, occurrence=ONE.occurrence)
        assert published(noted(other, state=proposed()), withdrawn(ONE)) == []

    def test_what_is_left_of_a_withdrawn_proposal_counts_for_the_next(self) -> None:
        dossier = after(withdrawn(TWO), state=proposed())

        assert published(dossier, NoteMiss(FOUR)) == [a_proposal(ONE, THREE, FOUR, inspection=SECOND)]

    def test_a_withdrawal_before_its_miss_lets_it_never_count(self) -> None:
        dossier = after(withdrawn(ONE))

        assert decided(dossier, NoteMiss(ONE)) == ()
        assert noted(ONE, TWO, THREE, state=dossier).pending is None

    def test_a_withdrawal_heard_again_changes_nothing(self) -> None:
        assert decided(after(withdrawn(TWO), state=proposed()), withdrawn(TWO)) == ()

    def test_a_decided_inspection_goes_on_and_shows_what_was_withdrawn(self) -> None:
        dossier = after(OpenInspection(FIRST, INSPECTOR, "p"), state=proposed())
        gone = MissForgotten(unit=UNIT, duty=TWO.duty, due_at=TWO.due_at, since=THREE.due_at - WINDOW)

        assert list(decided(dossier, withdrawn(TWO))) == [gone]
        inspection = the_inspection(after(withdrawn(TWO), state=dossier))
        assert (inspection.status, inspection.void) == (Status.OPEN, (TWO.duty,))


class TestWhatIsForgotten:
    def test_misses_older_than_the_window_are_let_go_but_for_those_of_a_proposal(self) -> None:
        late = a_miss(9, due_at=ONE.due_at + WINDOW)

        dossier = noted(late, state=proposed())

        assert dossier.misses == (TWO, THREE, late)
        assert the_inspection(dossier).evidence == (ONE, TWO, THREE, late)
        [gone] = published(after(withdrawn(late), state=dossier), withdrawn(ONE))
        assert isinstance(gone, ProposalWithdrawn)

    @pytest.mark.parametrize(
        ("due_at", "is_kept"),
        [(DUE, False), (DUE + MICROSECOND, True)],
        ids=["as old as the window", "a microsecond younger"],
    )
    def test_a_miss_heard_of_when_it_is_too_old_never_counts(self, due_at: object, is_kept: bool) -> None:
        dossier = noted(a_miss(9, due_at=DUE + WINDOW))
        old = a_miss(1).model_copy(update={"due_at": due_at})

        assert bool(decided(dossier, NoteMiss(old))) is is_kept
        assert bool(decided(dossier, withdrawn(old))) is is_kept

    def test_withdrawn_misses_are_let_go_with_time_as_well(self) -> None:
        dossier = after(withdrawn(ONE), withdrawn(a_miss(9, due_at=ONE.due_at + WINDOW)))

        assert [duty for duty, _ in dossier.void] == ["duty-9"]

    def test_a_year_of_misses_on_which_nobody_decides_makes_one_proposal(self) -> None:
        dossier = noted(*(a_miss(n) for n in range(400)))

        assert [one.inspection for one in dossier.inspections] == [FIRST]
        assert len(dossier.misses) == 365


def kept(dossier: Dossier) -> set[str]:
    return {miss.duty for miss in dossier.misses}


@st.composite
def hearings(draw: st.DrawFn) -> tuple[list[Command], list[Command]]:
    """Return what is heard, some of it years apart, and the same with duplicates in another order."""
    days = draw(st.lists(st.integers(0, 900), min_size=1, max_size=9))
    misses = [a_miss(n, due_at=DUE + day * DAY, occurrence=f"o-{n % 6}") for n, day in enumerate(days)]
    gone = draw(st.sets(st.sampled_from(misses).map(lambda miss: miss.duty)))
    heard: list[Command] = [NoteMiss(miss) for miss in misses]
    heard += [withdrawn(miss) for miss in misses if miss.duty in gone]
    again = draw(st.permutations([*heard, *draw(st.lists(st.sampled_from(heard), max_size=6))]))
    return heard, list(again)


@for_any(hearings())
@settings(max_examples=300, deadline=None)
def test_any_order_of_duplicates_of_misses_and_withdrawals_gives_the_same_misses(
    both: tuple[list[Command], list[Command]],
) -> None:
    heard, again = both
    once, other = after(*heard), after(*again)

    assert kept(once) == kept(other)
    assert dict(once.void) == dict(other.void)
    newest = max(command.miss.due_at for command in heard if isinstance(command, NoteMiss))
    assert all(miss.due_at > newest - WINDOW for miss in once.misses)


@for_any(hearings())
@settings(max_examples=300, deadline=None)
def test_i4_a_proposal_stands_exactly_as_long_as_its_misses_carry_it(
    both: tuple[list[Command], list[Command]],
) -> None:
    dossier = Dossier(UNIT)
    for command in both[1]:
        dossier = after(command, state=dossier)
        pending = dossier.pending
        assert sum(one.status is Status.PROPOSED for one in dossier.inspections) <= 1
        if pending is not None:
            assert carrying(pending.standing, MISSED_THREE)
        else:
            assert not carrying(dossier.fresh, MISSED_THREE)
