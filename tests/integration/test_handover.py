"""Replicas of reminders join, leave and die while duties are opened: each duty is watched once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import pytest

from contracts.topics import PARTITIONS
from deploy.embedded import servers
from services.reminders.app import SHAPE
from services.reminders.app import build as build_reminders
from services.reminders.domain.model import DutyWatched
from services.reminders.settings import RemindersSettings
from shared import ids
from shared.clock import real_now
from shared.commands import rebuild_states, verify_books
from shared.heads import read_heads
from shared.ids import partition_of
from shared.mongo import MongoStore, connect, disconnect
from shared.reading import pages_of
from shared.service import Service
from tests.support.eventually import eventually
from tests.support.process import Process, settings_of
from tests.support.servers import running
from tests.support.tally import opened
from tests.support.wire import Owner, committed_of

pytestmark = pytest.mark.usefixtures("driver")

FAR = timedelta(days=100)
Condition = Callable[[], Awaitable[bool]]


class PowerCutError(Exception):
    """The process is gone."""


class Replicas:
    """Reminders under a name of its own, in as many processes as one likes, and an owner who opens duties."""

    def __init__(self, folder: Path, broker: str, mongo_uri: str) -> None:
        self.name = f"reminders-{ids.new_id()}"
        self.heads = folder / "heads"
        self.client = connect(mongo_uri)
        self.store = MongoStore(self.client, self.name)
        self.directory = Owner(broker, "directory", "directory")
        self.reporting = Owner(broker, "reporting", "duties")
        self.duties: list[str] = []
        self._processes: list[Process] = []
        self._folder = folder
        self._servers = {"broker_address": broker, "mongo_uri": mongo_uri}

    async def start(self) -> Process:
        """Start one more replica; it waits until all of the directory was said."""
        settings = settings_of(RemindersSettings, self._folder, heads=self.heads, **self._servers)
        process = Process(Service(settings, self.name), build_reminders)
        self._processes.append(process)
        return process

    async def stop(self) -> None:
        """Stop whatever a failed test has left running, and let go of the servers."""
        for process in self._processes:
            if not process.task.done():
                await process.stop()
        await asyncio.gather(self.directory.stop(), self.reporting.stop(), disconnect(self.client))

    async def open_duties_until(self, condition: Condition) -> None:
        """Keep opening duties, a few at a time, until something has come to pass."""

        async def is_so() -> bool:
            fresh = [f"duty-{len(self.duties) + n}" for n in range(10)]
            self.duties += fresh
            await self.reporting.say(*(opened(duty, real_now() + FAR) for duty in fresh))
            await self.directory.say_said()
            return await condition()

        await eventually(is_so, every=0.1, within=40)

    async def is_all_heard(self) -> bool:
        """Tell whether the group has applied every duty."""
        lying = Counter(partition_of(f"duty:{duty}", PARTITIONS) for duty in self.duties)
        return lying == await committed_of(self._servers["broker_address"], self.name, "duties")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own."""
    with running(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
async def replicas(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Replicas]:
    replicas = Replicas(tmp_path, broker, mongo_uri)
    yield replicas
    await replicas.stop()


async def die(process: Process) -> None:
    """Let a replica go down with its books as they are: nothing more is written or said by it."""
    process.service.books.clear()
    process.service.stop(PowerCutError())
    with pytest.raises(PowerCutError):
        await process.stop()


async def test_every_duty_is_watched_once_while_replicas_come_and_go(replicas: Replicas) -> None:
    first = await replicas.start()
    await eventually(lambda: is_up(first))
    await asyncio.gather(replicas.directory.start(), replicas.reporting.start())
    await replicas.open_duties_until(first.is_ready)

    second = await replicas.start()
    await replicas.open_duties_until(lambda: are_shared(first, second))
    leaving = asyncio.create_task(first.stop())
    await replicas.open_duties_until(lambda: holds_all(second))
    await leaving

    third = await replicas.start()
    await replicas.open_duties_until(lambda: are_shared(second, third))
    await die(second)
    await replicas.open_duties_until(lambda: holds_all(third))
    await eventually(replicas.is_all_heard, every=0.1)
    await third.stop()

    watched: Counter[str] = Counter()
    writers: dict[int, list[str]] = {}
    for book in range(PARTITIONS):
        pages = [page async for page in pages_of(replicas.store, book)]
        writers[book] = [actor for actor, _ in groupby(page.actor for page in pages)]
        events = [event for page in pages for entry in page.entries for event in entry.events]
        watched.update(event.key for event in events if event.type == DutyWatched.type)
    assert watched == dict.fromkeys((f"{DutyWatched.prefix}:{duty}" for duty in replicas.duties), 1)
    actors = [process.service.actor for process in (first, second, third)]
    assert {actor for wrote in writers.values() for actor in wrote} == set(actors)
    for wrote in writers.values():
        assert wrote == sorted(set(wrote), key=actors.index)
        assert len(wrote) > 1
    _, faults = await verify_books(replicas.store, PARTITIONS, read_heads(replicas.heads))
    states, different = await rebuild_states(replicas.store, PARTITIONS, SHAPE, write=False)
    assert (faults, different, states) == ([], [], len(replicas.duties))


async def is_up(process: Process) -> bool:
    return process.service._up


async def holds_all(process: Process) -> bool:
    return len(list(process.service.opened())) == PARTITIONS


async def are_shared(one: Process, other: Process) -> bool:
    """Tell whether two replicas hold all books between them, both of them some, and are ready."""
    held = [{book.number for book in process.service.opened()} for process in (one, other)]
    is_dealt = all(held) and sum(map(len, held)) == PARTITIONS
    return is_dealt and await one.is_ready() and await other.is_ready()
