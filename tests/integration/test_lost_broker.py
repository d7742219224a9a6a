"""The services live through a broker that comes back empty, or is away and comes back as it was."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.directory import UnitRenamed
from contracts.envelope import Envelope
from contracts.escalations import DutyMissed
from contracts.topics import FACTS, TOPICS
from deploy.embedded import servers
from deploy.embedded.servers import Server
from shared.clock import MICROSECOND, monotonic
from shared.kafka import read_incarnation
from tests.support.eventually import eventually
from tests.support.proxy import Door
from tests.support.village import DUTY, TOWNSHIP, VILLAGE, Village, a_village
from tests.support.wire import facts_on

OPENS_AT = datetime(2025, 12, 31, 16, tzinfo=UTC)
DUE_AT = datetime(2026, 1, 31, 16, tzinfo=UTC)
LONGER_THAN_A_SESSION = timedelta(seconds=7)
"""Of a group: members that are away so long are dealt nothing when they come back, and have to join anew."""


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Server]:
    broker = servers.broker(tmp_path)
    await broker.start()
    yield broker
    broker.kill()


async def said_on(address: str) -> Counter[str]:
    """Return what every service has said on a broker, and how often."""
    facts = [Envelope.parse(record.value) for record in await facts_on(address, *TOPICS)]
    return Counter(f"{fact.type} {fact.source}#{fact.id}" for fact in facts if fact.type in FACTS)


async def has_climbed(village: Village) -> bool:
    watch = await village.watch()
    return watch is not None and watch["status"] == "climbing"


def has_said_all(village: Village) -> bool:
    """Tell whether every service has said, on the broker that it hears, all that its books hold."""
    for process in village.processes.values():
        books = process.service.books.values()
        heard = process.service.heard.incarnation
        if not books or any(book.said < book.head or book.incarnation != heard for book in books):
            return False
    return True


async def is_at_rest(village: Village) -> bool:
    """Tell whether nothing is on its way to the broker: all was said, and for a while nothing new came."""
    processes = village.processes.values()
    heads = [[book.head for book in process.service.books.values()] for process in processes]
    await asyncio.sleep(1.0)
    after = [[book.head for book in process.service.books.values()] for process in processes]
    return heads == after and has_said_all(village)


async def is_whole(village: Village) -> bool:
    """Tell whether every service can do its work and has said all."""
    return all([await process.is_ready() for process in village.processes.values()]) and has_said_all(village)


async def watched(village: Village) -> Any:
    await village.set_schedule()
    await village.set_clock(OPENS_AT)
    return await eventually(village.watch)


async def test_a_broker_that_lost_everything_is_told_everything_again_by_services_that_live_on(
    tmp_path: Path, broker: Server, mongo_uri: str
) -> None:
    async with a_village(tmp_path, broker.address, mongo_uri, at=OPENS_AT - timedelta(minutes=1)) as village:
        await watched(village)
        await eventually(lambda: has_said_all(village))
        tasks = {name: process.task for name, process in village.processes.items()}
        first = await read_incarnation(broker.address)
        said = await said_on(broker.address)

        broker.kill()
        await village.set_clock(DUE_AT + MICROSECOND)
        await broker.start()
        await eventually(lambda: has_climbed(village), within=60)
        await eventually(lambda: is_whole(village), within=30)

        assert {name: process.task for name, process in village.processes.items()} == tasks
        assert not any(task.done() for task in tasks.values())
        second = await read_incarnation(broker.address)
        assert first != second
        assert {process.service.heard.incarnation for process in village.processes.values()} == {second}
        again = await said_on(broker.address)
        assert set(said) <= set(again)
        missed = [one for one in again if one.startswith(DutyMissed.type) and f":{DUTY}/" in one]
        assert len(missed) == 1
        notices = [(one["post"], one["kind"], one["step"]) for one in await village.notices()]
        assert notices
        assert len(notices) == len(set(notices))


async def test_a_broker_that_was_away_and_comes_back_as_it_was_is_told_nothing_twice(
    tmp_path: Path, mongo_uri: str
) -> None:
    door = Door()
    inside = servers.broker(tmp_path, door.behind)
    outside = f"tcp://{servers.HOST}:{door.port}"
    command = [*inside.command]
    command[command.index("--advertised-listener-url") + 1] = outside
    inside = replace(inside, command=command)
    address = f"{servers.HOST}:{door.port}"
    await inside.start()
    await door.open()
    try:
        at = OPENS_AT - timedelta(minutes=1)
        async with a_village(tmp_path, address, mongo_uri, at=at) as village:
            await watched(village)
            await eventually(lambda: is_at_rest(village))
            incarnation = await read_incarnation(address)

            door.shut()
            shut_at = monotonic()
            rows = f"code,name,parent,level\n{VILLAGE},新名,{TOWNSHIP},village"
            renamed = await village.post("directory", "/v1/imports/units", content=rows.encode())
            assert renamed.is_success, renamed.text
            await village.set_clock(DUE_AT + MICROSECOND)
            await eventually(lambda: monotonic() - shut_at > LONGER_THAN_A_SESSION.total_seconds())
            await door.open()
            await eventually(lambda: has_climbed(village), within=60)
            await eventually(lambda: is_whole(village), within=30)

            assert await read_incarnation(address) == incarnation
            said = await said_on(address)
            assert set(said.values()) == {1}
            assert any(one.startswith(UnitRenamed.type) for one in said)
    finally:
        door.shut()
        inside.kill()
