"""Facts in: what was missed, and what was missed no more."""

from contracts.envelope import Envelope, Fact
from contracts.escalations import DutyMissed, DutyMissWithdrawn
from contracts.inspections import Evidence
from services.inspection.domain.model import NoteMiss, WithdrawMiss
from shared.decider import Request
from shared.state import Inbound


def on_escalation_event(envelope: Envelope, fact: Fact, _: Inbound) -> Request | None:
    """Return what a fact about an escalation asks of the dossier of its unit; its climb asks nothing."""
    match fact:
        case DutyMissed():
            miss = Evidence(
                fact=envelope.id,
                duty=fact.duty,
                kind=fact.kind,
                occurrence=fact.occurrence or fact.duty,
                period=fact.period,
                due_at=fact.due_at,
            )
            return Request(fact.unit, NoteMiss(miss), envelope.id, fact.unit)
        case DutyMissWithdrawn():
            return Request(fact.unit, WithdrawMiss(fact.duty, fact.due_at), envelope.id, fact.unit)
        case _:
            return None
