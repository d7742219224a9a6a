"""What one process does about the world around it: its one line a batch, jobs that will not end."""

import asyncio
import gc
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts.topics import PARTITIONS
from services.reminders.app import build
from shared import service, tasks
from shared.clock import MICROSECOND
from tests.support.reminders import DUE, OPENED_AT, a_duty, a_village
from tests.support.running import Running


async def test_who_has_not_read_the_directory_yet_tells_nobody_that_his_unit_or_post_does_not_exist(
    tmp_path: Path,
) -> None:
    """The first Said that is read may be older than the units: it does not tell that all is read."""
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    running.asks_sight = True
    path, body = "/v1/duties/2025.main.village/acknowledgements", {"post": "village/handler"}

    async def asks() -> tuple[int, str]:
        answer = await running.post(path, "post:village/handler", unit="county", json=body)
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    answers = [await asks()]
    await running.hears_all_said("directory", OPENED_AT)
    answers.append(await asks())
    for partition in range(PARTITIONS):
        running.service.table.note_read(partition)

    assert [*answers, await asks()] == [(503, "not_ready"), (503, "not_ready"), (409, "vacant")]


async def test_a_batch_and_a_tick_are_one_line_each_and_hold_no_text_of_a_fact(tmp_path: Path) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    await running.hears(*a_village().facts)

    with capture_logs() as lines:
        duty = a_duty().model_copy(update={"title": "a report by name"})
        await running.hears(duty, duty.model_copy(update={"duty": "another"}))
        await running.at(DUE + MICROSECOND)

    (batch,) = (line for line in lines if line["event"] == "batch")
    assert (batch["topics"], batch["records"], batch["results"]) == (["duties"], 2, {"applied": 2})
    ticks = [line for line in lines if line["event"] == "tick"]
    assert {line["held"] for line in ticks} == {0}
    assert duty.title not in str(lines)


async def test_the_books_of_a_process_share_the_memory_that_it_may_take(tmp_path: Path) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()

    book = running.service.make_book(0)

    assert (book._most_unwritten, book._remembered) == (200_000 // PARTITIONS, 50_000 // PARTITIONS)
    assert book._deciding is running.service.make_book(1)._deciding


async def test_a_job_whose_driver_takes_its_cancellation_for_a_lost_connection_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCELLED_AGAIN_AFTER", 0.01)
    lost = 0

    async def job() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost > 2:
                    raise

    jobs = [asyncio.ensure_future(job())]
    await asyncio.sleep(0)
    await tasks.end(jobs)

    assert (jobs[0].cancelled(), lost) == (True, 3)


@pytest.mark.parametrize("is_pressed", [False, True])
async def test_what_is_old_and_garbage_is_looked_for_when_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_pressed: bool
) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    looks: list[tuple[int, ...]] = []
    monkeypatch.setattr(service, "SWEPT_EVERY", 0.0)
    monkeypatch.setattr(service, "TIDIED_EVERY", 0.0)
    monkeypatch.setattr(running.service, "is_pressed", lambda: is_pressed)
    monkeypatch.setattr(gc, "collect", lambda *young: looks.append(young))

    tidying = asyncio.ensure_future(running.service._tidy_often())
    for _ in range(9):
        await asyncio.sleep(0)
    await tasks.end([tidying])

    assert set(looks) == (set() if is_pressed else {(0,), ()})
