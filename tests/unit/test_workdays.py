"""Working days: what the calendar knows, and moments counted in it (lessons 6 and 7)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.workdays import Calendar, ChineseWorkdays
from tests.support.reminders import DUE, MICROSECOND, SHANGHAI, at

ZONE = "Asia/Shanghai"
NINE = time(9)
CALENDAR = Calendar()
CHINESE = ChineseWorkdays()

moments = st.datetimes(
    min_value=datetime(2003, 1, 1),  # noqa: DTZ001 the strategy adds the zone
    max_value=datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
counts = st.integers(min_value=1, max_value=60)


def local(moment: datetime) -> date:
    return moment.astimezone(SHANGHAI).date()


def days_between(first: date, last: date) -> list[date]:
    """Return the days after the first, the last included."""
    return [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]


@pytest.mark.parametrize(
    ("day", "is_working"),
    [
        (date(2026, 1, 1), False),
        (date(2026, 1, 4), True),
        (date(2026, 2, 14), True),
        (date(2026, 2, 16), False),
        (date(2026, 2, 28), True),
        (date(2026, 1, 31), False),
        (date(2026, 2, 2), True),
    ],
    ids=str,
)
def test_a_holiday_is_closed_and_a_make_up_day_is_worked(day: date, is_working: bool) -> None:
    assert CHINESE.is_working(day) is is_working


@pytest.mark.parametrize("day", [date(2003, 12, 31), date(2027, 1, 1), date(2040, 10, 1)], ids=str)
def test_where_nothing_is_published_monday_to_friday_are_worked(day: date) -> None:
    """Lesson 7: libraries raise on the first day of a year that is not published yet."""
    assert CHINESE.is_working(day) is (day.isoweekday() <= 5)


def test_a_moment_is_provisional_from_the_first_local_day_beyond_the_published_ones() -> None:
    end = datetime.combine(CHINESE.covered_until, time(), SHANGHAI) + timedelta(days=1)
    assert not CALENDAR.is_provisional(end - MICROSECOND, ZONE)
    assert CALENDAR.is_provisional(end, ZONE)


def test_the_thirty_first_at_twenty_four_hours_is_due_on_the_thirty_first() -> None:
    assert CALENDAR.after(DUE, 1, NINE, ZONE) == at("2026-02-02 09:00")
    assert CALENDAR.before(DUE, 1, NINE, ZONE) == at("2026-01-30 09:00")


@pytest.mark.parametrize(
    ("due_at", "first_after"),
    [
        (at("2026-02-03 00:00") - MICROSECOND, at("2026-02-03 09:00")),
        (at("2026-02-03 00:00"), at("2026-02-03 09:00")),
        (at("2026-02-03 00:00") + MICROSECOND, at("2026-02-04 09:00")),
    ],
    ids=["before midnight", "at midnight", "after midnight"],
)
def test_the_day_of_a_due_moment_ends_with_midnight(due_at: datetime, first_after: datetime) -> None:
    assert CALENDAR.after(due_at, 1, NINE, ZONE) == first_after


def test_the_ladder_of_the_story_steps_over_the_spring_festival() -> None:
    """Lesson 6: the 14th is a Saturday that is worked, then nobody is told anything until the 24th."""
    moments = [CALENDAR.after(DUE, n, NINE, ZONE) for n in (10, 11, 12, 13)]
    days = ("2026-02-13", "2026-02-14", "2026-02-24", "2026-02-25")
    assert moments == [at(f"{day} 09:00") for day in days]


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_working_day_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="working days"):
        CALENDAR.after(DUE, count, NINE, ZONE)


@given(moments, counts)
@settings(max_examples=200, deadline=None)
def test_a_counted_moment_lies_on_the_nth_working_day_and_never_on_a_closed_one(
    due_at: datetime, n: int
) -> None:
    due_on = local(due_at - MICROSECOND)
    later, earlier = CALENDAR.after(due_at, n, NINE, ZONE), CALENDAR.before(due_at, n, NINE, ZONE)
    for moment in (later, earlier):
        assert moment.astimezone(SHANGHAI).time() == NINE
        assert CHINESE.is_working(local(moment))
    assert sum(map(CHINESE.is_working, days_between(due_on, local(later)))) == n
    assert (
        sum(
            map(
                CHINESE.is_working,
                days_between(local(earlier) - timedelta(days=1), due_on - timedelta(days=1)),
            )
        )
        == n
    )


@given(moments, counts)
@settings(max_examples=100, deadline=None)
def test_more_working_days_are_later_and_there_and_back_is_the_same_day(due_at: datetime, n: int) -> None:
    later = CALENDAR.after(due_at, n, NINE, ZONE)
    assert CALENDAR.after(due_at, n + 1, NINE, ZONE) > later
    assert CALENDAR.before(due_at, n + 1, NINE, ZONE) < CALENDAR.before(due_at, n, NINE, ZONE) < due_at
    assert CALENDAR.after(CALENDAR.before(later, n, NINE, ZONE), n, NINE, ZONE) == later


@dataclass(frozen=True)
class OnlyUntil:
    """The calendar as it was known at the end of a year."""

    covered_until: date

    def is_working(self, day: date) -> bool:
        return CHINESE.is_working(day) if day <= self.covered_until else day.isoweekday() <= 5


def test_a_moment_beyond_the_year_moves_when_the_next_year_is_published() -> None:
    """Lesson 7: from 2025 to 2026, before and after the import; a Sunday is worked to make up."""
    due_at = at("2026-01-01 00:00")
    before, after = Calendar(OnlyUntil(date(2025, 12, 31))), Calendar(OnlyUntil(date(2026, 12, 31)))
    assert before.after(due_at, 1, NINE, ZONE) == at("2026-01-01 09:00")
    assert before.is_provisional(at("2026-01-01 09:00"), ZONE)
    assert after.after(due_at, 1, NINE, ZONE) == at("2026-01-04 09:00")
    assert not after.is_provisional(at("2026-01-04 09:00"), ZONE)
