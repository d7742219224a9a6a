"""Prometheus scrapes the services while they play the story, and is asked all that operators ask of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from deploy.embedded.servers import HOST, Server, free_port
from deploy.embedded.supervisor import SERVICES
from shared.clock import real_now
from tests.observe.expressions import expressions, grouped, legends, misspelt
from tests.observe.programs import PROMETHEUS, RULES, program
from tests.support.eventually import eventually
from tests.support.servers import running

pytestmark = pytest.mark.timeout(400)
TOWNSHIP = "330305202"
Ask = Callable[..., bool]


def configured(folder: Path, data: Path) -> Path:
    """Write the shipped settings for the services of a run, with a look each second and nobody to alert."""
    addresses = json.loads((data / "addresses.json").read_text())
    settings = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    del settings["alerting"]
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(RULES)]
    (job,) = settings["scrape_configs"]
    job["static_configs"] = [{"targets": [urlsplit(addresses[name]).netloc for name in SERVICES]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def prometheus(folder: Path, settings: Path) -> Server:
    port = free_port()
    options = (
        ("config.file", settings),
        ("storage.tsdb.path", folder / "tsdb"),
        ("web.listen-address", f"{HOST}:{port}"),
    )
    command = [program("prometheus"), *(f"--{name}={value}" for name, value in options)]
    return Server("prometheus", port, command, b"GET /-/ready HTTP/1.0\r\n\r\n", folder / "prometheus.log")


@pytest.fixture(scope="module")
def is_answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Play the story under the eyes of Prometheus; tell whether an expression ever gave a number.

    It does so with all the labels by which it is grouped, and with those that are asked for.
    """
    program("prometheus")
    folder = tmp_path_factory.mktemp("observed")
    data, began = folder / "data", real_now().timestamp()
    command = [sys.executable, "-m", "deploy.embedded", "--once", "--tree", TOWNSHIP, "--data", str(data)]
    with (folder / "story.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as story:
        try:
            wait_for(data / "addresses.json", story)
            with running(prometheus(folder, configured(folder, data))) as server:
                assert story.wait(300) == 0, (folder / "story.log").read_text()
                with httpx.Client(base_url=f"http://{server.address}", timeout=20) as client:
                    yield lambda *asked: is_numbered(client, began, *asked)
        finally:
            story.terminate()


def wait_for(path: Path, story: subprocess.Popen[bytes]) -> None:
    asyncio.run(eventually(lambda: story.poll() is not None or path.exists(), within=60))
    assert story.poll() is None


def is_numbered(client: httpx.Client, began: float, expression: str, labels: Set[str] = frozenset()) -> bool:
    """Tell whether an expression and each of its groups had numbers since a moment, with all their labels."""
    groups = all(has_numbers(client, began, part, by) for part, by in grouped(expression))
    return groups and has_numbers(client, began, expression, labels)


def has_numbers(client: httpx.Client, began: float, expression: str, labels: Set[str]) -> bool:
    """Tell whether an expression had at least one series with a number and these labels since a moment."""
    when = {"start": began, "end": real_now().timestamp(), "step": 1}
    answer = client.get("/api/v1/query_range", params={"query": expression, **when}).json()
    assert answer["status"] == "success", (expression, answer)
    found = [series for series in answer["data"]["result"] if labels <= series["metric"].keys()]
    return any(value != "NaN" for series in found for _, value in series["values"])


def test_every_expression_of_every_dashboard_and_rule_has_a_series(is_answered: Ask) -> None:
    unanswered = {where: asked for where, asked in expressions().items() if not is_answered(asked)}
    assert unanswered == {}


def test_every_label_that_a_legend_names_is_one_of_its_series(is_answered: Ask) -> None:
    named = legends()
    assert len(named) > 10
    assert {where: asked for where, asked in named.items() if not is_answered(*asked)} == {}
    assert not any(is_answered(asked, {f"{label}x" for label in labels}) for asked, labels in named.values())


def test_a_wrong_name_of_a_metric_or_a_label_anywhere_is_noticed(is_answered: Ask) -> None:
    wrong = [one for asked in expressions().values() for one in misspelt(asked)]
    assert len(wrong) >= len(expressions())
    assert [one for one in wrong if is_answered(one)] == []
