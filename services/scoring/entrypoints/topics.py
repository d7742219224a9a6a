"""Facts in: the duty protocol."""

from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived
from contracts.envelope import Envelope, Fact
from services.scoring.domain.model import HEAT, FulfilRow, OpenRow, WaiveRow
from shared.decider import Request
from shared.state import Inbound


def row_of(key: str) -> str:
    """Return the row that a key of ``duties`` speaks of."""
    prefix, _, duty = key.partition(":")
    if prefix != "duty" or not duty or duty == HEAT:
        raise ValueError(f"not the key of a duty: {key!r}")
    return duty


def on_duty_event(envelope: Envelope, fact: Fact, _: Inbound) -> Request | None:
    """Return what a fact about a duty asks of its row."""
    row, story = row_of(envelope.subject), envelope.correlationid
    match fact:
        case DutyOpened():
            return Request(row, OpenRow(fact, envelope.id), envelope.id, story)
        case DutyFulfilled():
            return Request(row, FulfilRow(fact.fulfilled_at, envelope.id), envelope.id, story)
        case DutyWaived():
            return Request(row, WaiveRow(fact.waived_at, envelope.id), envelope.id, story)
        case _:
            return None
