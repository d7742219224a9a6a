"""Facts back: which watch a published fact of ours came from, for a restored database."""

from collections.abc import Sequence
from typing import Any

from contracts.envelope import Fact
from contracts.escalations import EscalationAcknowledged
from services.reminders.domain.model import Acknowledge
from services.reminders.entrypoints.http import book_of_duty
from shared.published import Origin

LOST_EN = (
    "What was said came back, what was said of duties was heard again, and each watch goes on from there. "
    "People may be told again of what they were told since the backup."
)
LOST_ZH = "已发布的均已取回，责任事项已重新接收，各项监测由此继续。备份之后已发送的通知可能再次发送。"


def before(_: Any, fact: Fact) -> Sequence[Acknowledge]:
    """Return who took note: by that the climb was put off, which no fact says by itself."""
    return [Acknowledge(fact.post, fact.person)] if isinstance(fact, EscalationAcknowledged) else []


ORIGIN = Origin(
    stream_of=lambda envelope: envelope.subject.partition(":")[2],
    book_of=book_of_duty,
    before=before,
    lost=(LOST_EN, LOST_ZH),
)
