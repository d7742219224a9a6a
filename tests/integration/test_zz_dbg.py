"""Replicas of reminders join, leave and die while duties are opened: each duty is watched once, by somebody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from contracts.topics import PARTITIONS
from deploy.embedded import servers
from services.reminders.app import SHAPE
from services.reminders.app import build as build_reminders
from services.reminders.domain.model import DutyWatched
from services.reminders.settings import RemindersSettings
from shared import ids
from shared.clock import real_now
from shared.commands import pages_of, read_heads, rebuild_states, verify_books
from shared.mongo import MongoStore, connect, disconnect
from shared.service import Service
from tests.support.eventually import eventually
from tests.support.process import Process, settings_of
from tests.support.servers import running
from tests.support.tally import opened
from tests.support.wire import Owner


FAR = timedelta(days=100)


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
        self._folder = folder
        self._servers = {"broker_address": broker, "mongo_uri": mongo_uri}

    async def start(self) -> Process:
        """Start one more replica; it waits until all of the directory was said."""
        settings = settings_of(RemindersSettings, self._folder, heads=self.heads, **self._servers)
        process = Process(Service(settings, self.name), build_reminders)
        return process

    async def open_duties_until(self, condition: Any) -> None:
        """Keep opening duties, a few at a time, until something has come to pass."""
        while not await condition():
            fresh = [f"duty-{len(self.duties) + n}" for n in range(5)]
            self.duties += fresh
            await self.reporting.say(*(opened(duty, real_now() + FAR) for duty in fresh))
            await self.directory.say_said()

    async def watched(self) -> int:
        """Return how many duties are watched, as far as states are written."""
        return int(await self.store.states.count_documents({}))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own."""
    with running(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
async def replicas(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Replicas]:
    replicas = Replicas(tmp_path, broker, mongo_uri)
    yield replicas
    await asyncio.gather(replicas.directory.stop(), replicas.reporting.stop(), disconnect(replicas.client))


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
    try:
        await eventually(lambda: is_equal(replicas.watched, len(replicas.duties)))
    except AssertionError:
        from tests.support.wire import committed, read_all
        there = {d["_id"] for d in await replicas.store.states.find({}, {"_id": 1}).to_list(None)}
        missing = [d for d in replicas.duties if d not in there]
        print("MISSING", len(missing), missing[:20], "of", len(replicas.duties), "extra", len(there - set(replicas.duties)))
        rec = {r.key.decode(): r for r in await read_all(replicas.reporting._address, "duties")}
        ledger = set()
        for b in range(12):
            async for page in pages_of(replicas.store, b):
                for e in page.entries: ledger.add(e.stream)
        print("in ledger", len(ledger))
        parts = Counter(rec["duty:" + m].partition for m in missing if "duty:" + m in rec)
        print("not on topic", sum("duty:" + m not in rec for m in missing), "partitions", parts, [ (rec["duty:"+m].partition, rec["duty:"+m].offset) for m in missing[:30] if "duty:"+m in rec])
        for n in parts:
            print(n, "committed", await committed(replicas.reporting._address, replicas.name, "duties", n), "end", max(r.offset for r in rec.values() if r.partition == n), "opened", [p.service.actor for p in (first, second, third) if n in p.service.books])
        for n in parts:
            print("marks", n, await replicas.store.marks(n))
            book = third.service.books[n]
            print("book", book.head, book.applied, book.said, len(book._unwritten), len(book._records), book._flushing.locked(), book._turn.locked())
            async for page in pages_of(replicas.store, n):
                streams = [e.stream for e in page.entries]
                print("  page", page.number, page.actor[-8:], len(streams), "missing", sum(x in missing for x in streams), page.at)
        print("ours", sorted(third.service._ours), sorted(third.service.books), [b.is_open for b in third.service.books.values()])
        raise
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
    assert {actor for book in writers.values() for actor in book} == set(actors)
    for book in writers.values():
        assert book == sorted(set(book), key=actors.index)
        assert len(book) > 1
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


async def is_equal(count: Any, wanted: int) -> bool:
    return bool(await count() == wanted)
