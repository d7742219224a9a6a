"""From misses to a proposal: it appears, grows and goes by facts alone, until a person decides."""

from collections.abc import Sequence
from datetime import datetime

from contracts.envelope import Fact
from contracts.inspections import Evidence, InspectionProposed, ProposalExtended, ProposalWithdrawn
from services.inspection.domain.dossier import Dossier
from services.inspection.domain.evolve import evolve
from services.inspection.domain.model import MissForgotten, MissNoted, WithdrawMiss
from services.inspection.domain.trigger import Trigger, carrying


def note(state: Dossier, miss: Evidence, trigger: Trigger) -> Sequence[Fact]:
    """Let a miss count, once; it proposes an inspection, or joins the proposal that waits."""
    since = _horizon(state, miss.due_at, trigger)
    if miss.due_at <= since or _is_heard(state, miss.duty):
        return ()
    noted = MissNoted(unit=state.unit, miss=miss, since=since)
    after = evolve(state, noted)
    return noted, *_proposed(after, miss, trigger)


def _proposed(state: Dossier, miss: Evidence, trigger: Trigger) -> Sequence[Fact]:
    pending = state.pending
    if miss not in state.fresh:
        return ()
    if pending is not None:
        return (ProposalExtended(inspection=pending.inspection, unit=state.unit, evidence=(miss,)),)
    evidence = carrying(state.fresh, trigger)
    if not evidence:
        return ()
    number = 1 + sum(one.kind == trigger.kind for one in state.inspections)
    proposed = InspectionProposed(
        inspection=f"{state.unit}.{trigger.kind}.{number}",
        unit=state.unit,
        kind=trigger.kind,
        rule=trigger.id,
        evidence=evidence,
    )
    return (proposed,)


def withdraw(state: Dossier, command: WithdrawMiss, trigger: Trigger) -> Sequence[Fact]:
    """Let a miss count no more, even if it is heard of later; a proposal that it carried goes with it."""
    duty, due_at = command.duty, command.due_at
    since = _horizon(state, due_at, trigger)
    is_evidence = any(miss.duty == duty for one in state.inspections for miss in one.standing)
    is_void = any(duty == void for void, _ in state.void)
    if is_void or (due_at <= since and not is_evidence):
        return ()
    forgotten = MissForgotten(unit=state.unit, duty=duty, due_at=due_at, since=since)
    pending = evolve(state, forgotten).pending
    if pending is None or duty not in pending.void or carrying(pending.standing, trigger):
        return (forgotten,)
    gone = ProposalWithdrawn(inspection=pending.inspection, unit=state.unit, withdrawn=pending.void)
    return forgotten, gone


def _horizon(state: Dossier, due_at: datetime, trigger: Trigger) -> datetime:
    """Return the moment up to which misses are too old to count, by all that was heard of, void or not."""
    heard = (*(miss.due_at for miss in state.misses), *(due for _, due in state.void))
    return max((due_at, *heard)) - trigger.window


def _is_heard(state: Dossier, duty: str) -> bool:
    return any(miss.duty == duty for miss in state.misses) or any(void == duty for void, _ in state.void)
