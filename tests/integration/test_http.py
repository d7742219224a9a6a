"""What people meet: the services' HTTP, its doors, its refusals and its pages."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio

from deploy.embedded import servers
from deploy.embedded.keys import make_keys, make_token
from shared.access import Identity, sign
from shared.http import MAX_BODY_BYTES, PROBLEM
from tests.support.eventually import eventually
from tests.support.servers import running
from tests.support.village import DUTY, KINDS, REPORT, TOWNSHIP, VILLAGE, Village, a_village

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("driver")]
UNKNOWN = "330399"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, driver: str) -> Iterator[str]:
    """Start a broker for each driver: to new databases on an old one, all that was said would be lost."""
    with running(servers.broker(tmp_path_factory.mktemp(f"broker-{driver}"))) as server:
        yield server.address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def village(
    tmp_path_factory: pytest.TempPathFactory, driver: str, broker: str, mongo_uri: str
) -> AsyncIterator[Village]:
    folder, january = tmp_path_factory.mktemp("village"), datetime(2026, 1, 5, 1, tzinfo=UTC)
    async with a_village(folder, broker, mongo_uri, at=january) as village:
        assert (await village.set_schedule()).is_success
        await eventually(village.report)
        await eventually(village.watch)
        yield village


def body_of(answer: Any, status: int, word: str | None = None) -> dict[str, Any]:
    """Return the problem details of an answer."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    if word is not None:
        assert body["type"] == f"urn:zeren:problem:{word}"
    return body


async def doors(village: Village, name: str) -> list[tuple[str, str]]:
    """Return method and path of everything that a service describes."""
    described = (await village.processes[name].http.get("/openapi.json")).json()["paths"]
    found = [
        (method, re.sub(r"\{\w+\}", "x", path)) for path, methods in described.items() for method in methods
    ]
    assert len(found) > 2
    return found


@pytest.mark.parametrize("name", KINDS)
async def test_every_door_but_the_plumbing_is_closed_without_a_token(village: Village, name: str) -> None:
    http = village.processes[name].http

    for method, path in await doors(village, name):
        answer = await http.request(method, path)
        body_of(answer, 401, "invalid_token")
    for path in ("/live", "/ready", "/metrics", "/docs", "/docs/events", "/openapi.json"):
        assert (await http.get(path)).is_success


async def test_a_forged_expired_or_foreign_token_opens_nothing(village: Village, tmp_path: Path) -> None:
    make_keys(tmp_path)
    operator = Identity(sub="o", unit="33", roles=("operator",))
    claims = {**operator.model_dump(), "aud": "zeren", "exp": datetime.now(UTC) + timedelta(hours=1)}  # noqa: TID251
    public = village.processes["directory"].service.settings.public_key
    private = public.with_name("private.pem").read_text()
    tokens = {
        "forged": make_token(tmp_path, operator),
        "expired": sign(operator, private, expires_at=datetime.now(UTC) - timedelta(seconds=1)),  # noqa: TID251
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "signed with what is public": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "for another audience": jwt.encode({**claims, "aud": "others"}, private, algorithm="EdDSA"),
        "without an end": jwt.encode(
            {k: v for k, v in claims.items() if k != "exp"}, private, algorithm="EdDSA"
        ),
        "without a subtree": jwt.encode(
            {k: v for k, v in claims.items() if k != "unit"}, private, algorithm="EdDSA"
        ),
        "garbage": "garbage",
    }

    for token in tokens.values():
        for name in KINDS:
            answer = await village.get(name, "/v1/progress", {"Authorization": f"Bearer {token}"})
            body_of(answer, 401, "invalid_token")
    assert (await village.get("directory", "/v1/progress")).is_success


async def test_nobody_does_what_his_role_does_not_allow(village: Village) -> None:
    filer, nobody = village.token("filer"), village.token()

    for answer in (
        await village.post("directory", "/v1/imports/units", filer, content=b"code,name,parent,level\n"),
        await village.post("directory", "/v1/imports/tenures", filer, content=b"post,person,from\n"),
        await village.post(
            "reporting", "/v1/schedules/other", filer, json={"root": "33", "first_year": 2026}
        ),
        await village.post("reporting", f"/v1/reports/{REPORT}/filings", nobody, json={}),
        await village.post(
            "reporting", f"/v1/reports/{REPORT}/filings", filer, json={"received_at": "2026-01-01T00:00:00Z"}
        ),
        await village.post(
            "reminders",
            f"/v1/duties/{DUTY}/acknowledgements",
            village.token("post:33/head"),
            json={"post": f"{VILLAGE}/handler"},
        ),
        await village.get("reminders", "/v1/notices", village.token("post:33/head")),
        await village.get(
            "reminders", "/v1/notices", village.token("post:33/head"), post=f"{VILLAGE}/handler"
        ),
    ):
        body_of(answer, 403, "not_allowed")
    assert (await village.report())["status"] == "open"


async def test_what_lies_outside_ones_subtree_looks_as_if_it_did_not_exist(village: Village) -> None:
    insider = village.token("operator", "filer", unit=VILLAGE)
    county = REPORT.replace(VILLAGE, "330305")

    async def see(name: str, unit: str) -> Any:
        path, query = (f"/v1/units/{unit}", {}) if name == "directory" else ("/v1/reports", {"unit": unit})
        return await village.get(name, path, insider, **query)

    for name in ("directory", "reporting"):
        there = body_of(await see(name, "330305"), 404, "unknown_unit")
        nowhere = body_of(await see(name, UNKNOWN), 404, "unknown_unit")
        assert there["detail"].replace("330305", "?") == nowhere["detail"].replace(UNKNOWN, "?")
        assert (await see(name, VILLAGE)).is_success
    body_of(await village.get("reporting", f"/v1/reports/{county}", insider), 404, "unknown_unit")
    body_of(
        await village.post("reporting", f"/v1/reports/{county}/filings", insider, json={}),
        404,
        "unknown_unit",
    )
    schedule = {"root": "330305", "first_year": 2026}
    body_of(
        await village.post("reporting", "/v1/schedules/mine", insider, json=schedule), 404, "unknown_unit"
    )


@pytest.mark.parametrize(
    ("language", "named", "title", "detail"),
    [
        ("en-GB,en;q=0.9", "en", "The business says no", "nothing is climbing here"),
        ("zh-CN,zh;q=0.9", "zh-CN", "业务规则不允许", "没有正在上报的事项"),
        ("", "en", "The business says no", "nothing is climbing here"),
    ],
)
async def test_the_business_says_no_in_the_language_of_who_asks(
    village: Village, language: str, named: str, title: str, detail: str
) -> None:
    post = f"{TOWNSHIP}/head"
    headers = village.token(f"post:{post}") | {"Accept-Language": language}

    answer = await village.post(
        "reminders", f"/v1/duties/{DUTY}/acknowledgements", headers, json={"post": post}
    )

    body = body_of(answer, 409, "nothing_to_acknowledge")
    assert (body["title"], body["detail"]) == (title, detail)
    assert answer.headers["content-language"] == named


async def test_a_post_that_nobody_holds_takes_note_of_nothing(village: Village) -> None:
    post = f"{TOWNSHIP}-dc/handler"
    path = f"/v1/duties/{DUTY}/acknowledgements"

    body_of(
        await village.post("reminders", path, village.token(f"post:{post}"), json={"post": post}),
        409,
        "vacant",
    )


async def test_a_body_that_is_too_large_is_refused_announced_or_not(village: Village) -> None:
    whole = b"x" * (MAX_BODY_BYTES + 1)

    async def in_parts() -> AsyncIterator[bytes]:
        for n in range(0, len(whole), 1 << 20):
            yield whole[n : n + (1 << 20)]

    announced = await village.post("directory", "/v1/imports/units", content=whole)
    unannounced = await village.post("directory", "/v1/imports/units", content=in_parts())

    body_of(announced, 413, "too_large")
    body_of(unannounced, 413, "too_large")
    assert (await village.get("directory", "/v1/units/33")).is_success


async def test_a_bad_file_is_told_by_line_and_field_and_changes_nothing(village: Village) -> None:
    rows = "code,name,parent,level\n33,浙江省,,province\n3399,,33,city\n339901,某县,3398,county\n"

    body = body_of(
        await village.post("directory", "/v1/imports/units", content=rows.encode()), 422, "bad_rows"
    )

    assert [(error["line"], error["field"]) for error in body["errors"]] == [(3, "name"), (4, "parent")]
    assert all(error["reason"] and error["reason_zh"] for error in body["errors"])
    body_of(await village.get("directory", "/v1/units/3399"), 404)


async def test_a_file_that_is_not_text_is_told_so(village: Village) -> None:
    answer = await village.post(
        "directory", "/v1/imports/units", content="code,name\n33,浙江省".encode("gb18030")
    )

    body_of(answer, 400, "not_utf8")


async def test_an_invalid_field_is_told_by_its_name(village: Village) -> None:
    body = body_of(
        await village.post("reporting", "/v1/schedules/other", json={"root": "33"}), 422, "invalid"
    )

    assert [error["field"] for error in body["errors"]] == ["body.first_year"]


async def test_a_path_that_leads_nowhere_is_told_as_everything_else(village: Village) -> None:
    body_of(await village.get("reporting", "/v1/nowhere"), 404, "http")
    body_of(await village.post("reporting", f"/v1/reports/{REPORT}"), 405, "http")


@pytest.mark.parametrize("name", KINDS)
async def test_the_page_of_the_interface_asks_no_other_host(village: Village, name: str) -> None:
    http = village.processes[name].http

    page = (await http.get("/docs")).text

    linked = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(linked) == 3
    assert "//" not in page.replace("// ", "")
    for path in linked:
        asset = await http.get(path)
        assert asset.is_success
        assert len(asset.content) > 100
    assert "'/openapi.json'" in page or '"/openapi.json"' in page


@pytest.mark.parametrize("name", KINDS)
async def test_the_page_of_the_topics_has_all_it_needs_and_asks_no_other_host(
    village: Village, name: str
) -> None:
    http = village.processes[name].http

    page = (await http.get("/docs/events")).text
    document = (await http.get("/docs/events/asyncapi.yaml")).text

    linked = set(re.findall(r"""(?:src|href)=["']([^"']+)""", page))
    schemas = {f"/docs/events/{path}" for path in re.findall(r"\$ref: (schemas/\S+)", document)}
    assert {"/docs/events/viewer/asyncapi-viewer.js", "/docs/events/asyncapi.yaml"} <= linked
    assert len(schemas) > 30
    assert "//" not in page
    for path in linked | schemas:
        assert (await http.get(path)).is_success, path


@pytest.mark.parametrize("name", KINDS)
async def test_metrics_are_in_the_form_that_prometheus_reads(village: Village, name: str) -> None:
    answer = await village.processes[name].http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert f'zeren_open_books{{service="{name}"}}' in answer.text
    assert "zeren_http_request_seconds_bucket" in answer.text
