"""What inspection can be asked to do, and the facts that only it remembers; its state is ``dossier.py``."""

from dataclasses import dataclass
from datetime import datetime

from contracts import inspections
from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived, Line
from contracts.envelope import Fact
from contracts.inspections import Evidence
from contracts.personal import PersonalText
from services.inspection.domain.dossier import Outcome


@dataclass(frozen=True, slots=True)
class NoteMiss:
    """A duty of the unit was missed."""

    miss: Evidence


@dataclass(frozen=True, slots=True)
class WithdrawMiss:
    """A duty had been fulfilled in time after all."""

    duty: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class OpenInspection:
    inspection: str
    inspector: str
    person: str


@dataclass(frozen=True, slots=True)
class DismissProposal:
    inspection: str
    reason: str
    person: str


@dataclass(frozen=True, slots=True)
class CloseInspection:
    inspection: str
    person: str


@dataclass(frozen=True, slots=True)
class RaiseFinding:
    inspection: str
    line: Line
    text: str
    due_at: datetime
    """In the zone of the unit, whose month is the period of the duty."""
    person: str


@dataclass(frozen=True, slots=True)
class SubmitRectification:
    finding: str
    text: str
    verify_by: datetime
    """In the zone of the inspector."""


@dataclass(frozen=True, slots=True)
class ReturnRectification:
    finding: str
    reason: str
    due_at: datetime
    person: str


@dataclass(frozen=True, slots=True)
class CloseFinding:
    finding: str
    outcome: Outcome
    reason: str
    person: str


Hearing = NoteMiss | WithdrawMiss
Rectifying = RaiseFinding | SubmitRectification | ReturnRectification | CloseFinding
Command = Hearing | OpenInspection | DismissProposal | CloseInspection | Rectifying


class DossierFact(Fact, topic=None, prefix="dossier", key="unit"):
    """A fact that stays in this service."""

    unit: str


class MissNoted(DossierFact):
    """A miss counts; what was due at *since* or before is too old to count any more."""

    miss: Evidence
    since: datetime


class MissForgotten(DossierFact):
    """A miss counts no more, and will not if it is heard of later."""

    duty: str
    due_at: datetime
    since: datetime


class FindingDescribed(DossierFact):
    """What was found, in words."""

    finding: str
    text: PersonalText


class RectificationDescribed(DossierFact):
    """What the unit says that it has done, in words."""

    finding: str
    text: PersonalText


class ReasonGiven(DossierFact):
    """Why somebody decided so; *about* is an inspection or a finding."""

    about: str
    reason: PersonalText


FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (
        MissNoted,
        MissForgotten,
        FindingDescribed,
        RectificationDescribed,
        ReasonGiven,
        DutyOpened,
        DutyFulfilled,
        DutyWaived,
        inspections.InspectionProposed,
        inspections.ProposalExtended,
        inspections.ProposalWithdrawn,
        inspections.InspectionOpened,
        inspections.InspectionDismissed,
        inspections.InspectionClosed,
        inspections.FindingRaised,
        inspections.RectificationSubmitted,
        inspections.RectificationReturned,
        inspections.RectificationVerified,
        inspections.FindingDismissed,
    )
}
"""Every type that may stand in a dossier's story."""
