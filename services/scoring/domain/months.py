"""Windows: calendar months in a unit's own zone, by the moment before a duty is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MICROSECOND = timedelta(microseconds=1)


def window_of(due_at: datetime, zone: str) -> str:
    """Return the month that a due moment belongs to: 31 January 24:00 is in 2026-01."""
    return month_of(due_at - MICROSECOND, zone)


def month_of(moment: datetime, zone: str) -> str:
    """Return the month of a moment."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.year:04d}-{local.month:02d}"


def shifted(window: str, months: int) -> str:
    """Return the window so many months later."""
    year, month = map(int, window.split("-"))
    years, months = divmod(month - 1 + months, 12)
    return f"{year + years:04d}-{months + 1:02d}"


def last_windows(window: str, count: int) -> tuple[str, ...]:
    """Return the *count* windows that end with *window*, the earliest first."""
    return tuple(shifted(window, -n) for n in reversed(range(count)))


def starts_at(window: str, zone: str) -> datetime:
    """Return the first moment of a month; what is due at it belongs to the month before."""
    year, month = map(int, window.split("-"))
    return datetime(year, month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def ends_at(window: str, zone: str) -> datetime:
    """Return the last moment that belongs to a window: its month's 24:00."""
    return starts_at(shifted(window, 1), zone)
