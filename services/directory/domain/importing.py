"""The plan of an import of territories: what a file would change in the tree.

A row that is missing from the file closes nothing: files that hold a part of the tree are usual.
A plan is all or nothing: one with errors holds no commands.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.directory import PostPlan
from contracts.tree import Tree
from services.directory.domain.chart import COMMITTEE, DISCIPLINE, Chart, names
from services.directory.domain.checks import wrong_rows
from services.directory.domain.model import (
    DEFAULT_ZONE,
    Command,
    DefinePost,
    MoveUnit,
    PlaceUnit,
    RenameUnit,
)
from services.directory.domain.rows import Lines, RowError, UnitRow, read_rows

_HANDLER = PostPlan(role="handler", rank_class="ordinary_cadre")
_POSTS = {
    COMMITTEE: (
        PostPlan(role="head", rank_class="principal"),
        PostPlan(role="leader_in_charge", rank_class="team_member", portfolio=("discipline",)),
        _HANDLER,
    ),
    DISCIPLINE: (
        PostPlan(role="discipline_head", rank_class="principal"),
        PostPlan(role="leader_in_charge", rank_class="team_member"),
        _HANDLER,
    ),
}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do; nothing is left to do if there are no waves and no errors."""

    waves: tuple[tuple[Command, ...], ...] = ()
    """A command needs only waves before its own, so the commands of a wave may share a page."""
    unchanged: tuple[str, ...] = ()
    """The codes of rows that say nothing new."""
    errors: tuple[RowError, ...] = ()

    @property
    def commands(self) -> tuple[Command, ...]:
        """Return every command in an order in which they can be done one by one."""
        return tuple(command for wave in self.waves for command in wave)

    @property
    def additions(self) -> tuple[PlaceUnit, ...]:
        """Return the units that are new."""
        return tuple(command for command in self.commands if isinstance(command, PlaceUnit))

    @property
    def posts(self) -> tuple[DefinePost, ...]:
        """Return the posts that are new, those that come with their unit included."""
        alone = (command for command in self.commands if isinstance(command, DefinePost))
        return (*(_post(unit.unit, plan) for unit in self.additions for plan in unit.posts), *alone)

    @property
    def renames(self) -> tuple[RenameUnit, ...]:
        """Return the units that bear another name."""
        return tuple(command for command in self.commands if isinstance(command, RenameUnit))

    @property
    def moves(self) -> tuple[MoveUnit, ...]:
        """Return the units that stand under another superior."""
        return tuple(command for command in self.commands if isinstance(command, MoveUnit))


def import_units(lines: Lines, tree: Tree, zone: str = DEFAULT_ZONE, *, leading: int = 0) -> ImportPlan:
    """Return the plan of a file: code, name, parent, level, the columns and rows in any order.

    The ``leading`` first rows only lead to the others: nothing is planned for them.
    """
    rows: list[UnitRow] = []
    errors: list[RowError] = []
    for item in read_rows(lines):
        if isinstance(item, UnitRow):
            rows.append(item)
        else:
            errors.append(item)
    return ImportPlan(errors=tuple(errors)) if errors else plan_import(rows, tree, zone, leading=leading)


def plan_import(
    rows: Sequence[UnitRow], tree: Tree, zone: str = DEFAULT_ZONE, *, leading: int = 0
) -> ImportPlan:
    """Return what would make the tree say what the rows say; it looks at them and at what is above them."""
    chart = Chart({row.code: row for row in reversed(rows)}, tree)
    errors = wrong_rows(rows, chart)
    return ImportPlan(errors=tuple(errors)) if errors else _plan(rows[leading:], chart, zone)


def _plan(rows: Sequence[UnitRow], chart: Chart, zone: str) -> ImportPlan:
    waves: defaultdict[tuple[int, int], list[Command]] = defaultdict(list)
    unchanged = []
    for row in sorted(rows, key=lambda row: row.code):
        units = list(_units(row, chart, zone))
        changes = [_change(unit, chart.tree) for unit in units]
        missing = [post for unit in units for post in _missing(unit, chart.tree)]
        for rank, change in enumerate(changes):
            waves[chart.depths[row.code], rank] += change
        waves[len(chart.depths), 0] += missing
        if not any(changes) and not missing:
            unchanged.append(row.code)
    return ImportPlan(tuple(tuple(waves[key]) for key in sorted(waves) if waves[key]), tuple(unchanged))


def _units(row: UnitRow, chart: Chart, zone: str) -> Iterator[PlaceUnit]:
    """Yield the two units of a territory, on two lines."""
    name, discipline_name = names(row)
    yield PlaceUnit(row.code, name, COMMITTEE, row.parent, None, row.level, zone, _POSTS[COMMITTEE])
    discipline = chart.discipline(row.code)
    if discipline is not None:
        superior = chart.superior_discipline(row.code)
        posts = _POSTS[DISCIPLINE]
        yield PlaceUnit(discipline, discipline_name, DISCIPLINE, superior, row.code, row.level, zone, posts)


def _change(wanted: PlaceUnit, tree: Tree) -> list[Command]:
    unit = tree.units.get(wanted.unit)
    if unit is None:
        return [wanted]
    changes: list[Command] = []
    if unit.name != wanted.name:
        changes.append(RenameUnit(unit.code, wanted.name))
    if unit.parent != wanted.parent:
        changes.append(MoveUnit(unit.code, wanted.parent))
    return changes


def _missing(wanted: PlaceUnit, tree: Tree) -> Iterator[DefinePost]:
    """Yield the posts that a known unit should have and has not; those that it has are left as they are."""
    if wanted.unit in tree.units:
        for plan in wanted.posts:
            if tree.post_in(wanted.unit, plan.role) is None:
                yield _post(wanted.unit, plan)


def _post(unit: str, plan: PostPlan) -> DefinePost:
    return DefinePost(f"{unit}/{plan.role}", unit, plan.role, plan.rank_class, plan.portfolio)
