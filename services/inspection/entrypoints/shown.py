"""What people are shown of a dossier."""

from collections.abc import Iterator
from typing import Any

from services.inspection.domain.dossier import Dossier, Finding, Inspection, Status

OPENED = (Status.OPEN, Status.CLOSED)


def inspections(dossier: Dossier, *, sees_all: bool) -> Iterator[tuple[Status, dict[str, Any]]]:
    """Yield each inspection with its status; one that nobody has opened only to who *sees_all*."""
    for one in dossier.inspections:
        if sees_all or one.status in OPENED:
            yield one.status, _inspection(dossier.unit, one)


def _inspection(unit: str, one: Inspection) -> dict[str, Any]:
    return {
        "inspection": one.inspection,
        "unit": unit,
        "status": one.status,
        "kind": one.kind,
        "rule": one.rule,
        "evidence": [
            {**miss.model_dump(mode="json"), "is_withdrawn": miss.duty in one.void} for miss in one.evidence
        ],
        "inspector": one.inspector,
        "reason": one.reason,
        "findings": [finding(found) for found in one.findings],
    }


def finding(one: Finding) -> dict[str, Any]:
    """Return a finding and the duty that is open because of it."""
    duty = one.verification or one.rectification
    return {
        "finding": one.finding,
        "line": one.line,
        "text": one.text,
        "status": one.stage,
        "round": one.round,
        "duty": duty if one.is_open else None,
        "due_at": one.due_at.isoformat() if one.is_open and one.due_at else None,
        "submitted": one.submitted,
        "reason": one.reason,
    }
