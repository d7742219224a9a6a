"""Through when all owners of duties were heard: kept by partition, so that any replica can answer."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Any

from contracts.topics import PARTITIONS, TOPICS
from services.scoring.domain.heat import SCHEME
from services.scoring.domain.model import HEAT, BeginHeat
from services.scoring.domain.months import month_of
from services.scoring.metrics import AS_OF
from shared.book import BookLostError
from shared.clock import from_micros, monotonic, to_micros
from shared.decider import Request
from shared.service import Service

HEAT_BOOK = 0
"""The book in which heat is judged, for ever."""
MARKED_EVERY = 1.0
"""Seconds between two writings of a partition's mark."""


class Hearing:
    """What this process hears itself, and what the others have marked of their partitions."""

    def __init__(self, service: Service[Any]) -> None:
        self._service = service
        self._marked_at: dict[int, float] = {}

    async def note(self, books: Collection[int]) -> None:
        """Mark how far was heard on these partitions, and let heat begin."""
        if HEAT_BOOK in books:
            await self._begin()
        await self._mark(books)

    async def as_of(self) -> datetime | None:
        """Return the moment before which all that was decided about any duty stands in the database.

        None if an owner has not yet said on every partition that all is said.
        """
        heard = {number: self._through(number) for number in self._service.books}
        # A row that is heard but not yet written would be missing from the sums.
        await asyncio.gather(*(book.flush() for book in self._service.opened()))
        moments = await asyncio.gather(*(self._known(n, heard.get(n)) for n in range(PARTITIONS)))
        known = [moment for moment in moments if moment is not None]
        if len(known) < PARTITIONS:
            return None
        AS_OF.set(min(known).timestamp())
        return min(known)

    def _through(self, partition: int) -> datetime | None:
        moments = [
            self._service.heard.through("duties", partition, f"/zeren/{owner}")
            for owner in TOPICS["duties"].producers
        ]
        known = [moment for moment in moments if moment is not None]
        return min(known) if len(known) == len(moments) else None

    async def _known(self, partition: int, heard: datetime | None) -> datetime | None:
        if heard is not None:
            return heard
        mark = (await self._service.store.marks(partition)).get("heard")
        return None if mark is None else from_micros(mark)

    async def _mark(self, numbers: Collection[int]) -> None:
        """Mark how far was heard on partitions, once the rows heard are stored."""
        marks = {}
        for book in self._service.opened():
            number, moment = book.number, self._through(book.number)
            is_fresh = monotonic() - self._marked_at.get(number, -MARKED_EVERY) < MARKED_EVERY
            if number in numbers and moment is not None and not is_fresh:
                self._marked_at[number] = monotonic()
                await book.flush()
                marks[number] = {"heard": to_micros(moment)}
        await self._service.store.set_marks(marks)

    async def _begin(self) -> None:
        """Let the first month of heat begin; what has begun changes nothing."""
        book = self._service.books.get(HEAT_BOOK)
        if book is None or (await book.peek(HEAT)).month:
            return
        wish = BeginHeat(month_of(self._service.clock.now(), SCHEME.zone))
        with suppress(BookLostError):
            await book.handle([Request(HEAT, wish, f"time:{HEAT}/{wish.month}")])
