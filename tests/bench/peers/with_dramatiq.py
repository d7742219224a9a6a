"""Dramatiq on Redis: delayed messages are fetched ahead into the workers' memory."""

import math
import signal
import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.bench.peers.contestant import Day
from tests.bench.peers.firing import Firing

WORKERS = 8
"""Threads in each of two processes, one a core: 4 and 16 came to the same."""


def _app(day: Day, firing: Firing) -> tuple[Any, Any]:
    # No middleware: retries, time limits and shutdown notices cost every message and serve none here.
    broker = RedisBroker(url=f"redis://{day.queue}", middleware=[])

    @dramatiq.actor(broker=broker)
    def fire(duty: str) -> None:
        firing.fire(duty)

    return broker, fire


def load(day: Day) -> None:
    """Send each duty with its delay, in whole milliseconds and never too short."""
    _, fire = _app(day, Firing(day))
    due = math.ceil(day.due_at * 1_000)
    for duty in day.duties():
        fire.send_with_options(args=(duty,), delay=due - int(time.time() * 1_000))


def work(day: Day) -> None:
    """Run one worker with its default prefetch: a thousand delayed messages a thread."""
    firing = Firing(day)
    firing.connect()
    broker, _ = _app(day, firing)
    dramatiq.Worker(broker, worker_threads=WORKERS).start()
    signal.pause()
