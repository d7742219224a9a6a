"""On the system clock, with real duties: reminders stands still, the alerts say so, and then say no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from deploy.embedded.client import Client, StuckError
from deploy.embedded.supervisor import Stack
from shared.clock import monotonic, real_now
from shared.tasks import end
from tests.observe.programs import program
from tests.observe.watching import Watcher, configured, prometheus
from tests.support.eventually import eventually
from tests.support.village import TERRITORIES, TOWNSHIP, VILLAGE

pytestmark = pytest.mark.timeout(1500)
EVERY = 0.25
"""Seconds between two duties, each due two seconds after it is opened."""
PROMISED, NOTICES_TOLERATED = timedelta(seconds=5), timedelta(seconds=60)
ERROR_BUDGET = 0.01
LATE = "reminders:wakeup_late:ratio_rate5m"


class Traffic:
    """Duties that fall due one after another and that nobody fulfils."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wished = 0

    async def import_village(self) -> None:
        """Import a village and its superiors, and somebody for each post to be told."""
        lines = ["code,name,parent,level", *(",".join(row) for row in TERRITORIES)]
        await self._import("units", lines)
        roles = ("head", "leader_in_charge", "handler")
        posts = [f"{row[0]}/{role}" for row in TERRITORIES for role in roles]
        await self._import("tenures", ["post,person,from", *(f"{post},p,2023-01-01" for post in posts)])

    async def _import(self, kind: str, lines: list[str]) -> None:
        content = "\n".join(lines).encode()
        await self._client.post("directory", f"/v1/imports/{kind}", "operator", content=content)

    async def begin(self) -> asyncio.Task[None]:
        """Let duties flow, from when reporting has read the village, until the task is cancelled."""
        await eventually(self._is_open)
        return asyncio.create_task(self._flow())

    async def _is_open(self) -> bool:
        try:
            await self._open()
        except StuckError:
            return False
        return True

    async def _open(self) -> None:
        self._wished += 1
        due_at = real_now().astimezone(UTC) + timedelta(seconds=2)
        duty = {"id": f"duty-{self._wished}", "kind": "lesson", "line": "main", "period": "2026"}
        duty |= {"unit": VILLAGE, "recipient": TOWNSHIP, "due_at": due_at.isoformat()}
        await self._client.post("reporting", "/v1/duties", "duties:lesson", by="training", json=duty)

    async def _flow(self) -> None:
        while True:
            await self._open()
            await asyncio.sleep(EVERY)


class Eye:
    """Somebody who waits for alerts and writes down when they change."""

    def __init__(self, watcher: Watcher, patience: timedelta) -> None:
        self._watcher, self._patience = watcher, patience.total_seconds()
        self._began = monotonic()

    async def sees(self, state: str, alert: str, **labels: str) -> None:
        """Wait until an alert stands so."""
        await eventually(
            lambda: self._watcher.state(alert, **labels) == state, within=self._patience, every=0.1
        )
        self.note(f"{alert} {state}")

    async def sees_service(self) -> None:
        """Wait until decisions are measured, and no more of them are late than promised."""
        await eventually(self.is_served, within=self._patience, every=0.1)
        self.note("decisions are in time")

    def is_served(self) -> bool:
        """Tell whether decisions are measured, and no more of them are late than promised."""
        share = self._watcher.value(LATE)
        return share is not None and share < ERROR_BUDGET

    def note(self, what: str) -> None:
        """Write down what happens."""
        print(f"{monotonic() - self._began:7.1f} s  {what}")


@asynccontextmanager
async def observed(folder: Path, by: int) -> AsyncIterator[tuple[Stack, Watcher]]:
    """Keep the services and Prometheus up inside the block, with duties that fall due."""
    stack = Stack(folder / "data", clock="system")
    client = Client(stack.keys, TERRITORIES[0][0])
    flow: list[asyncio.Task[None]] = []
    try:
        await stack.start_servers()
        await stack.start_services()
        await client.connect({name: service.address for name, service in stack.services.items()})
        traffic = Traffic(client)
        await traffic.import_village()
        flow.append(await traffic.begin())
        addresses = json.loads((stack.folder / "addresses.json").read_text())
        server = prometheus(folder, configured(folder, addresses, by=by))
        await server.start()
        try:
            with closing(Watcher(server.address)) as watcher:
                yield stack, watcher
        finally:
            await server.stop()
        assert not flow[0].done(), flow
    finally:
        await end(flow)
        await client.close()
        await stack.stop()


async def test_reminders_that_stood_still_is_alerted_as_down_then_as_late_and_both_clear(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`--shrink` divides what rules and Prometheus wait for, never a threshold; 1 is as shipped."""
    program("prometheus")
    by = request.config.getoption("--shrink")
    # Shorter than the windows: who was not scraped for a whole one comes back without a rate.
    standstill = PROMISED + timedelta(minutes=2) / by
    late = ["RemindersLate", *(["NoticesLate"] if standstill > NOTICES_TOLERATED else [])]

    async with observed(tmp_path, by) as (stack, watcher):
        eye = Eye(watcher, timedelta(seconds=20) + timedelta(minutes=15) / by)
        reminders = stack.services["reminders"]
        await eye.sees_service()
        assert {watcher.state(alert) for alert in ("ServiceDown", *late)} == {"inactive"}

        reminders.pause()
        paused_at = monotonic()
        eye.note("reminders stands still")
        try:
            await eye.sees("firing", "ServiceDown", instance=reminders.address)
            await eventually(lambda: monotonic() - paused_at > standstill.total_seconds(), within=600)
        finally:
            reminders.resume()
            eye.note("reminders goes on")

        for alert in late:
            await eye.sees("pending", alert)
        for alert in late:
            await eye.sees("firing", alert)
        await eye.sees("inactive", "ServiceDown", instance=reminders.address)
        for alert in late:
            await eye.sees("inactive", alert)
        await eye.sees_service()
