"""The duties that a finding opens: to put it right, and to verify that it was."""

from datetime import UTC, datetime, timedelta

from contracts.duties import DutyOpened
from services.inspection.domain.dossier import Dossier, Finding, Inspection

RECTIFICATION, VERIFICATION = "rectification", "verification"
"""Their kinds."""
MICROSECOND = timedelta(microseconds=1)


def rectification(state: Dossier, inspection: Inspection, finding: Finding, due_at: datetime) -> DutyOpened:
    """Return the next duty of the unit to put the problem right."""
    return DutyOpened(
        duty=f"{RECTIFICATION}.{finding.finding}.{finding.round + 1}",
        unit=state.unit,
        kind=RECTIFICATION,
        line=finding.line,
        recipient=inspection.inspector,
        period=_month(due_at),
        due_at=due_at.astimezone(UTC),
        policy="rectification/1",
        occurrence=finding.finding,
        title="整改",
        continues=finding.rectification or None,
    )


def verification(state: Dossier, inspection: Inspection, finding: Finding, due_at: datetime) -> DutyOpened:
    """Return the duty of the inspector to look at what was put right: the procedure is subject to itself."""
    return DutyOpened(
        duty=f"{VERIFICATION}.{finding.finding}.{finding.round}",
        unit=inspection.inspector,
        kind=VERIFICATION,
        line=finding.line,
        recipient=state.unit,
        period=_month(due_at),
        due_at=due_at.astimezone(UTC),
        policy="verification/1",
        occurrence=finding.finding,
        title="整改复核",
    )


def dossier_of(duty: str) -> str:
    """Return the unit in whose dossier a duty was opened: both kinds are named by the finding.

    ``<kind>.<unit>.<kind of inspection>.<number>.<finding>.<round>``; a unit's code may have dots of its own.
    """
    return duty.split(".", 1)[1].rsplit(".", 4)[0]


def _month(due_at: datetime) -> str:
    """Return the month of the last instant before a due moment: 24:00 of the 31st lies in its own."""
    return f"{due_at - MICROSECOND:%Y-%m}"
