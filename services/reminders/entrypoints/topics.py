"""Facts in: the duty protocol."""

from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived
from contracts.envelope import Envelope, Fact
from services.reminders.domain.model import EndDuty, WaiveDuty, WatchDuty
from shared.decider import Request
from shared.state import Inbound


def watch_of(key: str) -> str:
    """Return the watch that a key of ``duties`` speaks of."""
    prefix, _, duty = key.partition(":")
    if prefix != "duty" or not duty:
        raise ValueError(f"not the key of a duty: {key!r}")
    return duty


def on_duty_event(envelope: Envelope, fact: Fact, _: Inbound) -> Request | None:
    """Return what a fact about a duty asks of its watch."""
    match fact:
        case DutyOpened():
            return Request(fact.duty, WatchDuty(fact, envelope.source), envelope.id, envelope.correlationid)
        case DutyFulfilled():
            return Request(fact.duty, EndDuty(fact.fulfilled_at), envelope.id, envelope.correlationid)
        case DutyWaived():
            return Request(fact.duty, WaiveDuty(fact.waived_at), envelope.id, envelope.correlationid)
        case _:
            return None
