"""A service's database is restored from an older backup: what was said and heard since comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from contracts.envelope import Envelope
from deploy.embedded import servers
from services.reminders.app import build as build_reminders
from services.reporting.app import build
from shared.commands import program
from shared.mongo import MongoStore
from shared.service import Plan, Service
from tests.support.eventually import eventually
from tests.support.process import Process
from tests.support.servers import running
from tests.support.village import DUTY, KINDS, REPORT, TERRITORIES, TOWNSHIP, VILLAGE, Village
from tests.support.wire import facts_on

OPENS_AT = datetime(2025, 12, 31, 16, tzinfo=UTC)
REMINDED_AT = datetime(2026, 1, 20, tzinfo=UTC)
COLLECTIONS = ("pages", "states", "marks")
Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own."""
    with running(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
async def village(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Village]:
    """Start the directory and reporting; every report is open."""
    village = Village(tmp_path, broker, mongo_uri)
    village.heads = tmp_path / "heads"
    village.heads.mkdir()
    try:
        await village.set_clock(OPENS_AT)
        await village.start("directory")
        await village.import_tree()
        await village.start("reporting")
        tree = village.processes["reporting"].service.tree
        await eventually(lambda: len(tree.units) == 2 * len(TERRITORIES))
        assert (await village.set_schedule()).is_success
        await eventually(village.report)
        yield village
    finally:
        await village.stop_all()


async def backup(village: Village, name: str = "reporting") -> Documents:
    """Return what a service's database holds."""
    database = village.store(name).database
    return {name: await database[name].find().to_list(None) for name in COLLECTIONS}


async def restore(village: Village, documents: Documents, name: str = "reporting") -> None:
    """Put that back."""
    database = village.store(name).database
    for collection, rows in documents.items():
        await database[collection].delete_many({})
        await database[collection].insert_many(rows)


async def command(village: Village, *words: str, name: str = "reporting") -> Result:
    """Run one of a service's commands, in a thread: it has a loop of its own."""

    def build_here(service: Service[Any]) -> Plan[Any]:
        service.store = MongoStore(service.client, village.databases[name])
        return KINDS[name][1](service)

    settings: Any = lambda: village.settings(name)  # noqa: E731 a class of settings is called like this
    app = program(name, settings, build_here)
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def file(village: Village, recipient: str) -> Any:
    headers = village.token("filer", unit=VILLAGE)
    body = {"recipients": [recipient]}
    answer = await village.post("reporting", f"/v1/reports/{REPORT}/filings", headers, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def said(broker: str, *topics: str) -> dict[str, set[bytes]]:
    """Return by its identity under which bytes each fact lies on topics."""
    found: dict[str, set[bytes]] = {}
    for record in await facts_on(broker, *(topics or ("duties", "reports"))):
        found.setdefault(Envelope.parse(record.value).id, set()).add(record.value)
    return found


async def test_lesson_15_a_restored_database_is_not_ready_until_the_lost_facts_are_back(
    village: Village, broker: str
) -> None:
    await village.stop("reporting")
    old = await backup(village)
    await village.start("reporting")
    assert (await file(village, TOWNSHIP))["status"] == "half_filed"
    await village.stop("reporting")
    before = await said(broker)
    assert f"duty:{DUTY}/2" in before

    await restore(village, old)
    process = Process(village.service("reporting"), build)
    reason = await eventually(lambda: why_not(process, "adopt"))
    assert "数据库落后于已发布的内容" in reason
    await process.stop()
    assert len((await backup(village))["pages"]) == len(old["pages"])

    adopted = await command(village, "adopt", "--who", "ops-1")
    assert adopted.exit_code == 0, adopted.output
    assert "2 facts taken back" in adopted.output
    await village.start("reporting")
    assert (await village.report())["status"] == "half_filed"
    assert (await file(village, f"{TOWNSHIP}-dc"))["status"] == "filed"
    await village.stop("reporting")

    after = await said(broker)
    assert {one: after[one] for one in before} == before
    assert after.keys() - before.keys() == {f"duty:{DUTY}-dc/2", f"report:{REPORT}/2"}
    assert all(len(values) == 1 for values in after.values())
    verified = await command(village, "verify")
    assert (verified.exit_code, "ops-1" in verified.output) == (0, True), verified.output
    rebuilt = await command(village, "rebuild")
    assert rebuilt.exit_code == 0, rebuilt.output


async def test_lesson_15_a_service_that_hears_is_told_again_what_it_had_heard(
    village: Village, broker: str
) -> None:
    await village.start("reminders")
    await eventually(village.watch)
    await village.stop("reminders")
    old = await backup(village, "reminders")
    await village.start("reminders")
    await eventually(lambda: village.processes["reminders"].service.tree.units)
    await village.set_clock(REMINDED_AT)
    await eventually(lambda: reminded(broker))
    await file(village, TOWNSHIP)
    await eventually(lambda: status(village, "fulfilled"))
    await village.stop("reminders")
    before = await said(broker, "reminders", "escalations")

    await restore(village, old, "reminders")
    process = Process(village.service("reminders"), build_reminders)
    assert await eventually(lambda: why_not(process, "adopt"))
    await process.stop()

    adopted = await command(village, "adopt", "--who", "ops-1", name="reminders")
    assert adopted.exit_code == 0, adopted.output
    assert "1 heard again" in adopted.output
    await village.start("reminders")
    assert await eventually(lambda: status(village, "fulfilled"))
    await village.stop("reminders")

    assert await said(broker, "reminders", "escalations") == before
    for word in ("verify", "rebuild"):
        found = await command(village, word, name="reminders")
        assert found.exit_code == 0, found.output


async def reminded(broker: str) -> bool:
    return f"reminder:{DUTY}/1" in await said(broker, "reminders")


async def status(village: Village, word: str) -> bool:
    watch = await village.watch()
    return watch is not None and watch["status"] == word


async def why_not(process: Process, word: str) -> str | None:
    """Return why a service is not ready, once its reason holds a word."""
    if process.task.done():
        process.task.result()
    try:
        answer = await process.http.get("/ready")
    except httpx.TransportError:
        return None
    reason = str(answer.json()["reason"])
    return reason if answer.status_code == 503 and word in reason else None
