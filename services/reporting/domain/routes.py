"""The routes of the double report (双报告): who reports what to whom, as data over the tree."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from contracts.duties import Line
from contracts.refusal import Refusal
from contracts.tree import Tree

Reporter = Literal["party_organisation", "discipline_organisation"]
"""A unit's line, not its kind: kinds are an open list, and a department's Party organisation reports too."""
LINES = [line.value for line in Line]
REPORTERS = get_args(Reporter)
RECIPIENTS = {"superior_committee", "superior_discipline", "same_level_committee"}


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    row: str
    reporter: Reporter
    line: Line
    recipients: tuple[str, ...]
    title: str
    """What the report is called, for people; ``{period}`` stands in it."""


ROUTES = (
    Route(
        "main-responsibility",
        "party_organisation",
        Line.MAIN,
        ("superior_committee", "superior_discipline"),
        "{period}年度履行主体责任情况报告",
    ),
    Route(
        "first-responsible-person",
        "party_organisation",
        Line.MAIN,
        ("superior_committee", "superior_discipline"),
        "{period}年度履行第一责任人职责情况报告",
    ),
    Route(
        "supervision-responsibility",
        "discipline_organisation",
        Line.SUPERVISION,
        ("same_level_committee", "superior_discipline"),
        "{period}年度履行监督责任情况报告",
    ),
)


class Owed(NamedTuple):
    """A row that a unit owes, and to whom."""

    route: Route
    recipients: tuple[str, ...]


def read_routes(table: Iterable[Mapping[str, Any]]) -> tuple[Route, ...] | Refusal:
    """Return an edited table, or why it is none: each row belongs to exactly one line (mission F3)."""
    routes = []
    for row in table:
        refusal = _refusal(row)
        if refusal is not None:
            return refusal
        line, recipients = Line(row["line"]), tuple(row["recipients"])
        routes.append(Route(row["row"], row["reporter"], line, recipients, row["title"]))
    return tuple(routes)


def _refusal(row: Mapping[str, Any]) -> Refusal | None:
    name = row.get("row", "")
    if row.get("line") not in LINES:
        return Refusal(
            "not_one_line",
            f"Row {name} must belong to exactly one line: main or supervision.",
            f"“{name}”必须且只能属于一条责任线：主体责任或监督责任。",
        )
    if row.get("reporter") not in REPORTERS:
        return Refusal("unknown_reporter", f"Row {name} has no known reporter.", f"“{name}”的报告主体无效。")
    if not row.get("recipients") or set(row["recipients"]) - RECIPIENTS:
        return Refusal(
            "unknown_recipient", f"Row {name} has no known recipient.", f"“{name}”的接收单位无效。"
        )
    return None


def edges(tree: Tree, unit: str, routes: Iterable[Route] = ROUTES) -> list[Owed]:
    """Return what a unit owes to whom; a row that nobody would receive, as at the root, is not owed."""
    is_discipline = tree.units[unit].same_level is not None
    reporter = "discipline_organisation" if is_discipline else "party_organisation"
    owed = [Owed(route, _recipients(tree, unit, route)) for route in routes if route.reporter == reporter]
    return [item for item in owed if item.recipients]


def _recipients(tree: Tree, unit: str, route: Route) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for word in route.recipients for code in _resolved(tree, unit, word)))


def _resolved(tree: Tree, unit: str, recipient: str) -> Iterator[str]:
    own = tree.units[unit]
    match recipient:
        case "superior_committee":
            found = tree.superior(tree.committee_of(unit))
        case "superior_discipline":
            found = own.parent if own.same_level is not None else _discipline_above(tree, unit)
        case "same_level_committee":
            found = own.same_level
        case _:
            raise ValueError(f"not a recipient: {recipient!r}")
    if found is not None:
        yield found


def _discipline_above(tree: Tree, unit: str) -> str | None:
    """Return the nearest discipline committee above; a superior department, say, has none of its own."""
    at = tree.superior(unit)
    while at is not None:
        found = tree.discipline_of(at)
        if found is not None and not tree.units[found].is_closed:
            return found
        at = tree.superior(at)
    return None
