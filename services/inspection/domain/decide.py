"""The rule of inspection: facts propose, people decide, and a finding is a duty until it is verified."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from contracts.envelope import Fact
from contracts.inspections import InspectionClosed, InspectionDismissed, InspectionOpened
from contracts.refusal import Refusal
from services.inspection.domain import refusals
from services.inspection.domain.dossier import Dossier, Status
from services.inspection.domain.model import (
    CloseFinding,
    CloseInspection,
    Command,
    DismissProposal,
    NoteMiss,
    OpenInspection,
    RaiseFinding,
    ReasonGiven,
    ReturnRectification,
    SubmitRectification,
    WithdrawMiss,
)
from services.inspection.domain.propose import note, withdraw
from services.inspection.domain.rectify import raise_finding, rectify
from services.inspection.domain.trigger import MISSED_THREE, Trigger

Decision = Sequence[Fact] | Refusal


def decide(state: Dossier, command: Command, now: datetime, trigger: Trigger = MISSED_THREE) -> Decision:
    """Return the facts that *command* makes true, none if it changes nothing."""
    match command:
        case NoteMiss():
            return note(state, command.miss, trigger)
        case WithdrawMiss():
            return withdraw(state, command, trigger)
        case OpenInspection():
            return _open(state, command)
        case DismissProposal():
            return _dismiss(state, command)
        case CloseInspection():
            return _close(state, command)
        case RaiseFinding():
            return raise_finding(state, command, now)
        case SubmitRectification() | ReturnRectification() | CloseFinding():
            return rectify(state, command, now)
        case _:
            assert_never(command)


def _open(state: Dossier, command: OpenInspection) -> Decision:
    found = state.find(command.inspection)
    if found is None:
        return refusals.UNKNOWN_INSPECTION
    if found.status is Status.OPEN and found.inspector == command.inspector:
        return ()
    if found.status is not Status.PROPOSED:
        return refusals.NOT_PENDING
    opened = InspectionOpened(
        inspection=found.inspection,
        unit=state.unit,
        kind=found.kind,
        inspector=command.inspector,
        person=command.person,
    )
    return (opened,)


def _dismiss(state: Dossier, command: DismissProposal) -> Decision:
    found = state.find(command.inspection)
    if found is None:
        return refusals.UNKNOWN_INSPECTION
    if found.status is Status.DISMISSED:
        return ()
    if found.status is not Status.PROPOSED:
        return refusals.NOT_PENDING
    if not command.reason.strip():
        return refusals.NO_REASON
    return (
        InspectionDismissed(inspection=found.inspection, unit=state.unit, person=command.person),
        ReasonGiven(unit=state.unit, about=found.inspection, reason=command.reason),
    )


def _close(state: Dossier, command: CloseInspection) -> Decision:
    found = state.find(command.inspection)
    if found is None:
        return refusals.UNKNOWN_INSPECTION
    if found.status is Status.CLOSED:
        return ()
    if found.status is not Status.OPEN:
        return refusals.NOT_OPEN
    if any(finding.is_open for finding in found.findings):
        return refusals.FINDING_OPEN
    return (InspectionClosed(inspection=found.inspection, unit=state.unit, person=command.person),)
