"""The hurried clock: it moves on when everybody has heard and said everything, never before."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import stamina

from deploy.embedded.client import Client, StuckError
from shared.clock import Reading, from_micros, monotonic, real_now, to_micros
from shared.mongo import ClockDocument
from shared.store import StoreUnavailableError

POLLED_EVERY = 0.04
"""Seconds: asking costs the services time as well."""


class Hurry:
    """Moves the story's clock for all processes and waits for the system, never the system for it."""

    def __init__(self, clock: ClockDocument, client: Client, begins_at: datetime) -> None:
        """Move *clock*, beginning at a moment; *client* asks how far the services are."""
        self._clock, self._client = clock, client
        self.now = begins_at
        """The moment to which the clock was last moved."""
        self.jumps = 0
        self.settled_at = 0.0
        """When it was last seen that all was said, in the seconds of ``monotonic``."""

    async def start(self, not_before: int) -> None:
        """Set the clock going: from the beginning, or where an earlier run left it."""
        with suppress(StoreUnavailableError):
            self.now = (await self._clock.read()).story
        self.now = max(self.now, from_micros(not_before))
        await self._clock.write(Reading(real_now(), self.now))

    async def jump(self, to: datetime) -> None:
        """Move the clock on to a moment and wait until every process sees it; it never goes back.

        Raises:
            StuckError: somebody does not see it.
        """
        if to <= self.now:
            return
        self.jumps += 1
        self.now = to
        if not await self._is_seen():
            async for attempt in stamina.retry_context(
                StoreUnavailableError, attempts=None, timeout=self._client.patience
            ):
                with attempt:
                    await self._clock.write(Reading(real_now(), to))
        moved_at = monotonic()
        while not await self._is_seen():
            if monotonic() - moved_at > self._client.patience:
                raise StuckError(f"not everybody sees {to.isoformat()}")
            await asyncio.sleep(POLLED_EVERY)

    async def _is_seen(self) -> bool:
        shown = (await self._client.progress()).values()
        return all(one is not None and one["now"] >= to_micros(self.now) for one in shown)

    async def settle(self) -> datetime | None:
        """Wait until all have heard and said everything; return the next moment that anybody waits for.

        Raises:
            StuckError: they do not come to rest, and nothing more is decided or heard.
        """
        target, moved_at, before = to_micros(self.now), monotonic(), None
        while True:
            progress = await self._client.progress()
            told = [one for one in progress.values() if one is not None]
            wakes = [one["wakes_at"] for one in told if one["wakes_at"] is not None]
            if len(told) == len(progress) and is_settled(told, target) and all(w > target for w in wakes):
                self.settled_at = monotonic()
                return from_micros(min(wakes)) if wakes else None
            now = [(one["decided_at"], one["pages"]) for one in told]
            if now != before:
                moved_at, before = monotonic(), now
            if monotonic() - moved_at > self._client.patience:
                raise StuckError(f"not settled at {self.now.isoformat()}: {told}")
            await asyncio.sleep(POLLED_EVERY)


def is_settled(told: Iterable[Mapping[str, Any]], target: int) -> bool:
    """Tell whether all have said what they decided, and heard what those decided whom they hear.

    Replicas speak for their own books; each book must be spoken for.
    """
    told = list(told)
    decided: dict[str, int] = {}
    spoken_for: dict[str, set[int]] = {}
    for one in told:
        decided[one["source"]] = max(one["decided_at"], decided.get(one["source"], target))
        spoken_for.setdefault(one["source"], set()).update(one["books"])
    if any(len(spoken_for[one["source"]]) < one["of"] for one in told):
        return False
    return all(
        (one["said"] or 0) > decided[one["source"]]
        and all((heard or 0) > decided[source] for source, heard in one["heard"].items())
        for one in told
    )
