"""When a special inspection is proposed: a rule as data, and the misses that carry it (mission I4)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from contracts.inspections import Evidence


@dataclass(frozen=True, slots=True)
class Trigger:
    """So many different misses of one unit within a window propose an inspection; immutable by version."""

    name: str
    version: int
    misses: int
    window: timedelta = timedelta(days=365)
    """From the first due moment, inclusive, to the last, exclusive: a yearly duty falls into it once."""
    kind: str = "special"

    @property
    def id(self) -> str:
        """Return what a proposal names its rule by."""
        return f"{self.name}/{self.version}"


MISSED_THREE = Trigger("missed-three", 1, misses=3)


def obligation(miss: Evidence) -> tuple[str, str]:
    """Return what was missed: one report to two recipients is one."""
    return miss.occurrence, miss.period


def carrying(misses: Collection[Evidence], trigger: Trigger) -> tuple[Evidence, ...]:
    """Return the misses of the latest window that holds enough different ones; none if no window does."""
    for end in sorted({miss.due_at for miss in misses}, reverse=True):
        within = tuple(miss for miss in misses if end - trigger.window < miss.due_at <= end)
        if len({obligation(miss) for miss in within}) >= trigger.misses:
            return within
    return ()
