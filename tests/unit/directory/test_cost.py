"""What an import looks at: its rows and what is above them, however large the tree is."""

from collections.abc import Iterator
from typing import Any

import pytest

from contracts.tree import Tree
from services.directory.domain.model import CloseUnit
from tests.support.hierarchy import Directory, import_tenures, import_units, placed

HEADER = "code,name,parent,level"
TOP = ["r,根,,province", "c,县,r,county", "t,镇,c,township"]
FILE = "\n".join([HEADER, *TOP, *(f"v{n},村,t,village" for n in range(20)), "w,新村,t,village"])


class Watched(dict[str, Any]):
    """A table that counts how often it is looked into."""

    looks = 0

    # typing has no override before 3.12.
    def __getitem__(self, key: str) -> Any:  # type: ignore[explicit-override]
        self.looks += 1
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:  # type: ignore[explicit-override]
        self.looks += 1
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:  # type: ignore[explicit-override]
        self.looks += len(self)
        return super().__iter__()

    def values(self) -> Any:  # type: ignore[explicit-override]
        self.looks += len(self)
        return super().values()

    def items(self) -> Any:  # type: ignore[explicit-override]
        self.looks += len(self)
        return super().items()


def a_tree(others: int) -> Tree:
    """Return a tree with the rows of the file and so many other villages, watched from now on."""
    rows = [HEADER, *TOP, "o,乡,c,township", *(f"v{n},村,t,village" for n in range(20))]
    tree = Directory().imported("\n".join([*rows, *(f"x{n},村,o,village" for n in range(others))])).tree
    tree.units = Watched(tree.units)
    tree._posts._units = tree.units
    return tree


def looks(tree: Tree) -> int:
    """Return how often the tree's units were looked at."""
    assert isinstance(tree.units, Watched)
    return tree.units.looks


@pytest.mark.parametrize("text", [FILE, FILE.replace("v3,村,t", "v3,村,c"), HEADER + "\nz,第二,,x"])
def test_planning_a_part_costs_the_same_in_a_tree_a_hundred_times_as_large(text: str) -> None:
    small, large = a_tree(10), a_tree(1000)
    assert import_units(text, small) == import_units(text, large)
    assert 0 < looks(small) == looks(large)


def test_planning_tenures_costs_the_same_in_a_tree_a_hundred_times_as_large() -> None:
    text = "post,person,from\nv1/head,p-1,2025-01-01\nv2/head,p-2,2025-01-01\n"
    small, large = a_tree(10), a_tree(1000)
    assert import_tenures(text, small) == import_tenures(text, large)
    assert 0 < looks(small) == looks(large)


def test_closing_a_unit_looks_only_at_what_hangs_on_it() -> None:
    costs = []
    for others in (10, 1000):
        directory = Directory().imported("\n".join([HEADER, *TOP, "o,乡,c,township"]))
        directory.done(placed("e", "c", "department"), *(placed(f"x{n}", "o") for n in range(others)))
        directory.tree.units = Watched(directory.tree.units)
        assert len(directory.decide(CloseUnit("e"))) == 1  # type: ignore[arg-type]
        costs.append(looks(directory.tree))
    assert 0 < costs[0] == costs[1]
