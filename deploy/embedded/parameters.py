"""What the story is made of: all of it is data."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
SAMPLE = Path(__file__).parent / "data" / "divisions-wenzhou.csv"
TREES = {"dongtou": "330305", "wenzhou": "3303"}
"""Trees by name: the code of the highest unit that plays; its superiors are placed above it."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Who plays, when, and how people behave; shares are of one, days are working days."""

    root: str = TREES["dongtou"]
    top: str = "33"
    """Where reporting begins: the root has no superior edges."""
    seed: int = 1
    begins_at: datetime = datetime(2025, 12, 31, 23, 0, tzinfo=ZONE)
    schedule: str = "double-report"
    year: int = 2026
    on_time: float = 0.80
    late: float = 0.07
    half: float = 0.05
    paper: float = 0.20
    """Of the late ones, those that lay on paper in the office in time and are recorded late."""
    acknowledges: float = 0.20
    vacant: float = 0.03
    hours: tuple[int, ...] = (9, 14)
    lessons: tuple[int, ...] = (3, 4, 5, 6)
    """Another system brings a lesson due at the end of these months, for one township of each county."""
    lesson_days: tuple[tuple[int, ...], tuple[int, ...]] = ((3, 8), (2, 6))
    """So many working days before due a lesson is held, or after it; in the afternoon."""
    lessons_on_time: float = 0.70
    lessons_late: float = 0.10
    confirms: float = 0.80
    """Of the inspections that are proposed; the others are dismissed."""
    rectifies_in_time: float = 0.80
    returned: float = 0.20
    """Of the rectifications, those that are not accepted at first sight."""
