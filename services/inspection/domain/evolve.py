"""What a dossier becomes by a fact."""

from collections.abc import Callable
from dataclasses import replace

from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived
from contracts.envelope import Fact
from contracts.inspections import (
    FindingDismissed,
    FindingFact,
    FindingRaised,
    InspectionClosed,
    InspectionDismissed,
    InspectionFact,
    InspectionOpened,
    InspectionProposed,
    ProposalExtended,
    ProposalWithdrawn,
    RectificationReturned,
    RectificationSubmitted,
    RectificationVerified,
)
from services.inspection.domain.dossier import Dossier, Finding, Inspection, Stage, Status
from services.inspection.domain.model import (
    FindingDescribed,
    MissForgotten,
    MissNoted,
    ReasonGiven,
    RectificationDescribed,
)
from services.inspection.domain.owed import VERIFICATION


def evolve(state: Dossier, fact: Fact) -> Dossier:
    """Return the dossier after a fact; the only place where it changes."""
    match fact:
        case MissNoted() | MissForgotten():
            return _heard(state, fact)
        case InspectionProposed():
            new = Inspection(fact.inspection, fact.kind, fact.rule, fact.evidence)
            return replace(state, inspections=(*state.inspections, new))
        case InspectionFact():
            return _with_inspection(state, fact.inspection, lambda one: _inspected(one, fact))
        case FindingRaised():
            new_finding = Finding(fact.finding, fact.line)
            return _with_inspection(
                state, fact.inspection, lambda one: replace(one, findings=(*one.findings, new_finding))
            )
        case FindingFact() | FindingDescribed() | RectificationDescribed():
            return _with_finding(state, fact.finding, lambda one: _found(one, fact))
        case ReasonGiven():
            after = _with_inspection(state, fact.about, lambda one: replace(one, reason=fact.reason))
            return _with_finding(after, fact.about, lambda one: replace(one, reason=fact.reason))
        case DutyOpened():
            return _with_finding(state, fact.occurrence, lambda one: _asked(one, fact))
        case DutyFulfilled() | DutyWaived():
            return state
        case _:
            raise TypeError(f"no part of a dossier's story: {fact.type}")


def _heard(state: Dossier, fact: MissNoted | MissForgotten) -> Dossier:
    """Take a miss in or out, and let go of what is too old to count."""
    misses, void, inspections = state.misses, state.void, state.inspections
    if isinstance(fact, MissNoted):
        misses = (*misses, fact.miss)
    else:
        misses = tuple(miss for miss in misses if miss.duty != fact.duty)
        void = (*void, (fact.duty, fact.due_at))
        inspections = tuple(_without(one, fact.duty) for one in inspections)
    return replace(
        state,
        misses=tuple(miss for miss in misses if miss.due_at > fact.since),
        void=tuple((duty, due_at) for duty, due_at in void if due_at > fact.since),
        inspections=inspections,
    )


def _without(inspection: Inspection, duty: str) -> Inspection:
    if all(miss.duty != duty for miss in inspection.evidence):
        return inspection
    return replace(inspection, void=(*inspection.void, duty))


def _with_inspection(state: Dossier, inspection: str, change: Callable[[Inspection], Inspection]) -> Dossier:
    inspections = (change(one) if one.inspection == inspection else one for one in state.inspections)
    return replace(state, inspections=tuple(inspections))


def _with_finding(state: Dossier, finding: str, change: Callable[[Finding], Finding]) -> Dossier:
    def within(inspection: Inspection) -> Inspection:
        findings = (change(one) if one.finding == finding else one for one in inspection.findings)
        return replace(inspection, findings=tuple(findings))

    return replace(state, inspections=tuple(within(one) for one in state.inspections))


def _inspected(inspection: Inspection, fact: InspectionFact) -> Inspection:
    match fact:
        case ProposalExtended():
            return replace(inspection, evidence=(*inspection.evidence, *fact.evidence))
        case ProposalWithdrawn():
            return replace(inspection, status=Status.WITHDRAWN)
        case InspectionOpened():
            return replace(inspection, status=Status.OPEN, inspector=fact.inspector)
        case InspectionDismissed():
            return replace(inspection, status=Status.DISMISSED)
        case InspectionClosed():
            return replace(inspection, status=Status.CLOSED)
        case _:
            raise TypeError(f"no part of an inspection's story: {fact.type}")


def _found(finding: Finding, fact: Fact) -> Finding:
    match fact:
        case FindingDescribed():
            return replace(finding, text=fact.text)
        case RectificationDescribed():
            return replace(finding, submitted=fact.text)
        case RectificationSubmitted():
            return replace(finding, stage=Stage.SUBMITTED)
        case RectificationReturned():
            return replace(finding, stage=Stage.RECTIFYING)
        case RectificationVerified():
            return replace(finding, stage=Stage.VERIFIED)
        case FindingDismissed():
            return replace(finding, stage=Stage.DISMISSED)
        case _:
            raise TypeError(f"no part of a finding's story: {fact.type}")


def _asked(finding: Finding, fact: DutyOpened) -> Finding:
    if fact.kind == VERIFICATION:
        return replace(finding, verification=fact.duty, due_at=fact.due_at)
    return replace(
        finding, rectification=fact.duty, verification="", round=finding.round + 1, due_at=fact.due_at
    )
