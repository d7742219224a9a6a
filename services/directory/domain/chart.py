"""The tree as it would be after an import."""

from collections.abc import Mapping
from functools import cached_property

from contracts.tree import Tree
from services.directory.domain.rows import UnitRow

COMMITTEE, DISCIPLINE = "party_committee", "discipline_committee"
SUFFIX = "-dc"


def names(row: UnitRow) -> tuple[str, str]:
    """Return what the Party committee and the discipline committee of a territory are called."""
    if row.level != "village":
        return f"中共{row.name}委员会", f"中共{row.name}纪律检查委员会"
    # Registers list a village by its self-governing committee; the Party branch is that of the village.
    place = row.name.removesuffix("居委会") or row.name
    place = place.removesuffix("委会") if place.endswith("村委会") else place
    return f"中共{place}支部委员会", f"中共{place}支部纪律检查委员"


class Chart:
    """The tree as it would be: the rows of the file over what is known."""

    def __init__(self, rows: Mapping[str, UnitRow], tree: Tree) -> None:
        self.rows = rows
        self.tree = tree

    def parent(self, code: str) -> str | None:
        """Return the superior that a unit will have, None at a root and for what nobody knows."""
        if code in self.rows:
            return self.rows[code].parent
        unit = self.tree.units.get(code)
        return None if unit is None or unit.same_level is not None else unit.parent

    @cached_property
    def depths(self) -> dict[str, int]:
        """How deep the rows will stand, and what is above them; the rest of the tree is not looked at."""
        return self._walked[0]

    @cached_property
    def circular(self) -> set[str]:
        """The units that would stand below themselves."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[dict[str, int], set[str]]:
        depths: dict[str, int] = {}
        circular: set[str] = set()
        for start in self.rows:
            path: dict[str, None] = {}
            at: str | None = start
            while at is not None and at not in depths and at not in path:
                path[at] = None
                at = self.parent(at)
            steps = list(path)
            if at is not None and at in path:
                circular.update(steps[steps.index(at) :])
            depth = -1 if at is None else depths.get(at, -1)
            depths |= {code: depth + above for above, code in enumerate(reversed(steps), 1)}
        return depths, circular

    def discipline(self, code: str) -> str | None:
        """Return the open discipline committee that a unit will have, None if it will have none."""
        known = self.tree.discipline_of(code) if code in self.tree.units else None
        if known is not None:
            return None if self.tree.units[known].is_closed else known
        return code + SUFFIX if code in self.rows else None

    def superior_discipline(self, code: str) -> str | None:
        """Return the nearest discipline committee above; a department, say, has none of its own."""
        at = self.parent(code)
        while at is not None:
            found = self.discipline(at)
            if found is not None:
                return found
            at = self.parent(at)
        return None
