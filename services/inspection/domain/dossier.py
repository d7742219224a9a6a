"""What inspection keeps of one unit: its misses, and what was proposed, opened and found because of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.duties import Line
from contracts.inspections import Evidence
from services.inspection.domain.trigger import obligation


class Status(StrEnum):
    """Where an inspection stands; a proposal waits for a person."""

    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"
    """What was left of its misses did not carry it."""
    DISMISSED = "dismissed"
    OPEN = "open"
    CLOSED = "closed"


class Stage(StrEnum):
    """Where a finding stands; the last two are its only ends (mission C16)."""

    RECTIFYING = "rectifying"
    SUBMITTED = "submitted"
    VERIFIED = "verified"
    DISMISSED = "dismissed"


class Outcome(StrEnum):
    """How somebody wishes a finding to be closed."""

    VERIFIED = "verified"
    DISMISSED = "dismissed"
    CIRCULAR = "circular"
    """To circulate a notice of criticism and do no more; always refused (mission C16)."""


@dataclass(frozen=True, slots=True)
class Finding:
    finding: str
    line: Line
    text: str = ""
    stage: Stage = Stage.RECTIFYING
    round: int = 0
    """How often its rectification was asked for."""
    rectification: str = ""
    """The duty of the present round."""
    verification: str = ""
    """The duty of whoever is to verify what was submitted; empty before."""
    due_at: datetime | None = None
    """When the open one of the two duties is due."""
    submitted: str = ""
    """What the unit said last."""
    reason: str = ""
    """What whoever returned, verified or dismissed it said last."""

    @property
    def is_open(self) -> bool:
        """Tell whether the finding has not come to an end."""
        return self.stage in (Stage.RECTIFYING, Stage.SUBMITTED)


@dataclass(frozen=True, slots=True)
class Inspection:
    inspection: str
    kind: str
    rule: str
    evidence: tuple[Evidence, ...]
    status: Status = Status.PROPOSED
    void: tuple[str, ...] = ()
    """The duties of its evidence whose misses were withdrawn."""
    inspector: str = ""
    reason: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def standing(self) -> tuple[Evidence, ...]:
        """Return the evidence that was not withdrawn."""
        return tuple(miss for miss in self.evidence if miss.duty not in self.void)


@dataclass(frozen=True, slots=True)
class Dossier:
    """All about one unit: its recent misses, and what was proposed, opened and found because of them."""

    unit: str
    misses: tuple[Evidence, ...] = ()
    """Of the trigger's window before the latest due moment heard of; older ones only in a proposal."""
    void: tuple[tuple[str, datetime], ...] = ()
    """Duties whose misses were withdrawn, and their due moments; of the same window."""
    inspections: tuple[Inspection, ...] = ()

    @property
    def pending(self) -> Inspection | None:
        """Return the proposal on which nobody has decided yet; there is one at most."""
        return next((one for one in self.inspections if one.status is Status.PROPOSED), None)

    @property
    def fresh(self) -> tuple[Evidence, ...]:
        """Return the misses of which nobody has decided anything: no evidence is used twice."""
        decided = [i for i in self.inspections if i.status not in (Status.PROPOSED, Status.WITHDRAWN)]
        used = {obligation(miss) for one in decided for miss in one.evidence}
        return tuple(miss for miss in self.misses if obligation(miss) not in used)

    def find(self, inspection: str) -> Inspection | None:
        """Return one of its inspections."""
        return next((one for one in self.inspections if one.inspection == inspection), None)

    def findings(self) -> Iterator[tuple[Inspection, Finding]]:
        """Yield every finding with its inspection."""
        for inspection in self.inspections:
            for finding in inspection.findings:
                yield inspection, finding

    def find_finding(self, finding: str) -> tuple[Inspection, Finding] | None:
        """Return a finding and its inspection."""
        return next((pair for pair in self.findings() if pair[1].finding == finding), None)


def view(state: Dossier) -> Mapping[str, Any]:
    """Return what queries ask for; empty if there is nothing to find."""
    if not state.inspections:
        return {}
    return {"unit": state.unit, "is_pending": any(one.status is Status.PROPOSED for one in state.inspections)}
