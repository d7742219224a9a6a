"""Each service in the middle of its work, for tests that throw garbage at it."""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from contracts.duties import Line
from contracts.escalations import DutyMissed
from contracts.topics import PARTITIONS
from services.directory.app import build as build_directory
from services.inspection.app import build as build_inspection
from services.reminders.app import build as build_reminders
from services.reporting.app import build as build_reporting
from services.scoring.app import build as build_scoring
from shared.clock import MICROSECOND
from shared.ids import partition_of
from shared.state import Inbound
from tests.support.reminders import DUE, OPENED_AT, a_duty, a_village
from tests.support.running import Build, Running

UNIT, ROOT = "village", "province"
INSPECTION, FINDING = f"{UNIT}.special.1", f"{UNIT}.special.1.1"
LESSON = "somebody.lesson-1"
REPORT = f"2025.main-responsibility.{UNIT}"
PARKED = "parked"
"""A stream that has dead letters, in each service that hears a topic."""
LETTERS = 5
"""Fewer than stop a service."""
ROLES = ("operator", "filer", "inspector", f"post:{UNIT}/handler", "duties:lesson")
ROWS = """code,name,parent,level
province,省,,province
city,市,province,city
county,县,city,county
town,镇,county,town
village,村,town,village
"""


BUILDS: dict[str, Build] = {
    "reporting": build_reporting,
    "reminders": build_reminders,
    "inspection": build_inspection,
    "scoring": build_scoring,
}


async def new(name: str, folder: Path) -> Running:
    """Return a service that has read the directory, and nothing else."""
    running = await Running(name, BUILDS[name], folder, OPENED_AT).start()
    await running.hears(*a_village().facts)
    return running


async def directory(folder: Path) -> Running:
    """Return the directory with five territories."""
    running = await Running("directory", build_directory, folder, datetime(2026, 1, 5, tzinfo=UTC)).start()
    await _done(running, "/v1/imports/units", content=ROWS.encode())
    return running


async def reporting(folder: Path) -> Running:
    """Return reporting in the middle of January, with a foreign duty."""
    running = await Running("reporting", build_reporting, folder, datetime(2025, 10, 1, tzinfo=UTC)).start()
    await running.hears(*a_village().facts)
    await _done(running, "/v1/schedules/yearly", json={"root": ROOT, "first_year": 2026})
    await running.until(datetime(2026, 1, 20, tzinfo=UTC))
    lesson = {"id": "lesson-1", "unit": UNIT, "kind": "lesson", "line": "main", "recipient": "town"}
    await _done(running, "/v1/duties", json={**lesson, "period": "2026", "due_at": "2026-02-20T00:00:00Z"})
    return running


async def reminders(folder: Path) -> Running:
    """Return reminders with a duty that was missed."""
    running = await Running("reminders", build_reminders, folder, OPENED_AT).start()
    await running.hears(*a_village().facts)
    await running.hears(a_duty())
    await running.until(DUE + timedelta(days=3))
    return running


async def inspection(folder: Path) -> Running:
    """Return inspection with an inspection that is open, and a finding."""
    now = DUE + timedelta(days=40)
    running = await Running("inspection", build_inspection, folder, now).start()
    await running.hears(*a_village().facts)
    for n in range(3):
        miss: dict[str, Any] = {"duty": f"{UNIT}-duty-{n}", "unit": UNIT, "kind": "lesson", "line": Line.MAIN}
        due_at = DUE + timedelta(days=n)
        await running.hears(DutyMissed(**miss, recipient="town", period="2026", due_at=due_at))
    where = f"/v1/units/{UNIT}/inspections/{INSPECTION}"
    await _done(running, f"{where}/opening", json={})
    await _done(running, f"{where}/findings", json={"line": "main", "text": "no minutes were kept"})
    return running


async def scoring(folder: Path) -> Running:
    """Return scoring with a duty that is missing."""
    running = await Running("scoring", build_scoring, folder, OPENED_AT).start()
    await running.hears(*a_village().facts)
    await running.hears(a_duty())
    await running.until(DUE + timedelta(days=3))
    return running


IS_LONG = "FUZZ_EXAMPLES" in os.environ  # noqa: TID251 how long to look is the tester's choice
EXAMPLES = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "20")),  # noqa: TID251
    derandomize=not IS_LONG,
    database=None,
    deadline=None,
    phases=[Phase.generate, *([Phase.shrink] if IS_LONG else [])],
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
"""The same every time, unless somebody asks to look longer."""

Make = Callable[[Path], Awaitable[Running]]
SERVICES: dict[str, Make] = {
    "directory": directory,
    "reporting": reporting,
    "reminders": reminders,
    "inspection": inspection,
    "scoring": scoring,
}
DUTIES = {"reporting": LESSON, "reminders": a_duty().duty}
"""The duty that a service knows, for paths."""


async def settle(running: Running) -> None:
    """Let it hear that all is said, as of now and a moment longer."""
    for topic in [*(["directory"] if running.plan.reads_directory else []), *running.plan.hears]:
        if topic not in running.plan.foreign:
            await running.hears_all_said(topic, running.clock.moment + MICROSECOND)


async def park(running: Running) -> None:
    """Let it hear what cannot be read, again and again, on one stream."""
    topics = [topic for topic in running.plan.hears if topic not in running.plan.foreign]
    for topic in topics:
        key = f"duty:{PARKED}" if topic == "duties" else PARKED
        partition = partition_of(key, PARTITIONS)
        letters = [Inbound(topic, partition, n, key.encode(), b"%d" % n) for n in range(LETTERS)]
        await running.hears_again(letters)


async def _done(running: Running, path: str, **what: Any) -> None:
    answer = await running.post(path, *ROLES, unit=ROOT, **what)
    assert answer.is_success, answer.text
