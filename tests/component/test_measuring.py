"""What a process tells of itself is what is there."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.directory import UnitPlaced
from contracts.topics import PARTITIONS
from services.reminders.app import build
from shared import measuring
from shared.book import Book
from shared.ids import partition_of
from shared.ledger import Fault
from shared.measuring import COUNTED_EVERY, LOOKED_BACK, Lateness, pause_after, tell
from shared.state import Inbound
from shared.testing.memory import MemoryBroker, MemoryStore
from shared.timer import Timer
from shared.verified import note_verified
from tests.support.kit import NOON, HandClock, a_book, a_relay, a_request
from tests.support.reminders import OPENED_AT
from tests.support.running import Running


def garbage(offset: int, duty: str) -> Inbound:
    """Return a record of a duty that nobody can read."""
    key = f"duty:{duty}"
    return Inbound("duties", partition_of(key, PARTITIONS), offset, key.encode(), f"?{offset}".encode())


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_the_marks_of_all_books_are_told_and_how_far_they_are_apart() -> None:
    store, broker = MemoryStore(), MemoryBroker(3)
    books = [await a_book(store, number=number, distance=100) for number in (0, 1)]
    for n in range(3):
        await books[0].handle([a_request(name=f"x{n}")])
    await books[1].handle([a_request()])
    said = told("zeren_said_pages_total", service="b") or 0
    await books[1].flush()
    await a_relay(books[0], store, broker).drain()
    books[0].told = 1

    tell("b", books, None)

    kinds = ("head", "applied", "said", "told")
    marks = {mark: told("zeren_marks_pages", service="b", mark=mark) for mark in kinds}
    assert marks == {"head": 4 + 2, "applied": 2, "said": 4, "told": 1}
    assert told("zeren_relay_lag_pages", service="b") == 2
    assert told("zeren_state_lag_pages", service="b") == 4
    assert told("zeren_open_books", service="b") == 2
    assert told("zeren_said_pages_total", service="b") == said + 4


async def test_who_is_due_is_told_until_he_was_let_speak() -> None:
    clock = HandClock()
    book = await a_book(MemoryStore(), clock=clock)
    await book.handle([a_request(n, name, rings_in=60) for n, name in enumerate("xyz")])
    seen: list[float | None] = []

    async def wake(_: Book[Any], streams: Sequence[str]) -> Iterable[str]:
        tell("timed", [book], timer)
        seen.append(told("zeren_timer_due_streams", service="timed"))
        assert timer.is_more_due_than(2)
        assert not timer.is_more_due_than(3)
        return streams[:1]

    timer = Timer(lambda: [book], clock=clock, wake=wake)
    await timer.turn(book)
    assert timer.due() == 0
    clock.moment += timedelta(minutes=1)
    assert timer.due() == 3
    await timer.turn(book)

    tell("timed", [book], timer)
    assert (seen, timer.due(), told("zeren_timers_held", service="timed")) == ([3], 0, 1)


async def test_who_was_held_and_is_let_speak_presses_like_who_is_due() -> None:
    clock = HandClock()
    book = await a_book(MemoryStore(), clock=clock)
    await book.handle([a_request(n, name, rings_in=60) for n, name in enumerate("xyz")])
    pressed: list[bool] = []

    async def wake(_: Book[Any], streams: Sequence[str]) -> Iterable[str]:
        pressed.append(timer.is_more_due_than(2))
        return streams if len(pressed) == 1 else ()

    timer = Timer(lambda: [book], clock=clock, wake=wake)
    clock.moment += timedelta(minutes=1)
    await timer.turn(book)
    assert not timer.is_more_due_than(0)
    timer.hurry()
    await timer.turn(book)

    assert pressed == [True, True]
    assert not timer.is_more_due_than(0)


async def test_the_worst_lateness_is_told_for_a_quarter_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "NAP", 0.001)
    lateness, blocked = Lateness(), 0.3

    asyncio.get_running_loop().call_later(0.0005, time.sleep, blocked)
    first = await lateness.over_a_second()
    later = [await lateness.over_a_second() for _ in range(LOOKED_BACK)]

    assert first > blocked - 0.01
    assert later[: LOOKED_BACK - 1] == [first] * (LOOKED_BACK - 1)
    assert later[-1] < blocked


def test_a_count_that_takes_long_is_made_seldom() -> None:
    assert pause_after(0.01) == COUNTED_EVERY
    assert pause_after(2) == 100


async def test_streams_that_wait_behind_a_dead_letter_are_counted_once_each_until_they_go_on(
    tmp_path: Path,
) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    await running.hears(UnitPlaced(unit="village", name="", kind="", parent=None))

    async def parked() -> float | None:
        for book in running.service.opened():
            await book.flush()
        await running.service.count()
        return told("zeren_parked_streams", service="reminders")

    assert await parked() == 0
    await running.hears_again([garbage(n, key) for n, key in enumerate(("one", "one", "two"))])
    assert await parked() == 2
    for left in (2, 1):
        answer = await running.post("/v1/dead-letters/one/discard", "operator", unit="village")
        assert answer.is_success, answer.text
        assert await parked() == left
    await running.service.books[partition_of("duty:two", PARTITIONS)].close()
    assert await parked() == 0


async def test_when_the_books_were_verified_and_what_was_found_is_told_of_the_one_that_waits_longest(
    tmp_path: Path,
) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    store: Any = running.service.store

    async def verified() -> tuple[float | None, float | None]:
        await running.service.count()
        names = ("zeren_verified_timestamp_seconds", "zeren_verify_faults")
        at, faults = (told(name, service="reminders") for name in names)
        return at, faults

    assert await verified() == (0, 0)
    await note_verified(store, 11, [Fault("3/17", "is missing"), Fault("3/18", "is missing")], NOON)
    assert await verified() == (0, 2)
    await note_verified(store, PARTITIONS, [Fault("11/1", "was changed")], NOON + timedelta(hours=1))
    assert await verified() == ((NOON + timedelta(hours=1)).timestamp(), 1)
    await running.service.books[11].close()
    await note_verified(store, 11, [], NOON + timedelta(hours=2))
    assert await verified() == ((NOON + timedelta(hours=2)).timestamp(), 0)
    for book in list(running.service.opened()):
        await book.close()
    at, faults = await verified()
    assert (str(at), faults) == ("nan", 0)
