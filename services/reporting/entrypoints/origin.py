"""Facts back: which stream a published fact of ours came from, for a restored database."""

from contracts.envelope import Envelope
from services.reporting.domain.foreign import FOREIGN, owner_of
from services.reporting.entrypoints.timer import affinity
from services.reporting.entrypoints.topics import book_of_duty
from shared.published import Origin

REQUEST = "request:"
"""What the cause begins with of what was asked over HTTP."""


def stream_of(envelope: Envelope) -> str:
    """Return the stream: a report speaks on itself and on each duty, a foreign duty on itself."""
    prefix, _, name = envelope.subject.partition(":")
    if prefix == "report":
        return name
    report, at, _ = name.rpartition("@")
    return report if at else FOREIGN + name


def book_of(stream: str) -> int:
    """Return the book of a stream."""
    return book_of_duty(stream.removeprefix(FOREIGN)) if stream.startswith(FOREIGN) else affinity(stream)


def source_of(envelope: Envelope) -> tuple[str, int] | None:
    """Return by what the wish of a foreign system is remembered, so that it is heard once only."""
    duty = stream_of(envelope).removeprefix(FOREIGN)
    owner = owner_of(duty)
    if envelope.subject != f"duty:{duty}" or owner is None or envelope.causationid.startswith(REQUEST):
        return None
    return f"{owner}#{envelope.causationid}", 1


LOST_EN = (
    "Schedules are private: set again those that were set after the backup; a year that was opened opens "
    "again and changes nothing. Wishes on duties-in whose answer was never said must be brought again."
)
LOST_ZH = (
    "报送计划不对外发布：备份之后设置的计划须重新设置；已启动的年度会再次启动，不产生变化。"
    "duties-in 中未及答复的请求须由来源系统重新提交。"
)
ORIGIN = Origin(
    stream_of=stream_of,
    book_of=book_of,
    source_of=source_of,
    lost=(LOST_EN, LOST_ZH),
)
