"""What a process tells of itself each second, and what it has counted every now and then."""

import asyncio
from collections import deque
from collections.abc import Collection
from typing import Any

from shared import metrics
from shared.book import Book
from shared.clock import monotonic
from shared.timer import Timer

NAP = 0.05
NAPS = 20
LOOKED_BACK = 15
"""Seconds: longer than Prometheus stays away, or it would miss the worst of them."""
COUNTED_EVERY = 10.0
RESTS = 50
"""How many times as long as a count took is none: the database has other work."""


class Lateness:
    """How late the event loop lets go on who sleeps."""

    def __init__(self) -> None:
        """Begin with no lateness known."""
        self._worst: deque[float] = deque(maxlen=LOOKED_BACK)

    async def over_a_second(self) -> float:
        """Sleep for a second, in naps; return the worst lateness of the last seconds."""
        self._worst.append(max([await self._nap() for _ in range(NAPS)]))
        return max(self._worst)

    async def _nap(self) -> float:
        began = monotonic()
        await asyncio.sleep(NAP)
        return max(0.0, monotonic() - began - NAP)


def tell(service: str, books: Collection[Book[Any]], timer: Timer | None) -> None:
    """Tell how far the books of a process are, and what its timer has before it."""
    head, applied, said, told = (
        sum(b.head for b in books),
        sum(b.applied for b in books),
        sum(b.said for b in books),
        sum(b.told for b in books),
    )
    for mark, page in (("head", head), ("applied", applied), ("said", said), ("told", told)):
        metrics.MARKS.labels(service, mark).set(page)
    metrics.OPEN_BOOKS.labels(service).set(len(books))
    metrics.RELAY_LAG.labels(service).set(head - said)
    metrics.STATE_LAG.labels(service).set(head - applied)
    if timer is not None:
        metrics.TIMERS_HELD.labels(service).set(sum(map(len, timer.held.values())))
        metrics.TIMER_BEHIND.labels(service).set(timer.behind())
        metrics.TIMER_DUE.labels(service).set(timer.due())


def pause_after(took: float) -> float:
    """Return for how many seconds nothing is counted after a count that took so many."""
    return max(COUNTED_EVERY, RESTS * took)
