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
_MATCHED = re.compile(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)")
_GROUPED = re.compile(r"\bby \(([^)]*)\) \(")
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
    """Return the expression once for each metric and each label that it names, with that name wrong."""
    ends = [name.end() for name in _METRIC.finditer(expression)]
    ends += [label.end(1) for label in _MATCHED.finditer(expression)]
    for group in _GROUPED.finditer(expression):
        ends += [group.start(1) + label.end() for label in re.finditer(r"\w+", group[1])]
    for end in ends:
        yield f"{expression[:end]}x{expression[end:]}"


def grouped(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Return each part of an expression that is added up by labels, and these labels.

    Prometheus answers a grouping by a label that nobody has, and leaves the label out.
    """
    for group in _GROUPED.finditer(expression):
        start = re.search(r"\w+ $", expression[: group.start()])
        assert start is not None, expression
        depth, end = 1, group.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(expression[end], 0)
            end += 1
        yield expression[start.start() : end], set(re.findall(r"\w+", group[1]))


def legends() -> dict[str, tuple[str, set[str]]]:
    """Return by its place each expression whose legend names labels, and these labels."""
    return {
        f"{name}/{panel['title']}/{target['refId']}": (target["expr"], labels)
        for name, panel in panels()
        for target in panel["targets"]
        if (labels := set(re.findall(r"{{(\w+)}}", target["legendFormat"])))
    }
