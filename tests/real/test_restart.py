"""A broker that keeps its records is killed and comes back with them; the embedded one cannot."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from contracts.envelope import Envelope
from contracts.topics import PARTITIONS
from deploy.embedded import servers
from deploy.embedded.servers import Server
from shared import ids
from shared.commands import rebuild_states, verify_books
from shared.kafka import KafkaOutlet, make_topics
from shared.mongo import MongoStore, connect, disconnect
from shared.reading import pages_of
from shared.relay import Relay
from shared.service import Service
from shared.settings import Settings
from shared.testing.memory import MemoryStore
from tests.support.eventually import eventually
from tests.support.kit import HandClock, a_book, a_request
from tests.support.process import Process, running, settings_of
from tests.support.tally import SHAPE, build, names, opened
from tests.support.wire import Owner, committed_of, facts_on


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Server]:
    """Start a broker that keeps what it holds in a folder."""
    server = servers.broker(tmp_path)
    command = [part.replace("memory://tansu/", f"file://{tmp_path / 'kept'}") for part in server.command]
    server = replace(server, command=command)
    await server.start()
    yield server
    await server.stop()


async def test_a_broker_that_comes_back_with_its_records_hears_only_what_is_new(broker: Server) -> None:
    store, outlet = MemoryStore(), KafkaOutlet(broker.address)
    first = await make_topics(broker.address, ["b"], PARTITIONS)
    await outlet.start()
    try:
        book = await a_book(store)
        relay = Relay(
            lambda: [book],
            store=store,
            outlet=outlet,
            clock=HandClock(),
            source="/b",
            topics=["b"],
            partitions=PARTITIONS,
            of=1,
            every=timedelta(seconds=1),
        )
        for n in range(700):
            await book.handle([a_request(name=f"x{n % 5}", cause=f"ask-{n}")])
        await relay.drain()

        broker.kill()
        await book.handle([a_request(cause="in between")])
        await broker.start()
        second = await make_topics(broker.address, ["b"], PARTITIONS)
        await eventually(outlet.incarnation)
        await relay.drain()
        said = Counter(Envelope.parse(record.value).id for record in await facts_on(broker.address, "b"))
    finally:
        await outlet.stop()

    assert first == second
    assert len(said) == 701
    assert set(said.values()) == {1}


async def test_a_service_lives_through_a_broker_that_is_killed_and_comes_back(
    broker: Server, tmp_path: Path, mongo_uri: str
) -> None:
    name = f"tally-{ids.new_id()}"
    settings = settings_of(Settings, tmp_path, broker_address=broker.address, mongo_uri=mongo_uri)
    client = connect(mongo_uri)
    store, owner = MongoStore(client, name), Owner(broker.address, "reporting", "duties")
    duties = [duty for n in range(PARTITIONS) for duty in islice(names("x", n), 2)]
    early, late = duties[::2], duties[1::2]

    async def are_committed(each: int) -> bool:
        return await committed_of(broker.address, name, "duties") == dict.fromkeys(range(PARTITIONS), each)

    try:
        async with running(Service(settings, name), build) as process:
            await owner.start()
            await owner.say(*map(opened, early))
            await eventually(lambda: are_committed(1))
            broker.kill()
            await broker.start()
            await owner.say(*map(opened, late))
            await eventually(lambda: are_committed(2), within=60)
            # Who was not heard for a session joins its group again: its books go and come back.
            await eventually(process.is_ready, within=60)
            await eventually(lambda: is_all_said(process))
        said = await facts_on(broker.address, "reminders")
        pages = [page for n in range(PARTITIONS) async for page in pages_of(store, n)]
        _, faults = await verify_books(store, PARTITIONS, {})
        _, different = await rebuild_states(store, PARTITIONS, SHAPE, write=False)
    finally:
        await owner.stop()
        await disconnect(client)

    events = [event for page in pages for entry in page.entries for event in entry.events]
    heard = Counter(Envelope.parse(event.value).data["heard"] for event in events)
    assert heard == dict.fromkeys((f"duty:{duty}/1" for duty in duties), 1)
    assert {Envelope.parse(record.value).data["heard"] for record in said} == set(heard)
    assert (faults, different) == ([], [])


async def is_all_said(process: Process) -> bool:
    return all(book.said == book.head for book in process.service.opened())
