"""Every route of every service, asked by its own OpenAPI document and against it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.http import OPEN, PROBLEM
from tests.support import garbage
from tests.support.garbage import EXAMPLES
from tests.support.running import Running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN = {
    "unit": garbage.UNIT,
    "code": garbage.UNIT,
    "root": garbage.ROOT,
    "report": garbage.REPORT,
    "inspection": garbage.INSPECTION,
    "finding": garbage.FINDING,
    "recipient": "town",
    "post": f"{garbage.UNIT}/handler",
    "kind": "lesson",
    "policy": "standard/1",
    "id": "lesson-2",
    "stream": garbage.PARKED,
}


@dataclass
class Asked:
    """A service that is asked by code that cannot wait."""

    running: Running
    runner: asyncio.Runner
    schema: Any

    def __call__(self, case: Case, token: dict[str, str]) -> httpx.Response:
        """Send what was generated."""
        sent = case.as_transport_kwargs(base_url="http://service")
        headers = {name: value.encode("latin-1") for name, value in sent["headers"].items()}
        request = self.running.http.build_request(
            sent["method"],
            sent["url"],
            params=sent.get("params"),
            headers=headers | {name: value.encode() for name, value in token.items()},
            **({"json": sent["json"]} if "json" in sent else {"content": sent.get("data")}),
        )
        return self.runner.run(self.running.http.send(request))


@pytest.fixture(scope="module", params=garbage.SERVICES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with asyncio.Runner() as runner:
        running = runner.run(_made(request.param, tmp_path_factory.mktemp(request.param)))
        document = runner.run(running.http.get("/openapi.json")).json()
        yield Asked(running, runner, schemathesis.openapi.from_dict(document))


async def _made(name: str, folder: Path) -> Running:
    running = await garbage.SERVICES[name](folder)
    await garbage.settle(running)
    await garbage.park(running)
    return running


def throw(asked: Asked, test: Callable[[Case], None]) -> None:
    """Try a test with requests to every route, such as its document describes and such as break it."""
    for operation in (found.ok() for found in asked.schema.get_all_operations()):
        for mode in GenerationMode:
            with suppress(Unsatisfiable):
                EXAMPLES(given(case=operation.as_strategy(generation_mode=mode))(test))()


def known(case: Case, service: str) -> Case:
    """Let a case ask for what is there."""
    here = KNOWN | {"duty": garbage.DUTIES.get(service, "")}
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part.update({name: here[name] for name in part if name in here})
    return case


def test_every_answer_is_one_that_the_document_tells_of_and_none_is_a_fault(asked: Asked) -> None:
    token = asked.running.token(*garbage.ROLES, unit=garbage.ROOT)

    def test(case: Case) -> None:
        case.validate_response(asked(case, token), checks=CHECKS)
        case.validate_response(asked(known(case, asked.running.service.name), token), checks=CHECKS)

    throw(asked, test)


def test_whatever_is_asked_without_a_token_is_answered_401(asked: Asked) -> None:
    def test(case: Case) -> None:
        answer = asked(case, {})
        case.validate_response(answer, checks=CHECKS)
        assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
        assert answer.headers["www-authenticate"] == "Bearer"

    throw(asked, test)


def test_only_the_plumbing_is_open(asked: Asked) -> None:
    for path in (*OPEN, "/docs/assets/swagger-ui.css", "/docs/events/asyncapi.yaml"):
        assert asked.runner.run(asked.running.http.get(path)).is_success
    for path in ("/", "/nowhere", "/v1", "/docs/", "/docs/eventss", "/openapi.json/", "//live"):
        assert asked.runner.run(asked.running.http.get(path)).status_code == 401


def test_a_method_that_a_route_does_not_know_is_answered_with_those_that_it_knows(asked: Asked) -> None:
    token = asked.running.token(*garbage.ROLES, unit=garbage.ROOT)
    for path in ("/v1/progress", "/v1/dead-letters", "/live"):
        answer = asked.runner.run(asked.running.http.put(path, headers=token))
        assert (answer.status_code, answer.headers["content-type"]) == (405, PROBLEM)
        assert answer.headers["allow"] == "GET"
