"""A finding is a duty until a person has verified it, and nothing else ends it (mission C16)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived, Line
from contracts.envelope import Fact
from contracts.inspections import (
    FindingDismissed,
    FindingRaised,
    RectificationReturned,
    RectificationSubmitted,
    RectificationVerified,
)
from contracts.refusal import Refusal
from services.inspection.domain.decide import decide
from services.inspection.domain.dossier import Dossier, Outcome, Stage
from services.inspection.domain.evolve import evolve
from services.inspection.domain.model import (
    CloseFinding,
    CloseInspection,
    Command,
    DismissProposal,
    RaiseFinding,
    ReturnRectification,
    SubmitRectification,
)
from tests.support.inspections import (
    FINDING,
    FIRST,
    INSPECTOR,
    LATER,
    MICROSECOND,
    NOW,
    UNIT,
    after,
    decided,
    found,
    opened,
    proposed,
    published,
    refused,
    the_finding,
    the_inspection,
)

ZONE = ZoneInfo("Asia/Shanghai")
VERIFY_BY, AGAIN_BY = NOW + timedelta(days=7), NOW + timedelta(days=60)
RECTIFY, RECTIFY_2 = f"rectification.{FINDING}.1", f"rectification.{FINDING}.2"
VERIFYING, VERIFYING_2 = f"verification.{FINDING}.1", f"verification.{FINDING}.2"
RAISE = RaiseFinding(FIRST, Line.MAIN, "no minutes were kept", LATER, "p-inspector")
SUBMIT = SubmitRectification(FINDING, "they are kept now", VERIFY_BY)
RETURN = ReturnRectification(FINDING, "half of them are missing", AGAIN_BY, "p-inspector")
VERIFY = CloseFinding(FINDING, Outcome.VERIFIED, "", "p-inspector")
DISMISS = CloseFinding(FINDING, Outcome.DISMISSED, "it was another unit", "p-inspector")
CIRCULATE = CloseFinding(FINDING, Outcome.CIRCULAR, "circulated to all towns", "p-inspector")


def submitted() -> Dossier:
    return after(SUBMIT, state=found())


def a_duty(duty: str, *, due_at: datetime, period: str, continues: str | None = None) -> DutyOpened:
    is_verification = duty.startswith("verification")
    return DutyOpened(
        duty=duty,
        unit=INSPECTOR if is_verification else UNIT,
        kind="verification" if is_verification else "rectification",
        line=Line.MAIN,
        recipient=UNIT if is_verification else INSPECTOR,
        period=period,
        due_at=due_at,
        policy="verification/1" if is_verification else "rectification/1",
        occurrence=FINDING,
        title="整改复核" if is_verification else "整改",
        continues=continues,
    )


def about_the_finding(**more: str) -> dict[str, str]:
    return {"finding": FINDING, "inspection": FIRST, "unit": UNIT, **more}


class TestAProblemIsFound:
    def test_i4_a_finding_opens_the_duty_to_put_it_right(self) -> None:
        raised = FindingRaised(**about_the_finding(person="p-inspector"), line=Line.MAIN)

        assert published(opened(), RAISE) == [raised, a_duty(RECTIFY, due_at=LATER, period="2026-04")]
        assert the_finding(found()).text == "no minutes were kept"

    def test_findings_are_numbered_and_the_same_words_are_the_same_finding(self) -> None:
        assert decided(found(), RAISE) == ()
        other, line = replace(RAISE, text="no plan either"), replace(RAISE, line=Line.SUPERVISION)

        dossier = after(other, line, state=found())

        assert [one.finding for one in the_inspection(dossier).findings] == [
            f"{FIRST}.{n}" for n in (1, 2, 3)
        ]

    @pytest.mark.parametrize(
        ("local", "period"),
        [("2026-06-01T00:00", "2026-05"), ("2026-06-01T00:00:00.000001", "2026-06")],
    )
    def test_the_period_is_the_local_month_and_midnight_ends_it(self, local: str, period: str) -> None:
        due_at = datetime.fromisoformat(local).replace(tzinfo=ZONE)

        _, duty = published(opened(), replace(RAISE, due_at=due_at))

        assert isinstance(duty, DutyOpened)
        assert (duty.period, duty.due_at, duty.due_at.tzinfo) == (period, due_at, UTC)

    def test_it_is_not_due_before_it_is_found(self) -> None:
        assert refused(opened(), replace(RAISE, due_at=NOW)) == "due_in_past"
        assert decided(opened(), replace(RAISE, due_at=NOW + MICROSECOND))

    def test_it_says_what_was_found(self) -> None:
        assert refused(opened(), replace(RAISE, text="  ")) == "text_required"

    @pytest.mark.parametrize("state", [proposed(), after(CloseInspection(FIRST, "p"), state=opened())])
    def test_only_an_open_inspection_finds(self, state: Dossier) -> None:
        assert refused(state, RAISE) == "not_open"
        assert refused(after(DismissProposal(FIRST, "why", "p"), state=proposed()), RAISE) == "not_open"


class TestItIsPutRight:
    def test_i4_a_submission_fulfils_the_duty_and_makes_verifying_one(self) -> None:
        assert published(found(), SUBMIT) == [
            RectificationSubmitted(**about_the_finding(duty=RECTIFY), submitted_at=NOW),
            DutyFulfilled(duty=RECTIFY, unit=UNIT, fulfilled_at=NOW),
            a_duty(VERIFYING, due_at=VERIFY_BY, period="2026-03"),
        ]
        finding = the_finding(submitted())
        assert (finding.stage, finding.submitted, finding.due_at) == (
            Stage.SUBMITTED,
            "they are kept now",
            VERIFY_BY,
        )

    def test_submitting_again_changes_nothing(self) -> None:
        assert decided(submitted(), replace(SUBMIT, text="once more")) == ()

    def test_i4_verified_it_is_at_its_end(self) -> None:
        assert published(submitted(), VERIFY) == [
            RectificationVerified(**about_the_finding(duty=RECTIFY, person="p-inspector")),
            DutyFulfilled(duty=VERIFYING, unit=INSPECTOR, fulfilled_at=NOW),
        ]
        assert the_finding(after(VERIFY, state=submitted())).stage is Stage.VERIFIED

    def test_i4_returned_it_is_due_again_as_a_new_duty_that_continues_the_old_one(self) -> None:
        assert published(submitted(), RETURN) == [
            RectificationReturned(**about_the_finding(duty=RECTIFY, person="p-inspector")),
            DutyFulfilled(duty=VERIFYING, unit=INSPECTOR, fulfilled_at=NOW),
            a_duty(RECTIFY_2, due_at=AGAIN_BY, period="2026-05", continues=RECTIFY),
        ]
        finding = the_finding(after(RETURN, state=submitted()))
        assert (finding.stage, finding.round, finding.reason) == (
            Stage.RECTIFYING,
            2,
            "half of them are missing",
        )

    def test_the_second_round_has_duties_of_its_own(self) -> None:
        again = after(RETURN, state=submitted())

        duties = [fact for fact in published(again, SUBMIT) if isinstance(fact, DutyFulfilled | DutyOpened)]
        assert [fact.duty for fact in duties] == [RECTIFY_2, VERIFYING_2]
        verified = published(after(SUBMIT, state=again), VERIFY)
        assert [fact.duty for fact in verified if isinstance(fact, RectificationVerified)] == [RECTIFY_2]

    @pytest.mark.parametrize("command", [RETURN, VERIFY])
    def test_nothing_is_verified_or_returned_before_it_is_submitted(self, command: Command) -> None:
        assert refused(found(), command) == "nothing_submitted"

    def test_who_returns_it_says_why_and_until_when(self) -> None:
        assert refused(submitted(), replace(RETURN, reason=" ")) == "reason_required"
        assert refused(submitted(), replace(RETURN, due_at=NOW)) == "due_in_past"
        assert decided(submitted(), replace(RETURN, due_at=NOW + MICROSECOND))


class TestTheEnd:
    @pytest.mark.parametrize("state", [found(), submitted(), after(VERIFY, state=submitted())])
    def test_c16_a_finding_is_never_closed_with_a_circular_alone(self, state: Dossier) -> None:
        assert refused(state, CIRCULATE) == "circular_only"

    @pytest.mark.parametrize(
        ("state", "duty", "bearer"), [(found(), RECTIFY, UNIT), (submitted(), VERIFYING, INSPECTOR)]
    )
    def test_c16_dismissed_with_a_reason_its_open_duty_is_waived(
        self, state: Dossier, duty: str, bearer: str
    ) -> None:
        assert published(state, DISMISS) == [
            FindingDismissed(**about_the_finding(person="p-inspector")),
            DutyWaived(duty=duty, unit=bearer, waived_at=NOW),
        ]
        finding = the_finding(after(DISMISS, state=state))
        assert (finding.stage, finding.reason) == (Stage.DISMISSED, "it was another unit")

    @pytest.mark.parametrize("reason", ["", "\t "])
    def test_c16_nobody_dismisses_a_finding_without_a_reason(self, reason: str) -> None:
        assert refused(found(), replace(DISMISS, reason=reason)) == "reason_required"

    @pytest.mark.parametrize("end", [VERIFY, DISMISS])
    def test_a_finding_ends_once(self, end: Command) -> None:
        ended = after(end, state=submitted())

        assert decided(ended, end) == ()
        others: list[Command] = [one for one in (SUBMIT, RETURN, VERIFY, DISMISS) if one != end]
        for other in others:
            assert refused(ended, other) == "finding_ended"

    @pytest.mark.parametrize("command", [SUBMIT, RETURN, VERIFY, DISMISS, CIRCULATE])
    def test_nobody_ends_what_was_not_found(self, command: Command) -> None:
        assert refused(opened(), command) == "unknown_finding"


steps = st.lists(st.sampled_from([SUBMIT, RETURN, VERIFY, DISMISS, CIRCULATE, RAISE]), max_size=12)


@for_any(steps)
@settings(max_examples=300, deadline=None)
def test_i4_an_open_finding_has_exactly_one_open_duty_and_an_ended_one_has_none(
    script: list[Command],
) -> None:
    dossier, open_duties = found(), {RECTIFY}
    for command in script:
        facts = decide(dossier, command, NOW)
        for fact in () if isinstance(facts, Refusal) else facts:
            dossier = evolve(dossier, fact)
            count_duty(open_duties, fact)
        assert len(open_duties) == the_finding(dossier).is_open


def count_duty(open_duties: set[str], fact: Fact) -> None:
    """Take what a fact opens or ends into account; a duty ends once."""
    match fact:
        case DutyOpened():
            assert fact.duty not in open_duties
            open_duties.add(fact.duty)
        case DutyFulfilled() | DutyWaived():
            open_duties.remove(fact.duty)
        case _:
            pass
