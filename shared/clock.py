"""The one home of time: real time for leases and pauses, business time for everything else."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.store import StoreUnavailableError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970 UTC, without loss."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the UTC moment of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def real_now() -> datetime:
    """Return real time, UTC."""
    return datetime.now(UTC)


class Clock(Protocol):
    """Business time, as every process of a stack sees it; it never goes back."""

    def now(self) -> datetime:
        """Return business time, UTC."""

    def real(self, moment: datetime) -> datetime:
        """Return the real instant at which this clock reached or will reach a moment."""

    async def refresh(self) -> None:
        """Learn what other processes may know already."""


class SystemClock:
    """Business time is real time."""

    def now(self) -> datetime:
        """Return real time."""
        return real_now()

    def real(self, moment: datetime) -> datetime:
        """Return the moment itself."""
        return moment

    async def refresh(self) -> None:
        """Do nothing: there is nothing to learn."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The one document of a hurried clock: at ``real`` it showed ``story``, and runs at ``speed``."""

    real: datetime
    story: datetime
    speed: float = 1.0

    def at(self, real: datetime) -> datetime:
        """Return business time at a real instant."""
        return self.story + (real - self.real) * self.speed


class StoryClock:
    """Business time that jumps: all processes read one document of it."""

    def __init__(self, read: Callable[[], Awaitable[Reading]], every: timedelta) -> None:
        """Read the document by *read*, afresh *every* so often while ``run`` runs."""
        self.on_jump: Callable[[], None] = lambda: None
        self._read = read
        self._every = every
        self._reading: Reading | None = None
        self._last = EPOCH
        self._jumps: list[Reading] = []

    def now(self) -> datetime:
        """Return business time; it stands still rather than go back."""
        if self._reading is None:
            raise RuntimeError("the clock was not read yet")
        self._last = max(self._last, self._reading.at(real_now()))
        return self._last

    def real(self, moment: datetime) -> datetime:
        """Return the real instant at which the clock reached a moment: at a jump, the jump's."""
        reached = moment
        for reading in reversed(self._jumps):
            if reading.story <= moment:
                at = reading.real + (moment - reading.story) / reading.speed
                return at if reached == moment else min(at, reached)
            reached = reading.real
        return reached

    async def refresh(self) -> None:
        """Read the document."""
        reading = await self._read()
        if reading != self._reading:
            self._reading = reading
            self._jumps = [*self._jumps[-63:], reading]
            self.on_jump()

    async def run(self) -> None:
        """Keep reading the document until cancelled."""
        while True:
            with suppress(StoreUnavailableError):
                await self.refresh()
            await asyncio.sleep(self._every.total_seconds())


def monotonic() -> float:
    """Return seconds that only ever grow, for measuring durations."""
    return time.perf_counter()
