"""What keeps the rows of a file from becoming a tree, by line and field."""

from collections.abc import Iterator, Sequence

from contracts.refusal import Refusal
from contracts.tree import Tree
from services.directory.domain import refusals
from services.directory.domain.chart import COMMITTEE, SUFFIX, Chart, names
from services.directory.domain.model import CODE, MAX_NAME, is_printable
from services.directory.domain.rows import RowError, UnitRow, duplicate_code, missing_code

MAX_LEVEL = 64


def wrong_rows(rows: Sequence[UnitRow], chart: Chart) -> list[RowError]:
    """Return everything that is wrong, in the order of the lines."""
    errors = [*_wrong_fields(rows), *_duplicates(rows), *_wrong_places(chart), *_second_roots(chart)]
    return sorted(errors, key=lambda error: error.line)


def _wrong_fields(rows: Sequence[UnitRow]) -> Iterator[RowError]:
    for row in rows:
        if not row.code:
            yield missing_code(row.line)
        elif CODE.fullmatch(row.code + SUFFIX) is None:
            yield RowError.of(row.line, "code", refusals.bad_code(row.code))
        elif row.code.endswith(SUFFIX):
            yield RowError(
                row.line,
                "code",
                "reserved_code",
                f"Codes ending in {SUFFIX} are those of discipline committees.",
                f"以“{SUFFIX}”结尾的代码保留给纪律检查机构。",
            )
        yield from _wrong_texts(row)


def _wrong_texts(row: UnitRow) -> Iterator[RowError]:
    longest = max(len(name) for name in names(row))
    if not row.name:
        yield RowError(row.line, "name", "empty_name", "The name is empty.", "名称为空。")
    elif longest > MAX_NAME:
        yield _too_long(row.line, "name", len(row.name) - (longest - MAX_NAME))
    elif not is_printable(row.name):
        yield RowError.of(row.line, "name", refusals.bad_name(MAX_NAME))
    if len(row.level) > MAX_LEVEL:
        yield _too_long(row.line, "level", MAX_LEVEL)


def _too_long(line: int, field: str, limit: int) -> RowError:
    return RowError(line, field, "too_long", f"Longer than {limit} characters.", f"超过{limit}个字符。")


def _duplicates(rows: Sequence[UnitRow]) -> Iterator[RowError]:
    first: dict[str, int] = {}
    for row in rows:
        if row.code and first.setdefault(row.code, row.line) != row.line:
            yield duplicate_code(row.line, first[row.code])


def _wrong_places(chart: Chart) -> Iterator[RowError]:
    for row in chart.rows.values():
        known = _contradiction(row, chart.tree)
        if known is not None:
            yield RowError.of(row.line, *known)
        if row.parent is not None and row.code in chart.circular:
            yield RowError.of(row.line, "parent", refusals.cycle(row.code, row.parent))
        elif row.parent is not None and row.parent not in chart.rows:
            refusal = _bad_parent(row.code, row.parent, chart.tree)
            if refusal is not None:
                yield RowError.of(row.line, "parent", refusal)


def _contradiction(row: UnitRow, tree: Tree) -> tuple[str, Refusal] | None:
    """Return the field in which a row contradicts the tree in a way that no command can mend, and why."""
    unit = tree.units.get(row.code)
    if unit is None:
        return None
    if unit.is_closed:
        return "code", refusals.closed(row.code)
    if unit.kind != COMMITTEE:
        return "code", refusals.already_placed(row.code)
    return None if unit.level == row.level else ("level", refusals.already_placed(row.code))


def _bad_parent(code: str, parent: str, tree: Tree) -> Refusal | None:
    if parent not in tree.units:
        return refusals.unknown_parent(parent)
    if tree.units[parent].is_closed:
        return refusals.closed_parent(parent)
    return None if tree.units[parent].same_level is None else refusals.other_line(code, parent)


def _second_roots(chart: Chart) -> Iterator[RowError]:
    """Yield an error for each row that would begin a second tree: most likely its parent was forgotten."""
    new = [row for row in chart.rows.values() if row.parent is None and not _is_root(row.code, chart.tree)]
    new.sort(key=lambda row: row.line)
    has_root = any(
        _is_root(unit.code, chart.tree) and chart.parent(unit.code) is None
        for unit in chart.tree.children(None)
    )
    for row in new if has_root else new[1:]:
        yield RowError(row.line, "parent", "two_roots", "There is another root already.", "已有其他根单位。")


def _is_root(code: str, tree: Tree) -> bool:
    unit = tree.units.get(code)
    return unit is not None and unit.parent is None and unit.same_level is None and not unit.is_closed
