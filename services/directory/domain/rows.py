"""The lines of an imported file, and what is wrong with them, by line and field."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from contracts.refusal import Refusal

UNIT_COLUMNS = ("code", "name", "parent", "level")
TENURE_COLUMNS = ("post", "person", "from")


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in a file; lines count from 1, which is the header."""

    line: int
    field: str
    word: str
    reason: str
    reason_zh: str

    @classmethod
    def of(cls, line: int, field: str, refusal: Refusal) -> "RowError":
        """Return the error of a line that the rules refuse."""
        return cls(line, field, refusal.word, refusal.reason, refusal.reason_zh)


@dataclass(frozen=True, slots=True)
class UnitRow:
    line: int
    code: str
    name: str
    parent: str | None
    level: str


@dataclass(frozen=True, slots=True)
class TenureRow:
    line: int
    post: str
    person: str
    since: str


def missing_code(line: int) -> RowError:
    return RowError(line, "code", "missing_code", "The code is missing.", "缺少代码。")


def duplicate_code(line: int, first: int) -> RowError:
    return RowError(
        line,
        "code",
        "duplicate_code",
        f"The code stands on line {first} already.",
        f"代码与第{first}行重复。",
    )


Line = tuple[int, list[str]]
"""The number of a line and its cells."""
Lines = Iterable[Line | RowError]
"""A file as it is read: its header, then its rows, blank ones left out; an error ends it."""


def read_csv(text: Iterable[str]) -> Iterator[Line | RowError]:
    """Yield the lines of a CSV file, read as a stream; a record counts as the line on which it begins."""
    reader = csv.reader(text, strict=True)
    line = 1
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if line == 1 and cells:
                cells[0] = cells[0].removeprefix("\ufeff").strip()
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        yield RowError(line, "", "bad_csv", f"Not CSV from here on: {error}.", "自此行起不是有效的 CSV。")


def pick(lines: Lines, columns: Sequence[str]) -> Iterator[Line | RowError]:
    """Yield each line's cells in the order of the columns asked for, or what is wrong with it."""
    header: list[str] | None = None
    places: list[int] = []
    for item in lines:
        if isinstance(item, RowError):
            yield item
            return
        line, cells = item
        if header is None:
            header = cells
            errors = list(_wrong_header(header, columns))
            yield from errors
            if errors:
                return
            places = [header.index(column) for column in columns]
        elif len(cells) != len(header):
            yield _wrong_width(line, len(cells), len(header))
        else:
            yield line, [cells[place] for place in places]
    if header is None:
        yield from _wrong_header([], columns)


def read_rows(lines: Lines) -> Iterator[UnitRow | RowError]:
    """Yield the units that a file names, and everything that keeps it from being read."""
    for item in pick(lines, UNIT_COLUMNS):
        if isinstance(item, RowError):
            yield item
        else:
            line, (code, name, parent, level) = item
            yield UnitRow(line, code, name, parent or None, level)


def read_tenures(lines: Lines) -> Iterator[TenureRow | RowError]:
    """Yield the tenures that a file names, and everything that keeps it from being read."""
    for item in pick(lines, TENURE_COLUMNS):
        if isinstance(item, RowError):
            yield item
        else:
            line, (post, person, since) = item
            yield TenureRow(line, post, person, since)


def _wrong_header(header: Sequence[str], columns: Sequence[str]) -> Iterator[RowError]:
    for column in columns:
        if column not in header:
            yield RowError(
                1, column, "missing_column", f"There is no column {column}.", f"缺少“{column}”列。"
            )
        elif header.count(column) > 1:
            yield RowError(1, column, "duplicate_column", f"Two columns {column}.", f"“{column}”列重复。")


def _wrong_width(line: int, width: int, wanted: int) -> RowError:
    return RowError(
        line,
        "",
        "wrong_width",
        f"{width} fields, but the header has {wanted}.",
        f"本行有{width}个字段，表头有{wanted}个。",
    )
