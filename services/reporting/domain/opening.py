"""The yearly round: every report that the units of a subtree owe for the year before."""

from collections.abc import Iterable, Iterator

from contracts.tree import Tree
from services.reporting.domain.model import OpenReport, Schedule
from services.reporting.domain.routes import ROUTES, Route, edges


def opening(
    tree: Tree, schedule: Schedule, year: int, routes: Iterable[Route] = ROUTES
) -> Iterator[OpenReport]:
    """Yield what opens in a year; the identities are derived, so opening twice opens once.

    When all of it is appended, ``OpenYear(year)`` ends the round.

    Raises:
        KeyError: the root is not known.
    """
    period, due_at = str(year - 1), schedule.due_at(year)
    table = tuple(routes)
    for unit in tree.subtree(schedule.root):
        for route, recipients in edges(tree, unit.code, table):
            yield OpenReport(
                unit=unit.code,
                row=route.row,
                line=route.line,
                period=period,
                due_at=due_at,
                recipients=recipients,
                policy=schedule.policy,
                title=route.title.format(period=period),
                kind=schedule.kind,
            )
