"""The command that erases, over the wire: refused while a service writes, done when it is stopped."""

import asyncio
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.personal import ERASED
from deploy.embedded import servers
from services.inspection.app import build
from services.inspection.settings import InspectionSettings
from shared.ledger import from_document
from shared.mongo import MongoStore, connect, disconnect, unpacked
from shared.service import Service
from tests.support.eventually import eventually
from tests.support.process import Process, settings_of
from tests.support.servers import running as running_server
from tests.support.wire import facts_on
from tests.support.words import MARK, garbage, parked, written

TOPICS = ("inspections", "duties", "escalations-dlq")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own."""
    with running_server(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """Start a database of the test's own: the command looks for the service's by name."""
    with running_server(servers.database(tmp_path / "database")) as server:
        yield servers.mongo_uri(server)


def command(uri: str, *words: str) -> tuple[int, str]:
    """Run a command of inspection as an operator does."""
    line = [sys.executable, "-m", "services.inspection", *words]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("INSPECTION_MONGO_URI", uri)
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def erase(uri: str, stream: str, *more: str) -> tuple[int, str]:
    reason = ("--by", "clerk-7", "--ground", "request", "--order", "R-2026/17")
    return command(uri, "erase", stream, *reason, *more)


async def lay(folder: Path, uri: str) -> tuple[list[str], Any]:
    """Put a service's whole database there, written in memory; return its streams and its dossier."""
    story = await written(folder)
    await parked(story)
    dossier = await story.service.books[0].peek("village")
    for book in story.service.opened():
        await book.close()
    client = connect(uri)
    store = MongoStore(client, "inspection")
    await store.make_indexes()
    for document in story.database.pages.values():
        await store.insert_page(from_document(document))
    await store.mend_states(list(story.database.states.values()))
    await store.set_marks({0: {"applied": len(story.database.pages)}})
    await disconnect(client)
    return sorted(story.database.states), dossier


async def go_on(folder: Path, broker: str, uri: str, check: Any) -> list[Any]:
    """Start the service, let it say all it has, and return what lies on its topics."""
    settings = settings_of(InspectionSettings, folder, broker_address=broker, mongo_uri=uri)
    service: Service[Any] = Service(settings, "inspection")
    process = Process(service, build)
    try:
        await eventually(lambda: bool(service.books) and service.books[0].said == service.books[0].head)
        await check(service)
    finally:
        await process.stop()
    return await facts_on(broker, *TOPICS)


async def held_of(uri: str) -> Any:
    client = connect(uri)
    found = await MongoStore(client, "inspection").owner(0)
    await disconnect(client)
    return found


async def raw(uri: str) -> str:
    """Return all that the database holds, as text."""
    client = connect(uri)
    database = client["inspection"]
    names = await database.list_collection_names()
    found = {name: await database[name].find().to_list(None) for name in names}
    await disconnect(client)
    return str([*found.values(), *map(unpacked, found["pages"])])


def has_words(text: str) -> bool:
    kept = b64encode(garbage("any", 0).value).decode()
    return any(one in text for one in (MARK, str(MARK.encode())[2:-1], kept))


@pytest.mark.timeout(240)
def test_an_operator_erases_what_people_wrote_and_the_service_goes_on(
    tmp_path: Path, broker: str, database: str
) -> None:
    streams, before = asyncio.run(lay(tmp_path, database))
    assert has_words(asyncio.run(raw(database)))

    async def is_refused(service: Service[Any]) -> None:
        status, told = await asyncio.to_thread(erase, database, "village")
        assert (status, "book 0 is held by" in told, "请先停止服务" in told) == (1, True, True)

    said = asyncio.run(go_on(tmp_path, broker, database, is_refused))
    assert asyncio.run(held_of(database)) is None
    assert has_words(asyncio.run(raw(database)))

    results = {stream: erase(database, stream) for stream in streams}
    assert {status for status, _ in results.values()} == {0}
    assert "9 entries" in results["village"][1]
    assert "1 of them dead letters, 0 faults" in results["village"][1]
    assert not has_words(asyncio.run(raw(database)))
    assert command(database, "verify")[0] == 0
    assert command(database, "erase", "village", "--by", MARK, "--ground", "order", "--order", "x")[0] == 2

    async def is_there(service: Service[Any]) -> None:
        state = await service.books[0].peek("village")
        stages = [f.stage for one in state.inspections for f in one.findings]
        assert stages == [f.stage for one in before.inspections for f in one.findings]
        assert {one.reason for one in state.inspections} == {ERASED, ""}
        (letter,) = await service.books[0].parked("village")
        assert letter.value_base64 == ""

    again = asyncio.run(go_on(tmp_path, broker, database, is_there))
    assert [record for record in again if MARK.encode() in (record.value or b"") + (record.key or b"")] == []
    assert {record.key for record in again} == {record.key for record in said}
    assert command(database, "rebuild")[0] == 0
