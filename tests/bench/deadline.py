"""Reminders alone on deadline day: its duties fall due, and whatever comes of it is watched on the topic."""

import asyncio
import tempfile
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from contracts.topics import PARTITIONS
from deploy.embedded.servers import Server, broker, database, mongo_uri
from shared.clock import real_now
from shared.kafka import KafkaOutlet, make_topics
from shared.service import topics
from tests.bench.alone import Alone, is_ready, number, raised
from tests.bench.watching import Drained, watch

LEAD = timedelta(seconds=25)
"""From an empty store to a process that is ready."""
LAID_PER_SECOND, READ_PER_SECOND = 1_500, 20_000
"""Duties that can be laid into the store, and that reminders reads at its start, at the least."""
SETTLING = timedelta(seconds=5)
"""Between ready and due, so that memory is read at rest."""
FAR = timedelta(days=365)
PATIENCE = timedelta(seconds=60)


class TooLateError(Exception):
    """Reminders was not ready before the first duty was due: the run would say nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: due before reminders was ready / 服务就绪前已到期")


@dataclass(frozen=True, slots=True)
class Profile:
    """How many duties fall due, and how."""

    name: str
    count: int
    per_second: int = 0
    """How many are due in each second; 0: all at one instant."""
    watched: int = 0
    """Further duties that are watched and due in a year."""
    is_killed: bool = False
    """Whether reminders is killed once a third is out, and started again at once."""
    said_every: timedelta = timedelta(seconds=1)
    """How often the others say that all is out."""
    processes: int = 1
    """How many processes of reminders share the books."""

    def moments(self, start: datetime) -> list[datetime]:
        """Return when each duty is due."""
        apart = timedelta(seconds=1 / self.per_second if self.per_second else 0)
        return [*(start + n * apart for n in range(self.count)), *self.watched * [start + FAR]]


@dataclass(frozen=True, slots=True)
class Played:
    """What a profile came to."""

    drained: Drained
    rss_mib: float
    """Of reminders with all that it watches, before the first is due; of all its processes."""


class Saying:
    """The others, who say that all is out; and since when which duty could therefore be called missed."""

    def __init__(self, alone: Alone, every: timedelta) -> None:
        self._alone, self._every = alone, every
        self._through: list[float] = []
        self._acked: list[float] = []

    async def run(self, outlet: KafkaOutlet) -> None:
        """Say it until cancelled, at moments that do not drift."""
        begun = real_now()
        while True:
            through, acked = await self._alone.say_said(outlet)
            self._through.append(through.timestamp())
            self._acked.append(acked.timestamp())
            left = self._every - (real_now() - begun) % self._every
            await asyncio.sleep(left.total_seconds())

    def since(self, due: float) -> float:
        """Return the later of *due* and the first Said beyond it."""
        n = bisect_right(self._through, due)
        return max(due, self._acked[n]) if n < len(self._acked) else due


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers of one run, and one service alone on them, in one process or more."""

    servers: Sequence[Server]
    alone: Alone
    services: Sequence[Server]

    @property
    def service(self) -> Server:
        """Return the only process of the service, or its first."""
        return self.services[0]

    @property
    def pids(self) -> list[int]:
        """Return all processes whose CPU counts."""
        return [child.pid for child in (*self.servers, *self.services) if child.pid is not None]


@asynccontextmanager
async def stage(name: str = "reminders", processes: int = 1) -> AsyncIterator[Stage]:
    """Start servers on a folder of their own; end them, and the service of this name, afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        servers = (broker(folder), database(folder))
        for server in servers:
            await server.start()
        address, uri = servers[0].address, mongo_uri(servers[1])
        alone = Alone(uri, address, await make_topics(address, topics(), PARTITIONS), folder, name)
        services = [alone.service() for _ in range(processes)]
        try:
            yield Stage(servers, alone, services)
        finally:
            for child in (*services, *reversed(servers)):
                await child.stop()


async def play(profile: Profile) -> Played:
    """Let a profile's duties fall due and return what became of them."""
    async with stage(processes=profile.processes) as on:
        all_ = profile.count + profile.watched
        preparing = timedelta(seconds=all_ / LAID_PER_SECOND + all_ / READ_PER_SECOND)
        start = real_now() + LEAD + preparing
        moments = profile.moments(start)
        await on.alone.lay(moments)
        await on.alone.say_tree()
        for service in on.services:
            await service.start()
        while not all([await is_ready(service) for service in on.services]):  # noqa: ASYNC110 a process sets no event
            await asyncio.sleep(0.1)
        outlet, saying = KafkaOutlet(on.alone.kafka), Saying(on.alone, profile.said_every)
        await outlet.start()
        speaking = asyncio.create_task(saying.run(outlet))
        try:
            await asyncio.sleep(SETTLING.total_seconds())
            if real_now() >= start:
                raise TooLateError(profile.name)
            rss = sum(map(resident_mib, on.services))
            drained = await _watched(on, profile, start, moments, saying)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            await outlet.stop()
    return Played(drained, rss)


async def _watched(
    on: Stage, profile: Profile, start: datetime, moments: Sequence[datetime], saying: Saying
) -> Drained:
    kills: list[asyncio.Task[None]] = []

    def on_seen(seen: int) -> None:
        if profile.is_killed and not kills and seen >= profile.count // 3:
            on.service.kill()
            kills.append(asyncio.create_task(on.service.start()))

    def due(duty: str) -> float:
        return moments[number(duty)].timestamp()

    drained = await watch(
        on.alone.kafka,
        topic="escalations",
        partitions=PARTITIONS,
        instant=start.timestamp(),
        expected=profile.count,
        pids=on.pids,
        rows=on.alone.rows,
        named=raised,
        due=due,
        since=lambda duty: saying.since(due(duty)),
        on_seen=on_seen,
        patience=PATIENCE,
    )
    await asyncio.gather(*kills)
    return drained


def resident_mib(child: Server) -> float:
    """Return the memory that a process holds; 0 where it cannot be read."""
    with suppress(OSError):
        for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0
