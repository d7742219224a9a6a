"""Time in: at the end of a month every edge is judged, once all before it was heard."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.topics import PARTITIONS
from services.scoring.domain.flags import KIND, windows_for
from services.scoring.domain.heat import SCHEME
from services.scoring.domain.model import HEAT, CloseMonth, Heat, JudgeEdges, Reading
from services.scoring.domain.months import ends_at
from services.scoring.domain.rate import Rate
from services.scoring.domain.territory import edges, sides
from services.scoring.domain.view import Scores, Slice
from services.scoring.entrypoints.hearing import Hearing
from services.scoring.metrics import FLAGS, JUDGEMENT
from shared.book import Book
from shared.decider import Request
from shared.service import Service

EDGES_AT_ONCE = 500


class Judge:
    """Judges heat month by month; never ahead of an owner of duties, never on an unread tree."""

    def __init__(self, service: Service[Any], hearing: Hearing, scores: Scores) -> None:
        self._service, self._hearing, self._scores = service, hearing, scores

    async def wake(self, book: Book[Any], streams: Sequence[str]) -> list[str]:
        """Judge the month that is over; return the stream if it must wait."""
        return [stream for stream in streams if not await self._judge(book)]

    async def _judge(self, book: Book[Any]) -> bool:
        heat: Heat = await book.peek(HEAT)
        as_of = await self._hearing.as_of()
        directory = self._service.heard.through_all("directory", PARTITIONS, "/zeren/directory")
        end = self._end(heat.month)
        if as_of is None or directory is None or min(as_of, directory) <= end:
            return False
        with JUDGEMENT.time():
            windows = sorted(windows_for(heat, SCHEME))
            rates = {w: await self._scores.rates(None, as_of, Slice(w)) for w in windows}
            found = list(self._readings(heat, rates))
            parts = [tuple(found[n : n + EDGES_AT_ONCE]) for n in range(0, len(found), EDGES_AT_ONCE)]
            wishes = [*(JudgeEdges(heat.month, part) for part in parts), CloseMonth(heat.month)]
            requests = [Request(HEAT, wish, f"time:{HEAT}/{heat.month}") for wish in wishes]
            for outcome in await book.handle(requests):
                if outcome.error is not None:
                    raise outcome.error
        FLAGS.labels(KIND).set(len((await book.peek(HEAT)).flags))
        return True

    def _end(self, month: str) -> datetime:
        """Return when a month is over in every zone of the tree."""
        zones = {SCHEME.zone, *(unit.zone for unit in self._service.tree.units.values())}
        return max(ends_at(month, zone) for zone in zones)

    def _readings(self, heat: Heat, rates: Mapping[str, Mapping[str, Rate]]) -> Iterator[Reading]:
        """Yield both sides of every edge; an edge that is flagged and no more there has none."""
        gone = set(heat.flags)
        for edge in edges(self._service.tree):
            gone.discard(edge.unit)
            yield Reading(edge.unit, {window: sides(edge, by_unit) for window, by_unit in rates.items()})
        yield from (Reading(unit, {}) for unit in sorted(gone))
