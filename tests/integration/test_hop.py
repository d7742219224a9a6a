"""A replica that does not write a book passes the request on to the one that does, once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from deploy.embedded import servers
from services.reporting.entrypoints.timer import BOOKS, affinity
from shared.http import HOP
from shared.mongo import MongoStore
from shared.service import Service
from tests.support.eventually import eventually
from tests.support.process import Process, running, settings_of
from tests.support.servers import running as running_server
from tests.support.village import DUTY, KINDS, REPORT, TOWNSHIP, Village, a_village


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own: the group is shared by nobody else."""
    with running_server(servers.broker(tmp_path)) as server:
        yield server.address


@asynccontextmanager
async def a_second_replica(
    village: Village, folder: Path, broker: str, mongo_uri: str
) -> AsyncIterator[Process]:
    """Start another replica of reporting; the broker deals each some of the books."""
    kind, build = KINDS["reporting"]
    settings = settings_of(kind, folder, clock="story", broker_address=broker, mongo_uri=mongo_uri)
    service: Service[object] = Service(settings, "reporting")
    service.store = MongoStore(service.client, village.databases["reporting"])
    async with running(service, build) as second:
        first = village.processes["reporting"]
        await eventually(lambda: are_shared(first, second), every=0.1)
        yield second


async def are_shared(one: Process, other: Process) -> bool:
    held = [{book.number for book in process.service.opened()} for process in (one, other)]
    is_dealt = all(held) and sum(map(len, held)) == BOOKS
    return is_dealt and await one.is_ready() and await other.is_ready()


pytestmark = pytest.mark.usefixtures("driver")


async def test_a_request_finds_the_writer_of_its_book_by_one_hop(
    tmp_path: Path, broker: str, mongo_uri: str
) -> None:
    async with a_village(tmp_path, broker, mongo_uri, at=datetime(2026, 1, 5, 1, tzinfo=UTC)) as village:
        assert (await village.set_schedule()).is_success
        await eventually(village.report)
        async with a_second_replica(village, tmp_path, broker, mongo_uri) as second:
            first = village.processes["reporting"]
            stranger = second if affinity(REPORT) in first.service.books else first
            assert affinity(REPORT) not in stranger.service.books
            path, body = f"/v1/reports/{REPORT}/filings", {"recipients": [TOWNSHIP]}
            hopped = await stranger.http.post(path, json=body, headers=village.token("filer") | {HOP: "1"})
            assert hopped.status_code == httpx.codes.SERVICE_UNAVAILABLE
            answer = await stranger.http.post(path, json=body, headers=village.token("filer"))
            assert (answer.status_code, answer.json()["result"]) == (200, "applied")
            refused = await stranger.http.post(
                path,
                json={"recipients": ["33"]},
                headers=village.token("filer") | {"accept-language": "zh-CN"},
            )
            assert (refused.status_code, refused.json()["title"]) == (409, "业务规则不允许")
        edges = {edge["duty"]: edge["filed_at"] for edge in (await village.report())["edges"]}
        assert edges.pop(DUTY) is not None
        assert set(edges.values()) == {None}


async def test_a_foreign_duty_is_opened_and_finished_through_whichever_replica_is_asked(
    tmp_path: Path, broker: str, mongo_uri: str
) -> None:
    now = datetime(2026, 1, 5, 1, tzinfo=UTC)
    async with (
        a_village(tmp_path, broker, mongo_uri, at=now) as village,
        a_second_replica(village, tmp_path, broker, mongo_uri) as second,
    ):
        headers, first = village.token("duties:lesson"), village.processes["reporting"]
        wish = {"unit": TOWNSHIP, "kind": "lesson", "line": "main", "recipient": "33", "period": "2026"}
        for n in range(8):
            one, other = (first, second) if n % 2 else (second, first)
            body = wish | {"id": f"l-{n}", "due_at": "2026-03-31T16:00:00Z"}
            opened = await one.http.post("/v1/duties", json=body, headers=headers)
            assert (opened.status_code, opened.json()["result"]) == (201, "applied")
            path = f"/v1/duties/somebody.l-{n}"
            done = await other.http.post(f"{path}/fulfilments", json={}, headers=headers)
            assert (done.status_code, done.json()["result"]) == (200, "applied")
            assert (await one.http.get(path, headers=headers)).json()["status"] == "fulfilled"
