"""A village with all its superiors, and the three services that see to it, inside the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.embedded.keys import make_token
from services.directory.app import build as build_directory
from services.directory.settings import DirectorySettings
from services.reminders.app import build as build_reminders
from services.reminders.settings import RemindersSettings
from services.reporting.app import build as build_reporting
from services.reporting.settings import ReportingSettings
from shared import ids
from shared.access import Identity
from shared.clock import Reading, real_now
from shared.mongo import ClockDocument, MongoStore, connect, disconnect
from shared.service import Service
from shared.settings import Settings
from tests.support.eventually import eventually
from tests.support.process import Process, running, settings_of

TERRITORIES = (
    ("33", "浙江省", "", "province"),
    ("3303", "温州市", "33", "city"),
    ("330305", "洞头区", "3303", "county"),
    ("330305001", "北岙街道", "330305", "township"),
    ("330305001200", "小三盘村委会", "330305001", "village"),
)
VILLAGE, TOWNSHIP = "330305001200", "330305001"
REPORT = f"2025.main-responsibility.{VILLAGE}"
DUTY = f"{REPORT}@{TOWNSHIP}"
KINDS = {
    "directory": (DirectorySettings, build_directory),
    "reporting": (ReportingSettings, build_reporting),
    "reminders": (RemindersSettings, build_reminders),
}


class Village:
    """The services, the clock on their wall, and tokens for everybody."""

    def __init__(self, folder: Path, broker_address: str, mongo_uri: str) -> None:
        self.databases = {name: f"{name}-{ids.new_id()}" for name in KINDS}
        self.client = connect(mongo_uri)
        self.processes: dict[str, Process] = {}
        self.heads: Path | None = None
        """The folder in which each service writes its heads."""
        self._folder = folder
        self._servers = {"broker_address": broker_address, "mongo_uri": mongo_uri}
        self._running: dict[str, AsyncExitStack] = {}

    async def set_clock(self, at: datetime) -> None:
        """Let it be a moment, for all."""
        await ClockDocument(self.client).write(Reading(real_now(), at))

    async def start(self, name: str) -> None:
        """Start a service in a database of its own."""
        self._running[name] = AsyncExitStack()
        there = running(self.service(name), KINDS[name][1])
        self.processes[name] = await self._running[name].enter_async_context(there)

    def settings(self, name: str) -> Settings:
        """Return what a service here is told."""
        heads = self.heads and self.heads / name
        return settings_of(KINDS[name][0], self._folder, clock="story", heads=heads, **self._servers)

    def service(self, name: str) -> Service[Any]:
        """Return a service that does not run yet."""
        service: Service[Any] = Service(self.settings(name), name)
        service.store = MongoStore(service.client, self.databases[name])
        return service

    async def stop(self, name: str) -> None:
        """Stop a service."""
        await self._running.pop(name).aclose()

    async def stop_all(self) -> None:
        """Stop what still runs."""
        await asyncio.gather(*(self.stop(name) for name in list(self._running)))
        await disconnect(self.client)

    def store(self, name: str) -> MongoStore:
        """Return a way of the test's own into a service's database."""
        return MongoStore(self.client, self.databases[name])

    def token(self, *roles: str, unit: str = "33", valid: timedelta = timedelta(hours=1)) -> dict[str, str]:
        """Return the header by which somebody with these roles in a subtree is known."""
        identity = Identity(sub="somebody", unit=unit, roles=roles)
        return {"Authorization": f"Bearer {make_token(self._folder, identity, valid=valid)}"}

    async def get(self, name: str, path: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
        """Ask a service for something, by default as an operator."""
        http = self.processes[name].http
        return await http.get(path, params=query, headers=headers or self.token("operator"))

    async def post(self, name: str, path: str, headers: dict[str, str] | None = None, **what: Any) -> Any:
        """Ask a service to do something, by default as an operator."""
        http = self.processes[name].http
        return await http.post(path, headers=headers or self.token("operator"), **what)

    async def import_tree(self) -> None:
        """Import the territories, and somebody for every post."""
        lines = ["code,name,parent,level", *(",".join(row) for row in TERRITORIES)]
        answer = await self.post("directory", "/v1/imports/units", content="\n".join(lines).encode())
        assert answer.is_success, answer.text
        roles = (("", "head"), ("", "leader_in_charge"), ("", "handler"), ("-dc", "discipline_head"))
        posts = [f"{row[0]}{line}/{role}" for row in TERRITORIES for line, role in roles]
        tenures = ["post,person,from", *(f"{post},p-{n},2023-01-01" for n, post in enumerate(posts))]
        answer = await self.post("directory", "/v1/imports/tenures", content="\n".join(tenures).encode())
        assert answer.is_success, answer.text

    async def set_schedule(self) -> Any:
        """Set the yearly round of the whole tree from 2026 on."""
        body = {"root": "33", "first_year": 2026}
        return await self.post("reporting", "/v1/schedules/yearly", json=body)

    async def report(self) -> Any:
        """Return the village's report, None before it is open."""
        answer = await self.get("reporting", f"/v1/reports/{REPORT}")
        return answer.json() if answer.is_success else None

    async def watch(self) -> Any:
        """Return how the village's duty is watched, None before it is."""
        answer = await self.get("reminders", f"/v1/duties/{DUTY}")
        return answer.json() if answer.is_success else None

    async def notices(self) -> list[dict[str, Any]]:
        """Return every notice about the village's duty."""
        answer = await self.get("reminders", "/v1/notices", limit=1000)
        assert answer.is_success, answer.text
        return [notice for notice in answer.json()["items"] if notice["duty"] == DUTY]


@asynccontextmanager
async def a_village(
    folder: Path, broker_address: str, mongo_uri: str, *, at: datetime
) -> AsyncIterator[Village]:
    """Start the services at a moment; the tree is imported and read."""
    village = Village(folder, broker_address, mongo_uri)
    try:
        await village.set_clock(at)
        await village.start("directory")
        await village.import_tree()
        await asyncio.gather(village.start("reporting"), village.start("reminders"))
        trees = [village.processes[name].service.tree for name in ("reporting", "reminders")]
        await eventually(lambda: all(len(tree.units) == 2 * len(TERRITORIES) for tree in trees))
        yield village
    finally:
        await village.stop_all()
