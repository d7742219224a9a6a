"""What reminders counts every now and then: open escalations, their age, and the days of the calendar."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from contracts.duties import DutyFulfilled, Line
from services.reminders.app import build
from services.reminders.metrics import OLDEST_OPEN, OPEN
from tests.support.reminders import DUE, OPENED_AT, a_duty, a_village, at
from tests.support.running import Running

MAIN, OTHER = a_duty(), a_duty().model_copy(update={"duty": "other", "line": Line.SUPERVISION})
OLDEST = "reminders_oldest_open_escalation_seconds"
LATER = [a_duty(due_at=DUE + timedelta(days=1)).model_copy(update={"duty": f"later {n}"}) for n in range(6)]
"""In several books, so that the oldest is not by chance the last to be found."""


@pytest.fixture(autouse=True)
def nobody_counted_before() -> None:
    OPEN.clear()
    OLDEST_OPEN.clear()


def told(name: str) -> dict[str, float]:
    """Return what a gauge says for each level and line."""
    found = (metric for metric in REGISTRY.collect() if metric.name == name)
    return {
        f"{sample.labels['level']} {sample.labels['line']}": sample.value
        for metric in found
        for sample in metric.samples
    }


async def counted(running: Running) -> dict[str, float]:
    """Return the open escalations as of now."""
    for book in running.service.opened():
        await book.flush()
    await running.service.count()
    return told("reminders_open_escalations")


async def watching(tmp_path: Path) -> Running:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    await running.hears(*a_village().facts)
    await running.hears(MAIN, OTHER, *LATER)
    return running


async def test_open_escalations_are_counted_where_they_stand_until_somebody_acts(tmp_path: Path) -> None:
    running = await watching(tmp_path)
    assert await counted(running) == {"0 main": 0, "0 supervision": 0}

    await running.until(at("2026-02-04 09:00"))
    assert await counted(running) == {"0 main": 7, "0 supervision": 1}
    await running.until(at("2026-02-06 09:00"))
    assert await counted(running) == {"0 main": 0, "0 supervision": 0, "1 main": 7, "1 supervision": 1}

    await running.hears(DutyFulfilled(duty=MAIN.duty, unit="village", fulfilled_at=running.clock.moment))
    assert await counted(running) == {"0 main": 0, "0 supervision": 0, "1 main": 6, "1 supervision": 1}

    await running.until(at("2027-01-01 09:00"))
    assert sum((await counted(running)).values()) == 7


async def test_the_oldest_open_escalation_is_as_old_as_its_due_moment(tmp_path: Path) -> None:
    running = await watching(tmp_path)
    await running.until(at("2026-02-04 09:00"))
    await counted(running)
    days = {place: timedelta(seconds=age) for place, age in told(OLDEST).items()}
    assert days == {"0 main": timedelta(days=3, hours=9), "0 supervision": timedelta(days=3, hours=9)}

    for duty in (MAIN, OTHER):
        await running.hears(DutyFulfilled(duty=duty.duty, unit="village", fulfilled_at=running.clock.moment))
    await counted(running)
    assert told(OLDEST) == {"0 main": timedelta(days=2, hours=9).total_seconds(), "0 supervision": 0}


async def test_a_replica_counts_only_what_it_writes(tmp_path: Path) -> None:
    running = await watching(tmp_path)
    await running.until(at("2026-02-04 09:00"))
    for book in list(running.service.opened()):
        await book.flush()
        await book.close()

    assert await counted(running) == {"0 main": 0, "0 supervision": 0}


@pytest.mark.parametrize(
    ("moment", "left"),
    [("2026-12-30 23:59", 1), ("2026-12-31 00:00", 0), ("2027-01-01 00:00", -1), ("2026-11-01 12:00", 60)],
)
async def test_the_days_that_the_calendar_still_covers_are_told_by_the_date_of_its_zone(
    tmp_path: Path, moment: str, left: int
) -> None:
    running = await Running("reminders", build, tmp_path, at(moment)).start()
    await running.service.count()
    assert REGISTRY.get_sample_value("reminders_calendar_left_days") == left
