"""What the view knows of the running services: asked again and again, beside the story."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from deploy.embedded.client import StuckError
from deploy.embedded.story import Story
from shared.clock import monotonic

ASKED_EVERY = 1.0
RESTS = 20
"""Who asks rests so many times as long as the answer took: the view must not slow down what it shows."""
OPENED = ("duties", "duties.duty-opened.v1", "applied")
EDGES = 100
LOST = (1, 5)
"""Pressure is lost where those below a unit are colder by this fraction or more."""
LATENESS = "reminders_wakeup_lateness_seconds"


@dataclass(slots=True)
class Board:
    """The newest answers of the services."""

    opened: int = 0
    """Duties that reminders watches."""
    lateness: dict[float, float] = field(default_factory=dict)
    """How many decisions were at most so many seconds late."""
    levels: list[dict[str, Any]] = field(default_factory=list)
    """The rates by level, from scoring."""
    lost: list[dict[str, Any]] = field(default_factory=list)
    """The edges of the tree on which pressure is lost now, from scoring; a flag takes longer."""

    async def keep_asking(self, story: Story) -> None:
        """Ask until cancelled."""
        while True:
            began = monotonic()
            with suppress(StuckError):
                await self.ask(story)
            await asyncio.sleep(max(ASKED_EVERY, RESTS * (monotonic() - began)))

    async def ask(self, story: Story) -> None:
        """Ask the services once."""
        self._read(await story.client.metrics("reminders"))
        if not story.tally.reports:
            return
        top = story.parameters.top
        levels = await story.client.get("scoring", f"/v1/units/{top}/levels", "operator")
        self.levels = levels["items"]
        edges = story.client.pages("scoring", f"/v1/units/{top}/edges", limit=EDGES)
        self.lost = [edge async for edge in edges if is_lost(edge)]

    def _read(self, text: str) -> None:
        buckets: dict[float, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = sample.labels
                if sample.name == "zeren_records_total":
                    if (labels["topic"], labels["type"], labels["result"]) == OPENED:
                        self.opened = int(sample.value)
                elif sample.name == f"{LATENESS}_bucket":
                    bound = float(labels["le"])
                    buckets[bound] = buckets.get(bound, 0) + sample.value
        self.lateness = buckets or self.lateness

    def percentile(self, share: float) -> float | None:
        """Return the bound below which a share of the decisions was late, in seconds; None without any."""
        count = max(self.lateness.values(), default=0)
        if not count:
            return None
        return next(bound for bound, below in sorted(self.lateness.items()) if below >= share * count)


def is_lost(edge: dict[str, Any]) -> bool:
    """Tell whether those below an edge are markedly colder; without data on a side they are not."""
    gap = edge["gap"]
    return bool(gap["denominator"]) and gap["numerator"] * LOST[1] >= LOST[0] * gap["denominator"]
