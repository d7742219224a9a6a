"""Everything that the shipped dashboards and rules ask of Prometheus."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.observe.programs import ROOT, RULES

DASHBOARDS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
}
_COMPARED = re.compile(r" (==|!=|<=|>=|<|>) ")
_METRIC = re.compile(r"\b(?:up\b|(?:zeren|reminders|scoring|process)[_:][\w:]+)")


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each panel, after its dashboard's name."""
    return ((name, panel) for name, board in DASHBOARDS.items() for panel in board["panels"])


def expressions() -> dict[str, str]:
    """Return each expression by where it stands; a comparison answers 0 too, as most alerts are quiet."""
    found = {
        f"{name}/{panel['title']}/{target['refId']}": target["expr"]
        for name, panel in panels()
        for target in panel["targets"]
    }
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            found[rule.get("alert") or rule["record"]] = _COMPARED.sub(r" \1 bool ", rule["expr"])
    return found


def misspelt(expression: str) -> Iterator[str]:
    """Return the expression once for each metric that it names, with that name wrong."""
    for name in _METRIC.finditer(expression):
        yield f"{expression[: name.end()]}x{expression[name.end() :]}"
