"""No word of a person leaves a service: not in a log line, not on a topic, not in a problem's details."""

import io
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from contracts.duties import DutyOpened, Line
from contracts.duties_in import DutyBrought, DutyDone
from contracts.envelope import encode
from contracts.topics import PARTITIONS
from deploy.embedded.keys import make_token
from services.directory.app import build as build_directory
from services.reminders.app import build as build_reminders
from services.reporting.app import build as build_reporting
from services.scoring.app import build as build_scoring
from shared import logs
from shared.access import Identity
from shared.clock import MICROSECOND
from shared.ids import partition_of
from shared.state import Inbound
from tests.support.reminders import DUE, OPENED_AT, a_duty, a_village
from tests.support.running import Running
from tests.support.words import MARK, does, garbage, parked, written

UNITS = "code,name,parent,level\n33,浙江省,,province\n"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Let services and libraries log as a process of their own does, and return what they write."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    logs.configure("test", json=True)
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.LibraryFormatter())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def on_topics(running: Running) -> list[str]:
    """Return every record on every topic that the service has said, dead letters included, as text."""
    records = [record for log in running.broker.past for part in log.values() for record in part]
    return [
        f"{record.topic} {record.key} {record.reason} {json.loads(record.value) if record.value else ''}"
        for record in records
    ]


async def refused(running: Running, path: str, *roles: str, **what: Any) -> str:
    """Ask for what cannot be, in both languages, and return what the caller is told."""
    told = ""
    for language in ("en", "zh-CN"):
        headers = running.token(*roles, unit=what.get("unit", "33")) | {"accept-language": language}
        body = {key: value for key, value in what.items() if key in {"json", "content", "params"}}
        answer = await running.http.post(path, headers=headers | what.get("headers", {}), **body)
        assert answer.is_client_error, answer.text
        told += answer.text
    return told


def stranger(folder: Path, unit: str) -> dict[str, str]:
    """Return the header of somebody whose token bears a name instead of an identifier."""
    identity = Identity(sub=f"{MARK} 同志", unit=unit, roles=("operator", "inspector", "filer"))
    return {"Authorization": f"Bearer {make_token(folder, identity)}"}


async def directory(folder: Path) -> tuple[Running, str]:
    running = await Running("directory", build_directory, folder, OPENED_AT).start()
    planted = await running.post("/v1/imports/units", "operator", unit="33", content=UNITS.encode())
    assert planted.is_success, planted.text
    units, tenures = "/v1/imports/units", "/v1/imports/tenures"
    told = ""
    for row in (f"{MARK},x,33,city", f"3303,x,{MARK},city", f'"{MARK}', f"{MARK},x"):
        told += await refused(running, units, "operator", content=f"{UNITS}{row}\n".encode())
    for row in (f"33/head,{MARK},2026-01-01", f"{MARK},p-1,2026-01-01", f"33/head,p-1,{MARK}"):
        content = f"post,person,from\n{row}\n".encode()
        told += await refused(running, tenures, "operator", content=content)
    told += await refused(running, units, "operator", content=MARK.encode("gbk"))
    told += await refused(running, units, "operator", content=f"PK\x03\x04{MARK}".encode())
    told += await refused(running, units, content=b"", headers=stranger(folder, "33"))
    await running.get(f"/v1/units/{MARK}", unit="33")
    return running, told


def wish(**changes: Any) -> DutyBrought:
    brought = DutyBrought(
        duty="training.one",
        unit="village",
        kind="lesson",
        line=Line.MAIN,
        recipient="county",
        period="2026-Q1",
        due_at=DUE,
    )
    return brought.model_copy(update=changes)


async def reporting(folder: Path) -> tuple[Running, str]:
    """Let another system write a name wherever it can, the title excepted, which is published."""
    running = await Running("reporting", build_reporting, folder, OPENED_AT).start()
    await running.hears(*a_village().facts)
    await running.hears_all_said("directory", OPENED_AT + MICROSECOND)
    identity = Identity(sub="training", unit="town", roles=("duties:lesson",))
    token = make_token(folder, identity)
    facts = [wish(duty=f"training.{MARK}"), wish(duty=MARK), wish(unit=MARK), wish(recipient=MARK)]
    facts += [wish(kind=MARK), wish(policy=MARK), wish(title="x" * 201 + MARK)]
    records = [
        *(a_record(fact, token, n) for n, fact in enumerate(facts)),
        a_record(DutyDone(duty="training.other", unit=MARK, done_at=OPENED_AT), token, 10),
        a_record(wish(), token, 11, event=MARK),
        a_record(wish(), token, 12, more=f',"note":"{MARK}"'),
        a_record(wish(), token, 13, line=MARK),
        a_record(wish(), MARK, 14),
        garbage(f"duty-in:{MARK}", 15, "duties-in"),
        garbage("duty-in:training.two", 16, "duties-in"),
    ]
    for record in records:
        await running.hears_again([record])
    bearer = {"Authorization": f"Bearer {token}"}
    body = wish().model_dump(mode="json", exclude={"duty"}) | {"id": "two"}
    told = ""
    for change in ({"id": MARK}, {"unit": MARK}, {"recipient": MARK}, {"kind": MARK}, {"policy": MARK}):
        told += await refused(running, "/v1/duties", json=body | change, headers=bearer)
    for change in ({"line": MARK}, {"due_at": MARK}, {"title": "x" * 201 + MARK}):
        told += await refused(running, "/v1/duties", json=body | change, headers=bearer)
    told += await refused(running, "/v1/duties", json=body, headers=stranger(folder, "town"))
    return running, told


def a_record(
    fact: DutyBrought | DutyDone, token: str, n: int, event: str = "", more: str = "", line: str = ""
) -> Inbound:
    value = encode(fact, source="x", sequence=0, time=OPENED_AT, correlation="c", cause="c").decode()
    value = value.replace(f'"id":"{fact.subject}/0"', f'"id":"{event or f"e-{n}"}"')
    value = value.replace('"line":"main"', f'"line":"{line or "main"}"{more}')
    where = partition_of(fact.subject, PARTITIONS)
    return Inbound("duties-in", where, n, fact.subject.encode(), value.encode(), token)


async def reminders(folder: Path) -> tuple[Running, str]:
    running = await Running("reminders", build_reminders, folder, OPENED_AT).start()
    await running.hears(*a_village().facts)
    duty = a_duty().model_copy(update={"title": f"{MARK}: a title, which its owner publishes"})
    await running.hears(duty)
    await running.hears_again([garbage(f"duty:{MARK}", 90, "duties"), garbage("duty:other", 91, "duties")])
    await running.at(DUE + MICROSECOND)
    path = f"/v1/duties/{duty.duty}/acknowledgements"
    told = await refused(running, path, unit="town", json={"post": MARK})
    told += await refused(running, path, unit="town", json={"post": {MARK: MARK}})
    told += await refused(running, path, json={"post": "x"}, headers=stranger(folder, "town"))
    assert await running.database["notices"].find({}).to_list(99)
    assert MARK not in str(await running.database["notices"].find({}).to_list(99))
    return running, told


async def inspection(folder: Path) -> tuple[Running, str]:
    running = await written(folder)
    await parked(running)
    where = "/v1/units/village/inspections/village.special.2"
    told = await refused(running, f"{where}/findings", "inspector", unit="town", json={"line": MARK})
    long = {"line": "main", "text": MARK * 2000, "days": MARK}
    told += await refused(running, f"{where}/findings", "inspector", unit="town", json=long)
    both = {"line": "main", "text": MARK, "days": 3, "due_at": "2027-01-01T00:00:00Z"}
    told += await refused(running, f"{where}/findings", "inspector", unit="town", json=both)
    reason = {"reason": MARK}
    told += await refused(running, f"{where}/dismissal", "inspector", unit="town", json=reason)
    told += await refused(running, f"{where}/dismissal", json=reason, headers=stranger(folder, "town"))
    again = await running.post("/v1/dead-letters/village/replay", "operator", unit="province")
    return running, told + again.text


async def scoring(folder: Path) -> tuple[Running, str]:
    running = await Running("scoring", build_scoring, folder, OPENED_AT).start()
    await running.hears(*a_village().facts)
    await running.hears(a_duty().model_copy(update={"title": MARK}))
    await running.hears_again([garbage(f"duty:{MARK}", 90, "duties"), garbage("duty:other", 91, "duties")])
    await running.says()
    headers = running.token(unit="town")
    answer = await running.http.get("/v1/units/village/score", params={"window": MARK}, headers=headers)
    return running, answer.text


@pytest.mark.parametrize(
    "story", [directory, reporting, reminders, inspection, scoring], ids=lambda story: story.__name__
)
async def test_no_word_of_a_person_is_logged_or_said_or_repeated_to_who_asks(
    tmp_path: Path, lines: io.StringIO, story: Callable[[Path], Awaitable[tuple[Running, str]]]
) -> None:
    running, told = await story(tmp_path)
    await running.says()

    assert '"event": "' in lines.getvalue()
    assert MARK not in lines.getvalue()
    said = on_topics(running)
    assert said
    assert [record for record in said if MARK in record] == []
    assert told
    assert MARK not in told
    letters = running.broker.logs
    heard = {topic.removesuffix("-dlq") for topic, _ in letters if topic.endswith("-dlq")}
    assert heard == set(running.plan.hears), "every service that hears a topic was given bad records"


async def test_a_title_that_another_system_gives_its_duty_is_published_as_the_contract_says(
    tmp_path: Path,
) -> None:
    """Its owner answers for it; nothing else of a wish reaches a topic as it came."""
    running = await Running("reporting", build_reporting, tmp_path, OPENED_AT).start()
    await running.hears(*a_village().facts)
    token = make_token(tmp_path, Identity(sub="training", unit="town", roles=("duties:lesson",)))
    await running.hears_again([a_record(wish(title="a lesson"), token, 1)])
    await running.says()

    (opened,) = running.said(DutyOpened)
    assert opened.title == "a lesson"


async def test_a_stream_is_never_called_by_words_that_somebody_put_into_a_key(tmp_path: Path) -> None:
    running = await written(tmp_path)

    assert [stream for stream in running.database.states if MARK in stream] == []


async def test_what_an_operator_is_shown_of_a_dead_letter_quotes_nothing(tmp_path: Path) -> None:
    running = await written(tmp_path)
    reason = await parked(running)

    listed = await running.get("/v1/dead-letters", "operator", unit="province")
    shown = await running.get("/v1/dead-letters/village", "operator", unit="province")

    assert {item["reason"] for item in listed.json()["items"]} >= {reason}
    assert MARK not in listed.text + shown.text


async def test_a_request_for_a_person_by_name_is_logged_without_the_name(
    tmp_path: Path, lines: io.StringIO
) -> None:
    running = await written(tmp_path)
    await running.get(f"/v1/units/{MARK}/inspections", "inspector", unit="town")
    await does(running, "inspections/village.special.2/closing")

    paths = [json.loads(line).get("path") for line in lines.getvalue().splitlines()]
    assert "/v1/units/***/inspections" in paths
    assert "/v1/units/village/inspections/village.special.2/closing" in paths


async def test_a_token_that_bears_a_name_is_refused_as_the_name_would_be_published(tmp_path: Path) -> None:
    running = await written(tmp_path)
    path = "/v1/units/village/inspections/village.special.2/closing"

    answer = await running.http.post(path, headers=stranger(tmp_path, "town"))

    assert (answer.status_code, answer.json()["type"]) == (401, "urn:zeren:problem:invalid_token")
    assert MARK not in answer.text
