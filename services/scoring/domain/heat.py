"""Heat (上热下冷): how warm a territory is, and whether pressure is lost between it and those below."""

from dataclasses import dataclass
from fractions import Fraction

from services.scoring.domain.rate import Rate

LATE = Fraction(1, 2)
"""What a duty counts that was done late; 1 if done in time and accepted, 0 otherwise (mission §1.13)."""


@dataclass(frozen=True, slots=True)
class HeatScheme:
    """When a flag is raised, as data; a published version is never changed."""

    name: str = "heat"
    version: int = 1
    threshold: Fraction = Fraction(1, 5)
    """The least difference of heat that counts as a loss."""
    windows: int = 2
    """In how many consecutive windows it must be so."""
    zone: str = "Asia/Shanghai"
    """Where the end of a month is looked for first."""

    @property
    def id(self) -> str:
        """Return what a flag says of its scheme."""
        return f"{self.name}/{self.version}"


SCHEME = HeatScheme()


def heat(rate: Rate) -> Fraction | None:
    """Return the heat of what was due, None if nothing was."""
    return None if rate.is_empty else (rate.on_time + LATE * rate.late) / rate.due


def gap(upper: Rate, lower: Rate) -> Fraction | None:
    """Return by how much the upper side is hotter, None if either side has no data."""
    above, below = heat(upper), heat(lower)
    return None if above is None or below is None else above - below


def is_lost(upper: Rate, lower: Rate, scheme: HeatScheme) -> bool:
    """Tell whether pressure is lost between two sides; nothing is said without data on both."""
    difference = gap(upper, lower)
    return difference is not None and difference >= scheme.threshold
