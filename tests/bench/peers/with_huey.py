"""Huey on Redis: a scheduler thread moves what is due to the queue, threads take from it."""

from typing import Any

from huey import RedisHuey

from tests.bench.peers.contestant import Day
from tests.bench.peers.firing import Firing

WORKERS = 8
"""Threads in each of two processes, one a core: 4 and 16 came to the same."""


def _app(day: Day, firing: Firing) -> tuple[Any, Any]:
    host, port = day.queue.split(":")
    # No results: nobody reads them, and each would be one more write.
    app = RedisHuey(host=host, port=int(port), results=False, utc=True)

    @app.task()
    def fire(duty: str) -> None:
        firing.fire(duty)

    return app, fire


def load(day: Day) -> None:
    """Schedule each duty with its eta."""
    _, fire = _app(day, Firing(day))
    for duty in day.duties():
        fire.schedule(args=(duty,), eta=day.moment)


def work(day: Day) -> None:
    """Run one consumer; it looks for what is due every second, the least that it allows."""
    firing = Firing(day)
    firing.connect()
    app, _ = _app(day, firing)
    app.create_consumer(
        workers=WORKERS, scheduler_interval=1, periodic=False, check_worker_health=False
    ).run()
