"""Celery on Redis: a worker reads all tasks with an eta ahead and keeps them in a heap."""

from typing import Any

from celery import Celery

from tests.bench.peers.contestant import Day
from tests.bench.peers.firing import Firing

WORKERS = 8
"""Threads in each of two processes, one a core: its pool of processes was slower and took more CPU."""


def _app(day: Day, firing: Firing) -> tuple[Any, Any]:
    app = Celery("deadline", broker=f"redis://{day.queue}/0")
    app.conf.task_ignore_result = True  # nobody reads results
    app.conf.worker_prefetch_multiplier = 16  # short tasks: fetch a few rounds ahead
    app.conf.worker_enable_remote_control = False  # nobody asks the workers anything

    @app.task(name="fire")
    def fire(duty: str) -> None:
        firing.fire(duty)

    return app, fire


def load(day: Day) -> None:
    """Send each duty with its eta."""
    _, fire = _app(day, Firing(day))
    for duty in day.duties():
        fire.apply_async((duty,), eta=day.moment)


def work(day: Day) -> None:
    """Run one worker without gossip, mingle and heartbeat: it has nobody to talk to."""
    firing = Firing(day)
    firing.connect()
    app, _ = _app(day, firing)
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    app.worker_main(["worker", "--pool=threads", f"--concurrency={WORKERS}", *quiet])
