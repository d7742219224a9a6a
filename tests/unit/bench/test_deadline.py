"""When the duties of a deadline day are due, and from when each counts as late."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

from tests.bench.alone import duty, number
from tests.bench.deadline import FAR, Profile, Saying

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_steady_stream_is_due_apart_and_what_is_only_watched_far_away() -> None:
    moments = Profile("p", 3, per_second=2, watched=1).moments(NOON)

    assert moments == [NOON, at(0.5), at(1), NOON + FAR]
    assert Profile("p", 2).moments(NOON) == [NOON, NOON]


def test_a_duty_tells_which_of_the_day_it_is() -> None:
    assert [number(duty(n, NOON).duty) for n in (0, 9, 665_275)] == [0, 9, 665_275]


async def test_a_duty_counts_as_late_from_the_first_said_beyond_it() -> None:
    said: list[Any] = [(at(0), at(0.1)), (at(1), at(1.2)), asyncio.CancelledError()]
    saying = Saying(Mock(say_said=AsyncMock(side_effect=said)), timedelta(microseconds=1))
    with suppress(asyncio.CancelledError):
        await saying.run(Mock())

    due = [at(-1), at(0), at(0.5), at(1)]
    assert [saying.since(one.timestamp()) for one in due] == [
        one.timestamp() for one in (at(0.1), at(1.2), at(1.2), at(1))
    ]
