"""Reporting's database is restored from an older backup: what was said since then comes back."""

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
from services.reporting.app import build
from shared.commands import program
from shared.mongo import MongoStore
from shared.service import Plan, Service
from tests.support.eventually import eventually
from tests.support.process import Process
from tests.support.servers import running
from tests.support.village import DUTY, REPORT, TERRITORIES, TOWNSHIP, VILLAGE, Village
from tests.support.wire import facts_on

OPENS_AT = datetime(2025, 12, 31, 16, tzinfo=UTC)
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


async def backup(village: Village) -> Documents:
    """Return what reporting's database holds."""
    database = village.store("reporting").database
    return {name: await database[name].find().to_list(None) for name in COLLECTIONS}


async def restore(village: Village, documents: Documents) -> None:
    """Put that back."""
    database = village.store("reporting").database
    for name, rows in documents.items():
        await database[name].delete_many({})
        await database[name].insert_many(rows)


async def command(village: Village, *words: str) -> Result:
    """Run one of reporting's commands, in a thread: it has a loop of its own."""

    def build_here(service: Service[Any]) -> Plan[Any]:
        service.store = MongoStore(service.client, village.databases["reporting"])
        return build(service)

    settings: Any = lambda: village.settings("reporting")  # noqa: E731 a class of settings is called like this
    app = program("reporting", settings, build_here)
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def file(village: Village, recipient: str) -> Any:
    headers = village.token("filer", unit=VILLAGE)
    body = {"recipients": [recipient]}
    answer = await village.post("reporting", f"/v1/reports/{REPORT}/filings", headers, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def said(broker: str) -> dict[str, set[bytes]]:
    """Return by its identity under which bytes each fact lies on the topics."""
    found: dict[str, set[bytes]] = {}
    for record in await facts_on(broker, "duties", "reports"):
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
