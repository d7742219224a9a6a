"""What people decide about a proposal and an inspection."""

import pytest

from contracts.envelope import Fact
from contracts.inspections import InspectionClosed, InspectionDismissed, InspectionOpened
from services.inspection.domain.dossier import Dossier, Outcome, Status
from services.inspection.domain.evolve import evolve
from services.inspection.domain.model import (
    FACTS,
    CloseFinding,
    CloseInspection,
    Command,
    DismissProposal,
    OpenInspection,
    ReasonGiven,
)
from tests.support.inspections import (
    FINDING,
    FIRST,
    INSPECTOR,
    UNIT,
    after,
    decided,
    found,
    opened,
    proposed,
    refused,
    the_inspection,
)

CONFIRM = OpenInspection(FIRST, INSPECTOR, "p-inspector")
DISMISS = DismissProposal(FIRST, "a flood", "p-inspector")
CLOSE = CloseInspection(FIRST, "p-inspector")


def test_i4_a_person_confirms_a_proposal() -> None:
    [fact] = decided(proposed(), CONFIRM)

    assert fact == InspectionOpened(
        inspection=FIRST, unit=UNIT, kind="special", inspector=INSPECTOR, person="p-inspector"
    )
    assert the_inspection(opened()).inspector == INSPECTOR


def test_i4_a_person_dismisses_a_proposal_and_the_reason_stays_in_the_service() -> None:
    public, private = decided(proposed(), DISMISS)

    assert public == InspectionDismissed(inspection=FIRST, unit=UNIT, person="p-inspector")
    assert private == ReasonGiven(unit=UNIT, about=FIRST, reason="a flood")
    assert private.topic is None
    inspection = the_inspection(after(DISMISS, state=proposed()))
    assert (inspection.status, inspection.reason) == (Status.DISMISSED, "a flood")


@pytest.mark.parametrize("reason", ["", " \n"])
def test_i4_nobody_dismisses_a_proposal_without_a_reason(reason: str) -> None:
    assert refused(proposed(), DismissProposal(FIRST, reason, "p")) == "reason_required"


@pytest.mark.parametrize("command", [CONFIRM, DISMISS, CLOSE])
def test_deciding_again_changes_nothing(command: Command) -> None:
    before = opened() if command == CLOSE else proposed()
    assert decided(after(command, state=before), command) == ()


@pytest.mark.parametrize(
    ("first", "then", "word"),
    [
        (CONFIRM, DISMISS, "not_pending"),
        (CONFIRM, OpenInspection(FIRST, "county-dc", "p"), "not_pending"),
        (DISMISS, CONFIRM, "not_pending"),
        (DISMISS, CLOSE, "not_open"),
    ],
)
def test_what_was_decided_stays_decided(first: Command, then: Command, word: str) -> None:
    assert refused(after(first, state=proposed()), then) == word


def test_a_proposal_is_not_closed_but_dismissed() -> None:
    assert refused(proposed(), CLOSE) == "not_open"


@pytest.mark.parametrize("command", [CONFIRM, DISMISS, CLOSE])
def test_nobody_decides_on_what_is_not_there(command: Command) -> None:
    assert refused(Dossier(UNIT), command) == "unknown_inspection"


def test_an_inspection_closes_when_every_finding_has_come_to_its_end() -> None:
    assert refused(found(), CLOSE) == "finding_open"

    ended = after(CloseFinding(FINDING, Outcome.DISMISSED, "an error", "p"), state=found())

    assert list(decided(ended, CLOSE)) == [
        InspectionClosed(inspection=FIRST, unit=UNIT, person="p-inspector")
    ]


def test_an_inspection_that_found_nothing_closes() -> None:
    assert the_inspection(after(CLOSE, state=opened())).status is Status.CLOSED


def test_a_fact_that_is_no_part_of_the_story_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="no part of a dossier"):
        evolve(opened(), Fact())


def test_words_never_leave_the_service() -> None:
    texts = {"reason", "text", "name", "title"}
    public = [fact for fact in FACTS.values() if fact.topic == "inspections"]
    assert len(public) == 11
    assert all(not texts & set(fact.model_fields) for fact in public)
