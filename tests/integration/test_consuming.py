"""Lesson 5: no message is lost by a later one, none is done twice, and none stops its partition."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.envelope import MAX_FACT_BYTES, Envelope
from contracts.topics import PARTITIONS, TOPICS
from deploy.embedded import servers
from shared import ids, metrics
from shared.book import Book
from shared.commands import pages_of, rebuild_states, verify_books
from shared.consumer import TooManyDeadLettersError
from shared.ids import partition_of
from shared.kafka import BATCH_BYTES
from shared.ledger import Entry, Page
from shared.mongo import MongoStore, connect, disconnect
from shared.relay import Outbound
from shared.service import Plan, Service
from shared.settings import Settings
from shared.state import Inbound
from tests.support.eventually import eventually
from tests.support.process import Cable, Process, running, settings_of
from tests.support.servers import running as running_server
from tests.support.tally import SHAPE, build, fulfilled, half_filed, names, opened
from tests.support.wire import Owner, committed, facts_on, put

P = 7
"""The partition on which everything happens; the others show that nothing else does."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own: the topics of the registry carry garbage here."""
    with running_server(servers.broker(tmp_path)) as server:
        yield server.address


class Place:
    """A service's name, settings, and what it leaves behind in its database and on its topics."""

    def __init__(self, folder: Path, broker: str, mongo_uri: str) -> None:
        self.name = f"tally-{ids.new_id()}"
        self.broker = broker
        self.settings = settings_of(Settings, folder, broker_address=broker, mongo_uri=mongo_uri)
        self.client = connect(mongo_uri)
        self.store = MongoStore(self.client, self.name)

    def service(self, **settings: Any) -> Service[Any]:
        """Return a new process of the service, not started."""
        return Service(self.settings.model_copy(update=settings), self.name)

    async def entries(self) -> list[Entry]:
        """Return all entries of the partition's book."""
        return [entry async for page in pages_of(self.store, P) for entry in page.entries]

    async def tallied(self) -> Counter[str]:
        """Return how often each fact was counted."""
        counted = [event for entry in await self.entries() for event in entry.events if event.topic == "reminders"]
        return Counter(Envelope.parse(event.value).data["heard"] for event in counted)

    async def dead_letters(self) -> list[Any]:
        """Return what lies among the dead letters of both topics, from this service or another."""
        return await facts_on(self.broker, *(TOPICS[topic].dead_letters for topic in ("duties", "reports")))


@pytest.fixture
async def place(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Place]:
    place = Place(tmp_path, broker, mongo_uri)
    yield place
    await disconnect(place.client)


class PowerCutError(Exception):
    """The process is gone."""


class Doomed:
    """A process that dies between its page and the commit of the offsets."""

    def __init__(self, service: Service[Any], *, speaks: bool) -> None:
        self.service = service
        self.cable = Cable(service.store)
        self.service.store = self.cable  # type: ignore[assignment]
        self._apply = service._apply
        self._has_spoken = asyncio.Event()
        service._apply = self.apply  # type: ignore[method-assign]
        if not speaks:
            service._on_page = lambda _: None  # type: ignore[method-assign]
            self._has_spoken.set()

    def build(self, service: Service[Any]) -> Plan[Any]:
        """Return the plan, with an ear for what the relay has sent and not yet marked."""
        return replace(build(service), tell=self.tell)

    async def apply(self, records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        """Apply records, and die."""
        await self._apply(records)
        await self._has_spoken.wait()
        self.cable.is_cut = True
        raise PowerCutError

    async def tell(self, _: Book[Any], pages: Sequence[Page]) -> None:
        """Let the process die once something was said, before it is marked."""
        if any(entry.events for page in pages for entry in page.entries):
            self._has_spoken.set()
            await asyncio.Event().wait()


def keyed(record: Outbound) -> tuple[bytes, bytes]:
    return (record.key or "").encode(), record.value


async def a_poisoned_batch(owner: Owner, broker: str, prefix: str) -> list[tuple[bytes, bytes]]:
    """Put a poisonous record, a good one, one that the rule fails on, and a good one behind them."""
    malformed, good, better = islice(names(prefix, P), 3)
    bad = next(names(f"bad-{prefix}", P))
    records = [
        (f"duty:{malformed}".encode(), b"{"),
        keyed(owner.record(opened(good))),
        keyed(owner.record(opened(bad))),
        keyed(owner.record(opened(better))),
    ]
    await put(broker, "duties", P, records)
    return records


@pytest.mark.parametrize("speaks", [False, True])
async def test_a_kill_between_page_and_commit_loses_nothing_and_does_nothing_twice(place: Place, speaks: bool) -> None:
    """A page is decided once whatever dies; what was said and not marked as said is said once more."""
    doomed = Doomed(place.service(said_every=timedelta(hours=1)), speaks=speaks)
    process = await Process(doomed.service, doomed.build).until_ready()
    await eventually(lambda: all(book.said == book.head for book in process.service.opened()))
    before = await committed(place.broker, place.name, "duties", P)
    poison, good, bad, better = await a_poisoned_batch(
        Owner(place.broker, "reporting", "duties"), place.broker, f"killed-{speaks}"
    )
    with pytest.raises(PowerCutError):
        await process.task
    with pytest.raises(PowerCutError):
        await process.stop()
    assert await committed(place.broker, place.name, "duties", P) == before
    durable = await place.entries()

    async with running(place.service(), build) as again:
        await eventually(lambda: is_committed(place, "duties", 4))
        await eventually(lambda: all(book.said == book.head for book in again.service.opened()))

    assert [entry.source for entry in await place.entries()] == [entry.source for entry in durable]
    assert await place.tallied() == {Envelope.parse(value).id: 1 for _, value in (good, better)}
    said = Counter((record.key, record.value) for record in await place.dead_letters())
    assert {one: said[one] for one in (poison, bad)} == dict.fromkeys((poison, bad), 2 if speaks else 1)
    assert not {good, better} & set(said)


async def is_committed(place: Place, topic: str, at_least: int) -> bool:
    return (await committed(place.broker, place.name, topic, P) or -1) >= at_least
