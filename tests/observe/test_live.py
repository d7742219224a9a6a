"""Prometheus scrapes the services while they play the story, and is asked all that operators ask of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import closing
from pathlib import Path

import pytest

from shared.clock import real_now
from tests.observe.draw import draw
from tests.observe.expressions import DASHBOARDS, expressions, grouped, legends, misspelt
from tests.observe.programs import program
from tests.observe.watching import Played, Watcher, configured, prometheus
from tests.support.eventually import eventually
from tests.support.servers import running

pytestmark = pytest.mark.timeout(400)
TOWNSHIP = "330305202"
Ask = Callable[..., bool]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Play the story under the eyes of Prometheus."""
    program("prometheus")
    folder = tmp_path_factory.mktemp("observed")
    data, began = folder / "data", real_now().timestamp()
    command = [sys.executable, "-m", "deploy.embedded", "--once", "--tree", TOWNSHIP, "--data", str(data)]
    with (folder / "story.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as story:
        try:
            wait_for(data / "addresses.json", story)
            settings = configured(folder, json.loads((data / "addresses.json").read_text()), every="1s")
            with running(prometheus(folder, settings)) as server:
                assert story.wait(300) == 0, (folder / "story.log").read_text()
                with closing(Watcher(server.address)) as watcher:
                    yield Played(watcher, began, real_now().timestamp())
        finally:
            story.terminate()


def wait_for(path: Path, story: subprocess.Popen[bytes]) -> None:
    asyncio.run(eventually(lambda: story.poll() is not None or path.exists(), within=60))
    assert story.poll() is None


@pytest.fixture(scope="module")
def is_answered(played: Played) -> Ask:
    """Tell whether an expression ever gave a number.

    It does so with all the labels by which it is grouped, and with those that are asked for.
    """
    return lambda *asked: is_numbered(played, *asked)


def is_numbered(played: Played, expression: str, labels: Set[str] = frozenset()) -> bool:
    """Tell whether an expression and each of its groups had numbers, with all their labels."""
    groups = all(has_numbers(played, part, by) for part, by in grouped(expression))
    return groups and has_numbers(played, expression, labels)


def has_numbers(played: Played, expression: str, labels: Set[str]) -> bool:
    """Tell whether an expression had at least one series with a number and these labels."""
    found = [series for series in played.series(expression) if labels <= series["metric"].keys()]
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


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_can_be_drawn_from_what_prometheus_answers(
    name: str, played: Played, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`--draw FOLDER` keeps the pictures: look at them after each change of a dashboard."""
    folder = Path(request.config.getoption("--draw") or tmp_path)

    marks = draw(DASHBOARDS[name], played, folder / f"{name}.png")

    assert (folder / f"{name}.png").stat().st_size > 0
    assert [title for title, count in marks.items() if count == 0] == []
