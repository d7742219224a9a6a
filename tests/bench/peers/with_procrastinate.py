"""Procrastinate on PostgreSQL: jobs are rows, a worker takes them one by one."""

from typing import Any

from procrastinate import App, PsycopgConnector

from tests.bench.peers.contestant import Day
from tests.bench.peers.firing import Firing

WORKERS = 8
"""Jobs at a time in each of two processes, one a core: 4 and 16 came to the same."""
POLLED_EVERY = 0.05
"""Seconds: only a poll finds what was scheduled before, and the default of 5 would be all lateness."""
BATCH = 1_000


def _app(day: Day, firing: Firing) -> App:
    host, port = day.queue.split(":")
    app = App(connector=PsycopgConnector(conninfo=f"host={host} port={port} user=postgres dbname=postgres"))

    @app.task(name="fire")
    def fire(duty: str) -> None:
        firing.fire(duty)

    return app


async def load(day: Day) -> None:
    """Defer each duty to its moment, in batches, and let the server's planner know of them."""
    app, duties = _app(day, Firing(day)), day.duties()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        later: Any = app.configure_task("fire", schedule_at=day.moment)
        for first in range(0, len(duties), BATCH):
            await later.batch_defer_async(*({"duty": duty} for duty in duties[first : first + BATCH]))
        await app.connector.execute_query_async("ANALYZE")


async def work(day: Day) -> None:
    """Run one worker."""
    firing = Firing(day)
    firing.connect()
    app = _app(day, firing)
    async with app.open_async():
        await app.run_worker_async(concurrency=WORKERS, fetch_job_polling_interval=POLLED_EVERY)
