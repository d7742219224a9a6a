"""The calendar of working days: Chinese statutory holidays with make-up days, and moments counted in them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import chinese_calendar

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


class Workdays(Protocol):
    """Which days are worked; hashable, and always of one opinion, because what was counted is kept."""

    @property
    def covered_until(self) -> date:
        """Return the last day that is known; what lies beyond is provisional."""

    def is_working(self, day: date) -> bool:
        """Tell whether a day is worked; Monday to Friday where it is not known. Never raises."""


@dataclass(frozen=True)
class ChineseWorkdays:
    """The days that the State Council has published, as the package `chinesecalendar` knows them."""

    @property
    def covered_until(self) -> date:
        """Return the end of the last published year."""
        return _published_until()

    def is_working(self, day: date) -> bool:
        """Tell whether a day is worked; a make-up Saturday is."""
        return _is_published_workday(day)


@cache
def _is_published_workday(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.isoweekday() <= 5


@cache
def _published_until() -> date:
    return date(max(chinese_calendar.holidays).year, 12, 31)


@dataclass(frozen=True, eq=False)
class Calendar:
    """Moments counted in working days.

    The day of a due moment is the local date of the last instant before it: 31 January 24:00 is the 31st.
    """

    workdays: Workdays = ChineseWorkdays()

    def after(self, due_at: datetime, working_days: int, at: time, zone: str) -> datetime:
        """Return *at* local time on the n-th working day after the day of a due moment; n is 1 or more."""
        return _moment(self, due_at, working_days, DAY, at, zone)

    def before(self, due_at: datetime, working_days: int, at: time, zone: str) -> datetime:
        """Return *at* local time on the n-th working day before the day of a due moment; n is 1 or more."""
        return _moment(self, due_at, working_days, -DAY, at, zone)

    def is_provisional(self, moment: datetime, zone: str) -> bool:
        """Tell whether a moment lies beyond the published days, and may move when the next year is."""
        return moment.astimezone(ZoneInfo(zone)).date() > self.workdays.covered_until

    def days_left(self, moment: datetime, zone: str) -> int:
        """Return how many more days are published after that of a moment; less than none beyond them."""
        return (self.workdays.covered_until - moment.astimezone(ZoneInfo(zone)).date()).days


@lru_cache(maxsize=65_536)
def _moment(  # noqa: PLR0917 what a cache is asked by
    calendar: Calendar, due_at: datetime, count: int, step: timedelta, at: time, zone: str
) -> datetime:
    """Return *at* local time on a working day counted from that of a due moment; many duties share one."""
    if count < 1:
        raise ValueError(f"not a number of working days: {count}")
    local = ZoneInfo(zone)
    due_on = (due_at - MICROSECOND).astimezone(local).date()
    day = _nth(calendar, due_on, count, step)
    return datetime.combine(day, at, local).astimezone(UTC)


@lru_cache(maxsize=65_536)
def _nth(calendar: Calendar, day: date, count: int, step: timedelta) -> date:
    """Return the working day *count* working days from a day, which itself does not count."""
    while count:
        day += step
        count -= calendar.workdays.is_working(day)
    return day
