"""A replica that does not write a book passes the request on to the one that does, once."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from shared.http import HOP
from shared.mongo import MongoStore
from shared.service import Service
from tests.support.eventually import eventually
from tests.support.process import running, settings_of
from tests.support.village import DUTY, KINDS, REPORT, TOWNSHIP, a_village

pytestmark = pytest.mark.usefixtures("driver")


async def test_a_request_finds_the_writer_of_its_book_by_one_hop(
    tmp_path: Path, broker_address: str, mongo_uri: str
) -> None:
    async with a_village(
        tmp_path, broker_address, mongo_uri, at=datetime(2026, 1, 5, 1, tzinfo=UTC)
    ) as village:
        assert (await village.set_schedule()).is_success
        await eventually(village.report)
        kind, build = KINDS["reporting"]
        servers = {"broker_address": broker_address, "mongo_uri": mongo_uri}
        service: Service[object] = Service(settings_of(kind, tmp_path, clock="story", **servers), "reporting")
        service.store = MongoStore(service.client, village.databases["reporting"])
        async with running(service, build) as standby:
            assert service.books == {}
            path, body = f"/v1/reports/{REPORT}/filings", {"recipients": [TOWNSHIP]}
            hopped = await standby.http.post(path, json=body, headers=village.token("filer") | {HOP: "1"})
            assert hopped.status_code == httpx.codes.SERVICE_UNAVAILABLE
            answer = await standby.http.post(path, json=body, headers=village.token("filer"))
            assert (answer.status_code, answer.json()["result"]) == (200, "applied")
            refused = await standby.http.post(
                path,
                json={"recipients": ["33"]},
                headers=village.token("filer") | {"accept-language": "zh-CN"},
            )
            assert (refused.status_code, refused.json()["title"]) == (409, "业务规则不允许")
        edges = {edge["duty"]: edge["filed_at"] for edge in (await village.report())["edges"]}
        assert edges.pop(DUTY) is not None
        assert set(edges.values()) == {None}
