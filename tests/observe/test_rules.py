"""Each alert fires when it should, is silent when it should not, and says what to do about it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.observe.programs import PROMETHEUS, ROOT, RULES, anchors, program

CASES = Path(__file__).parent / "rules.test.yml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)


def test_prometheus_takes_its_settings_and_rules() -> None:
    done = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rule files found" in done.stdout


def test_each_alert_fires_when_it_should_and_is_silent_when_it_should_not() -> None:
    done = promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_both_cases() -> None:
    names = {case["name"] for case in yaml.safe_load(CASES.read_text())["tests"]}
    assert names == {f"{alert} {what}" for alert in ALERTS for what in ("fires", "is silent")}


def moved(expression: str, by: Callable[[float], float]) -> str:
    """Return an expression whose thresholds are others."""
    return re.sub(r"([<>=]) ([\d.]+)\b", lambda found: f"{found[1]} {by(float(found[2]))}", expression)


@pytest.mark.parametrize("alert", ALERTS)
@pytest.mark.parametrize("by", [lambda n: n * 2 + 10_000, lambda n: n / 2 if n else -1], ids=["up", "down"])
def test_a_changed_threshold_is_noticed(alert: str, by: Callable[[float], float], tmp_path: Path) -> None:
    rules = yaml.safe_load(RULES.read_text())
    (rule,) = (one for group in rules["groups"] for one in group["rules"] if one.get("alert") == alert)
    rule["expr"] = moved(rule["expr"], by)
    cases = yaml.safe_load(CASES.read_text())
    cases["rule_files"] = ["rules.yml"]
    cases["tests"] = [case for case in cases["tests"] if case["name"].startswith(f"{alert} ")]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    done = promtool("test", "rules", tmp_path / "cases.yml")
    assert done.returncode != 0
    assert f'alertname=\\"{alert}\\"' in done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_speaks_both_languages_and_names_a_paragraph_of_the_runbook(alert: str) -> None:
    notes = ALERTS[alert]["annotations"]
    for text in (notes["summary"], notes["description"]):
        english, _, chinese = text.partition(" · ")
        assert re.search(r"[a-z]", english)
        assert re.search(r"[\u4e00-\u9fff]", chinese)
    page, _, anchor = notes["runbook_url"].partition("#")
    assert anchor in anchors((ROOT / page).read_text())
