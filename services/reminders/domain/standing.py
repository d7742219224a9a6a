"""Where an escalation stands that is open: what people on duty count."""

from contracts.tree import parse_role
from services.reminders.domain.ladder import POLICIES, rung
from services.reminders.domain.model import Status, Watch

OPEN = frozenset({Status.CLIMBING, Status.EXHAUSTED})


def open_level(watch: Watch) -> int | None:
    """Return how many levels above the bearer the highest who was told is, None if the duty is not missed.

    Of a duty of which nobody could be told yet it is 0, the bearer's own unit.
    """
    if watch.opened is None or watch.status not in OPEN:
        return None
    roles = rung(POLICIES[watch.opened.policy], max(watch.spoken, 0)).roles
    return max(parse_role(role)[0] for role in roles)
