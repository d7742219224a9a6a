"""The list in which notices land: once each, whatever is said again, and only while they are still true."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contracts.envelope import Envelope, Fact
from contracts.escalations import EscalationRaised
from contracts.reminders import ReminderFired
from services.reminders.domain.model import FACTS, Watch
from services.reminders.domain.telling import is_still_true
from services.reminders.metrics import DELIVERY_LATENESS, NOTICES
from shared.clock import real_now, to_micros
from shared.ledger import Event
from shared.mongo import insert_new
from shared.relay import Work
from shared.service import Service

TOLD = {ReminderFired.type: "reminder", EscalationRaised.type: "escalation"}


class NoticeList:
    """Notices as documents, keyed by the fact that they tell."""

    def __init__(self, service: Service[Any]) -> None:
        self._service = service
        self._notices = service.store.database["notices"]

    async def make_indexes(self) -> None:
        """Make the indexes of the list's queries."""
        await self._notices.create_index([("cursor", 1)])
        await self._notices.create_index([("post", 1), ("cursor", 1)])

    async def tell(self, work: Work) -> None:
        """Tell the people of pages that were said on Kafka; a notice that is no longer true stays untold."""
        documents: list[dict[str, Any]] = []
        watches: dict[str, Watch] = {}
        for book, pages in work:
            said = [
                (entry.stream, event)
                for page in pages
                for entry in page.entries
                for event in entry.events
                if event.type in TOLD
            ]
            mine = await book.peek_all({stream for stream, _ in said})
            documents += self._documents(said, mine)
            watches |= mine
        new = await insert_new(self._notices, documents)
        for document in new:
            NOTICES.labels(document["kind"], "told").inc()
            allowed_at = document["planned_at"]
            if document["kind"] == TOLD[ReminderFired.type]:
                allowed_at = watches[document["duty"]].allowed_at(allowed_at)
            lateness = real_now() - self._service.clock.real(allowed_at)
            DELIVERY_LATENESS.labels(document["kind"]).observe(max(0.0, lateness.total_seconds()))

    def _documents(
        self, said: Iterable[tuple[str, Event]], watches: Mapping[str, Watch]
    ) -> Iterator[dict[str, Any]]:
        """Yield the notices of what was said."""
        for stream, event in said:
            envelope = Envelope.parse(event.value)
            fact = FACTS[event.type].read(envelope.data)
            document = _notice(envelope, fact)
            if document is None or not is_still_true(watches[stream], fact):
                NOTICES.labels(TOLD[event.type], "void").inc()
            else:
                yield document

    async def read(self, *, post: str | None, after: str, limit: int) -> list[dict[str, Any]]:
        """Return notices in the order in which they were told, from behind a cursor."""
        where: dict[str, Any] = {"cursor": {"$gt": after}}
        if post is not None:
            where["post"] = post
        found: list[dict[str, Any]] = (
            await self._notices.find(where).sort("cursor", 1).limit(limit).to_list(limit)
        )
        return found


def _notice(envelope: Envelope, fact: Fact) -> dict[str, Any] | None:
    """Return the notice of a fact; None if nobody is there to be told."""
    if not isinstance(fact, ReminderFired | EscalationRaised) or fact.post is None:
        return None
    told_at = real_now()
    step, level = (fact.rung, fact.level) if isinstance(fact, EscalationRaised) else (fact.days_before, 0)
    return {
        "_id": envelope.id,
        "cursor": f"{to_micros(told_at):020d}-{envelope.id}",
        "kind": TOLD[fact.type],
        "duty": fact.duty,
        "unit": fact.unit,
        "post": fact.post,
        "person": fact.person,
        "due_at": fact.due_at,
        "planned_at": fact.planned_at,
        "decided_at": envelope.time,
        "step": step,
        "level": level,
    }
