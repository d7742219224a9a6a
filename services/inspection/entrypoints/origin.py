"""Facts back: which dossier a published fact of ours came from, for a restored database."""

from contracts.envelope import Envelope
from services.inspection.domain.owed import dossier_of
from shared.published import Origin

LOST_EN = (
    "Findings, rectifications and reasons in words are nowhere but in the database: those written since the "
    "backup are lost, and the same finding raised again is another one."
)
LOST_ZH = "发现问题、整改情况和理由的文字只存于数据库：备份之后写下的已丢失，再次提出同一问题将成为新的问题。"


def stream_of(envelope: Envelope) -> str:
    """Return the unit whose dossier spoke: a verification is owed by another unit than it is about."""
    prefix, _, duty = envelope.subject.partition(":")
    return dossier_of(duty) if prefix == "duty" else str(envelope.data["unit"])


ORIGIN = Origin(stream_of=stream_of, book_of=lambda _: 0, lost=(LOST_EN, LOST_ZH))
