"""What is counted every now and then: open escalations, their age, and how far the calendar reaches."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from contracts.duties import Line
from services.reminders.domain.ladder import POLICIES
from services.reminders.domain.model import Watch
from services.reminders.domain.standing import open_level
from services.reminders.metrics import CALENDAR_LEFT, OLDEST_OPEN, OPEN
from shared.clock import to_micros
from shared.mongo import Index
from shared.service import Service
from shared.workdays import Calendar

VIEWS: tuple[Index, ...] = ([("view.open", 1)],)
Place = tuple[str, str]
"""Level and line."""


def view(watch: Watch) -> Mapping[str, Any]:
    """Return what is stored beside a watch for the query: of an open escalation where it stands."""
    level = open_level(watch)
    if watch.opened is None or level is None:
        return {}
    return {"open": f"{level}/{watch.opened.line}", "due_at": to_micros(watch.opened.due_at)}


class Tally:
    """The gauges of reminders that are not counted as facts pass."""

    def __init__(self, service: Service[Any], calendar: Calendar) -> None:
        self._service, self._calendar = service, calendar
        self._places: set[Place] = {("0", line) for line in Line}

    async def count(self, books: Collection[int]) -> None:
        """Count the open escalations of these books as they are stored, and the days of the calendar."""
        now = self._service.clock.now()
        zones = {policy.zone for policy in POLICIES.values()}
        CALENDAR_LEFT.set(min(self._calendar.days_left(now, zone) for zone in zones))
        found = await self._found(books)
        self._places |= found.keys()
        for place in self._places:
            count, due_at = found.get(place, (0, to_micros(now)))
            OPEN.labels(*place).set(count)
            age = timedelta(microseconds=to_micros(now) - due_at)
            OLDEST_OPEN.labels(*place).set(age.total_seconds())

    async def _found(self, books: Collection[int]) -> dict[Place, tuple[int, int]]:
        """Return for each place how many are open and when the oldest was due."""
        tally = await self._service.store.tally_states({"view.open": {"$gt": ""}}, "view.open", "view.due_at")
        found: dict[Place, tuple[int, int]] = {}
        for (book, where), (count, due_at) in tally.items():
            if book in books:
                level, _, line = where.partition("/")
                before, oldest = found.get((level, line), (0, due_at))
                found[level, line] = (before + count, min(oldest, due_at))
        return found
