"""The lines of an imported file, and what is wrong with them, by line and field."""

import csv
import io
from collections.abc import Iterator, Sequence
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


def read_rows(text: str) -> list[UnitRow] | list[RowError]:
    """Return the units that a file names, or everything that keeps it from being read."""
    read = _cells(text, UNIT_COLUMNS)
    if not isinstance(read, _Cells):
        return read
    return [
        UnitRow(line, code, name, parent or None, level) for line, (code, name, parent, level) in read.lines
    ]


def read_tenures(text: str) -> list[TenureRow] | list[RowError]:
    """Return the tenures that a file names, or everything that keeps it from being read."""
    read = _cells(text, TENURE_COLUMNS)
    if not isinstance(read, _Cells):
        return read
    return [TenureRow(line, *cells) for line, cells in read.lines]


@dataclass(frozen=True, slots=True)
class _Cells:
    lines: list[tuple[int, list[str]]]
    """Each line's number and its cells, in the order of the columns asked for."""


def _cells(text: str, columns: Sequence[str]) -> _Cells | list[RowError]:
    records: list[tuple[int, list[str]]] = []
    try:
        for line, record in _records(text):
            records.append((line, record))
    except csv.Error as error:
        line = records[-1][0] + 1 if records else 1
        return [RowError(line, "", "bad_csv", f"Not CSV from here on: {error}.", "自此行起不是有效的 CSV。")]
    header = records[0][1] if records else []
    errors = [*_wrong_header(header, columns), *_wrong_widths(records[1:], len(header))]
    if errors:
        return errors
    places = [header.index(column) for column in columns]
    return _Cells([(line, [record[place] for place in places]) for line, record in records[1:]])


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it begins, blank lines left out."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    line = 1
    for record in reader:
        cells = [cell.strip() for cell in record]
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


def _wrong_header(header: Sequence[str], columns: Sequence[str]) -> Iterator[RowError]:
    for column in columns:
        if column not in header:
            yield RowError(
                1, column, "missing_column", f"There is no column {column}.", f"缺少“{column}”列。"
            )
        elif header.count(column) > 1:
            yield RowError(1, column, "duplicate_column", f"Two columns {column}.", f"“{column}”列重复。")


def _wrong_widths(records: Sequence[tuple[int, list[str]]], width: int) -> Iterator[RowError]:
    for line, record in records:
        if len(record) != width:
            yield RowError(
                line,
                "",
                "wrong_width",
                f"{len(record)} fields, but the header has {width}.",
                f"本行有{len(record)}个字段，表头有{width}个。",
            )
