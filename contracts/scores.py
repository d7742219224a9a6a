"""Facts of the topic ``scores``: what the duties add up to, and where pressure is lost on the way."""

from pydantic import Field

from contracts.envelope import Fact


class ScoreFact(Fact, topic="scores", prefix="score", key="unit"):
    """A fact about what the duties of a unit, or of those below it, add up to."""

    unit: str = Field(description="the upper unit of the edge")


class HeatFlagged(ScoreFact):
    """Those below a unit fulfil markedly less in time than the unit itself (上热下冷, mission V1)."""

    kind: str = Field(description="open list: vertical …")
    scheme: str = Field(description="threshold and number of windows, <name>/<version>")
    windows: tuple[str, ...] = Field(description="the consecutive windows in which it was so: 2026-01 …")
    upper_on_time: int = Field(description="duties of the unit fulfilled in time, in the last window")
    upper_due: int = Field(description="duties of the unit that were due, in the last window")
    lower_on_time: int = Field(description="the same for all units directly below")
    lower_due: int = Field(description="the same for all units directly below")
    upper_late: int = Field(default=0, description="done late, which counts half; in the last window")
    lower_late: int = Field(default=0, description="the same for all units directly below")


class HeatUnflagged(ScoreFact):
    """A flag no longer stands: the gap is closed, or misses were withdrawn."""

    kind: str = Field(description="open list: vertical …")
    window: str = Field(description="the last window that was judged")
