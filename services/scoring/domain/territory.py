"""The tree as scoring sees it: territories, the edges between them, and levels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.tree import Tree
from services.scoring.domain.rate import Rate


@dataclass(frozen=True, slots=True)
class Edge:
    """A territory and, together, all those directly below it; each as the units that bear its duties."""

    unit: str
    """The Party committee of the upper side."""
    upper: tuple[str, ...]
    lower: tuple[str, ...]


def territory(tree: Tree, committee: str) -> tuple[str, ...]:
    """Return a Party committee and its discipline committee: together they answer for a place."""
    discipline = tree.discipline_of(committee)
    return (committee,) if discipline is None else (committee, discipline)


def below(tree: Tree, committee: str) -> list[str]:
    """Return the committees directly below; closed ones too, since what they owed is not forgotten."""
    return [unit.code for unit in tree.children(committee) if unit.same_level is None]


def edge(tree: Tree, committee: str) -> Edge | None:
    """Return the edge below a committee, None if it has nobody below or exists no more."""
    lower = [unit for code in below(tree, committee) for unit in territory(tree, code)]
    if not lower or tree.units[committee].is_closed:
        return None
    return Edge(committee, territory(tree, committee), tuple(lower))


def edges(tree: Tree) -> Iterator[Edge]:
    """Yield every edge of the tree."""
    for unit in tree.units.values():
        found = edge(tree, unit.code) if unit.same_level is None else None
        if found is not None:
            yield found


def uppers(tree: Tree, root: str) -> list[str]:
    """Return the committees at and below *root* that have somebody below, in order of their code."""
    codes = (unit.code for unit in tree.subtree(root) if unit.same_level is None)
    return sorted(code for code in codes if below(tree, code))


def depths(tree: Tree, root: str) -> Iterator[list[str]]:
    """Yield the committees at each depth below *root*, beginning with itself."""
    level = [root]
    while level:
        yield level
        level = [code for committee in level for code in below(tree, committee)]


def sides(edge: Edge, rates: Mapping[str, Rate]) -> tuple[Rate, Rate]:
    """Return what both sides of an edge add up to."""
    return total(edge.upper, rates), total(edge.lower, rates)


def total(units: Sequence[str], rates: Mapping[str, Rate]) -> Rate:
    """Return what units add up to."""
    return sum((rates[unit] for unit in units if unit in rates), Rate())
