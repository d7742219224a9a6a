"""From a finding to its end: put right and verified, or dismissed with a reason, and nothing else (C16)."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from contracts.duties import DutyFulfilled, DutyWaived
from contracts.envelope import Fact
from contracts.inspections import (
    FindingDismissed,
    FindingRaised,
    RectificationReturned,
    RectificationSubmitted,
    RectificationVerified,
)
from contracts.refusal import Refusal
from services.inspection.domain import refusals
from services.inspection.domain.dossier import Dossier, Finding, Inspection, Outcome, Stage, Status
from services.inspection.domain.model import (
    CloseFinding,
    FindingDescribed,
    RaiseFinding,
    ReasonGiven,
    RectificationDescribed,
    ReturnRectification,
    SubmitRectification,
)
from services.inspection.domain.owed import rectification, verification

Decision = Sequence[Fact] | Refusal


def raise_finding(state: Dossier, command: RaiseFinding, now: datetime) -> Decision:
    """Open the duty to put a problem right; the same words again are the same finding."""
    inspection = state.find(command.inspection)
    if inspection is None or inspection.status is not Status.OPEN:
        return refusals.NOT_OPEN
    if not command.text.strip():
        return refusals.NO_TEXT
    if any((one.line, one.text) == (command.line, command.text) for one in inspection.findings):
        return ()
    if command.due_at <= now:
        return refusals.DUE_IN_PAST
    finding = Finding(f"{inspection.inspection}.{len(inspection.findings) + 1}", command.line)
    raised = FindingRaised(
        finding=finding.finding,
        inspection=inspection.inspection,
        unit=state.unit,
        line=command.line,
        person=command.person,
    )
    described = FindingDescribed(unit=state.unit, finding=finding.finding, text=command.text)
    return raised, described, rectification(state, inspection, finding, command.due_at)


def rectify(
    state: Dossier, command: SubmitRectification | ReturnRectification | CloseFinding, now: datetime
) -> Decision:
    """Let a finding go on, or end."""
    found = state.find_finding(command.finding)
    if found is None:
        return refusals.UNKNOWN_FINDING
    match command:
        case SubmitRectification():
            return _submit(state, *found, command, now)
        case ReturnRectification():
            return _return(state, *found, command, now)
        case CloseFinding():
            return _close(state, *found, command, now)
        case _:
            assert_never(command)


def _submit(
    state: Dossier, inspection: Inspection, finding: Finding, command: SubmitRectification, now: datetime
) -> Decision:
    if finding.stage is Stage.SUBMITTED:
        return ()
    if not finding.is_open:
        return refusals.ENDED
    submitted = RectificationSubmitted(
        finding=finding.finding,
        inspection=inspection.inspection,
        unit=state.unit,
        duty=finding.rectification,
        submitted_at=now,
    )
    described = RectificationDescribed(unit=state.unit, finding=finding.finding, text=command.text)
    done = DutyFulfilled(duty=finding.rectification, unit=state.unit, fulfilled_at=now)
    return submitted, described, done, verification(state, inspection, finding, command.verify_by)


def _return(
    state: Dossier, inspection: Inspection, finding: Finding, command: ReturnRectification, now: datetime
) -> Decision:
    if finding.stage is not Stage.SUBMITTED:
        return refusals.NOTHING_SUBMITTED if finding.is_open else refusals.ENDED
    if not command.reason.strip():
        return refusals.NO_REASON
    if command.due_at <= now:
        return refusals.DUE_IN_PAST
    returned = RectificationReturned(
        finding=finding.finding,
        inspection=inspection.inspection,
        unit=state.unit,
        duty=finding.rectification,
        person=command.person,
    )
    reason = ReasonGiven(unit=state.unit, about=finding.finding, reason=command.reason)
    done = DutyFulfilled(duty=finding.verification, unit=inspection.inspector, fulfilled_at=now)
    return returned, reason, done, rectification(state, inspection, finding, command.due_at)


def _close(
    state: Dossier, inspection: Inspection, finding: Finding, command: CloseFinding, now: datetime
) -> Decision:
    match command.outcome:
        case Outcome.CIRCULAR:
            return refusals.CIRCULAR_ONLY
        case Outcome.VERIFIED:
            return _verify(state, inspection, finding, command, now)
        case Outcome.DISMISSED:
            return _dismiss(state, inspection, finding, command, now)
        case _:
            assert_never(command.outcome)


def _verify(
    state: Dossier, inspection: Inspection, finding: Finding, command: CloseFinding, now: datetime
) -> Decision:
    if finding.stage is Stage.VERIFIED:
        return ()
    if finding.stage is not Stage.SUBMITTED:
        return refusals.NOTHING_SUBMITTED if finding.is_open else refusals.ENDED
    verified = RectificationVerified(
        finding=finding.finding,
        inspection=inspection.inspection,
        unit=state.unit,
        duty=finding.rectification,
        person=command.person,
    )
    done = DutyFulfilled(duty=finding.verification, unit=inspection.inspector, fulfilled_at=now)
    if not command.reason.strip():
        return verified, done
    return verified, ReasonGiven(unit=state.unit, about=finding.finding, reason=command.reason), done


def _dismiss(
    state: Dossier, inspection: Inspection, finding: Finding, command: CloseFinding, now: datetime
) -> Decision:
    if finding.stage is Stage.DISMISSED:
        return ()
    if not finding.is_open:
        return refusals.ENDED
    if not command.reason.strip():
        return refusals.NO_REASON
    dismissed = FindingDismissed(
        finding=finding.finding,
        inspection=inspection.inspection,
        unit=state.unit,
        person=command.person,
    )
    reason = ReasonGiven(unit=state.unit, about=finding.finding, reason=command.reason)
    is_submitted = finding.stage is Stage.SUBMITTED
    open_duty = finding.verification if is_submitted else finding.rectification
    bearer = inspection.inspector if is_submitted else state.unit
    return dismissed, reason, DutyWaived(duty=open_duty, unit=bearer, waived_at=now)
