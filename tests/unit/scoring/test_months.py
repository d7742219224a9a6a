"""To which month a duty belongs."""

from datetime import UTC, datetime, timedelta

import pytest

from services.scoring.domain.months import ends_at, last_windows, month_of, shifted, starts_at, window_of

MICROSECOND = timedelta(microseconds=1)
END = datetime(2026, 1, 31, 16, tzinfo=UTC)
"""31 January 2026, 24:00 in Shanghai."""


@pytest.mark.parametrize(
    ("due_at", "window"),
    [(END - MICROSECOND, "2026-01"), (END, "2026-01"), (END + MICROSECOND, "2026-02")],
)
def test_what_is_due_at_24_00_belongs_to_the_day_before(due_at: datetime, window: str) -> None:
    assert window_of(due_at, "Asia/Shanghai") == window


def test_a_month_ends_by_the_clock_of_the_unit() -> None:
    assert window_of(END + MICROSECOND, "UTC") == "2026-01"
    assert ends_at("2026-01", "Asia/Shanghai") == END
    assert ends_at("2026-01", "UTC") == END + timedelta(hours=8)
    assert starts_at("2026-02", "Asia/Shanghai") == END
    assert month_of(END, "Asia/Shanghai") == "2026-02"


def test_months_go_on_over_the_end_of_a_year() -> None:
    assert (shifted("2025-12", 1), shifted("2026-01", -1), shifted("2026-03", -15)) == (
        "2026-01",
        "2025-12",
        "2024-12",
    )
    assert last_windows("2026-01", 3) == ("2025-11", "2025-12", "2026-01")
