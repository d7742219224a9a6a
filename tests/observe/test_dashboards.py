"""Each panel says in both languages what it shows, in which unit, and where to read on."""

import re
from typing import Any

import pytest

from tests.observe.expressions import DASHBOARDS, expressions, panels
from tests.observe.programs import ROOT, anchors

PANELS = [pytest.param(panel, id=f"{name}-{panel['id']}") for name, panel in panels()]
RUNBOOK = anchors((ROOT / "docs" / "runbook.md").read_text())


def is_bilingual(text: str) -> bool:
    english, _, chinese = text.partition(" · ")
    return bool(re.search(r"[A-Za-z0-9]", english) and re.search(r"[\u4e00-\u9fff]", chinese))


def test_the_three_dashboards_are_there_and_bear_both_names() -> None:
    assert DASHBOARDS.keys() == {"reminder-latency", "escalations", "plumbing"}
    assert all(is_bilingual(board["title"]) for board in DASHBOARDS.values())
    assert len({board["uid"] for board in DASHBOARDS.values()}) == len(DASHBOARDS)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_title_description_unit_thresholds_and_a_paragraph_of_the_runbook(
    panel: dict[str, Any],
) -> None:
    assert is_bilingual(panel["title"])
    assert is_bilingual(panel["description"])
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    (link,) = panel["links"]
    assert link["url"].removeprefix("${runbook}#") in RUNBOOK


def test_no_panel_is_without_a_question_and_none_is_asked_twice_on_one_place() -> None:
    assert all(panel["targets"] for _, panel in panels())
    asked = sum(len(panel["targets"]) for _, panel in panels())
    assert len([where for where in expressions() if "/" in where]) == asked


def test_both_latenesses_have_a_heatmap_whose_axis_is_in_seconds() -> None:
    heatmaps = [panel for _, panel in panels() if panel["type"] == "heatmap"]
    asked = " ".join(target["expr"] for panel in heatmaps for target in panel["targets"])
    assert [panel["options"]["yAxis"]["unit"] for panel in heatmaps] == ["s", "s"]
    assert "wakeup_lateness" in asked
    assert "delivery_lateness" in asked
