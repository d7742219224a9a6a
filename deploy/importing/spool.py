"""Rows on disk, superiors first: memory does not grow with the file."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from deploy.importing.sources import Kind, Read
from services.directory.domain import refusals
from services.directory.domain.rows import RowError, duplicate_code, missing_code

_TABLES = """
CREATE TABLE rows (id INTEGER PRIMARY KEY, file TEXT, line INT, key TEXT, above TEXT, cells TEXT);
CREATE TABLE ordered (n INTEGER PRIMARY KEY, id INT);
"""
_INDEXES = "CREATE INDEX by_key ON rows (key); CREATE INDEX by_above ON rows (above);"
_SUPERIORS_FIRST = """
INSERT INTO ordered (id)
WITH RECURSIVE tree (id, key, depth) AS (
    SELECT id, key, 0 FROM rows WHERE above NOT IN (SELECT key FROM rows)
    UNION ALL
    SELECT rows.id, rows.key, depth + 1 FROM tree JOIN rows ON rows.above = tree.key
)
SELECT id FROM tree ORDER BY depth, key
"""
_BY_KEY = "INSERT INTO ordered (id) SELECT id FROM rows ORDER BY key, id"
_DUPLICATES = """
SELECT file, line, (SELECT line FROM rows AS x WHERE x.key = rows.key ORDER BY id LIMIT 1) FROM rows
WHERE id NOT IN (SELECT min(id) FROM rows GROUP BY key) ORDER BY id
"""
MAX_FAULTS = 1000
"""Reading ends at so many."""
_COLUMNS = "rows.file, rows.line, rows.key, rows.above, rows.cells"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    file: str
    line: int
    key: str
    above: str
    cells: Sequence[str]

    @classmethod
    def of(cls, record: Sequence[str | int]) -> Self:
        """Return the row of a record in the database."""
        file, line, key, above, cells = record
        return cls(str(file), int(line), str(key), str(above), json.loads(str(cells)))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a row, with the file in which it stands."""

    file: str
    error: RowError


class Spool:
    """All rows of one import, in a file of its own that vanishes with it."""

    def __init__(self, kind: Kind) -> None:
        """Make an empty spool."""
        self.kind = kind
        self.count = 0
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)

    def fill(self, rows: Read) -> list[Fault]:
        """Take all rows in and bring them into order; return what is wrong with them."""
        faults: list[Fault] = []
        self._database.executemany(
            "INSERT INTO rows (file, line, key, above, cells) VALUES (?, ?, ?, ?, ?)",
            self._records(rows, faults),
        )
        self._database.executescript(_INDEXES)
        if self.kind.above is not None:
            faults += self._duplicates()
        if not faults:
            self._database.execute(_BY_KEY if self.kind.above is None else _SUPERIORS_FIRST)
            (self.count,) = self._database.execute("SELECT count(*) FROM ordered").fetchone()
            faults += self._circular()
        return faults

    def _records(self, rows: Read, faults: list[Fault]) -> Iterator[tuple[str, int, str, str, str]]:
        for file, item in rows:
            if len(faults) == MAX_FAULTS:
                return
            if isinstance(item, RowError):
                faults.append(Fault(file, item))
                continue
            line, cells = item
            if self.kind.above is None:
                yield file, line, cells[0], "", json.dumps(cells, ensure_ascii=False)
            elif cells[0]:
                yield file, line, cells[0], cells[self.kind.above], json.dumps(cells, ensure_ascii=False)
            else:
                faults.append(Fault(file, missing_code(line)))

    def _duplicates(self) -> list[Fault]:
        found = self._database.execute(_DUPLICATES).fetchmany(MAX_FAULTS)
        return [Fault(file, duplicate_code(line, first)) for file, line, first in found]

    def _circular(self) -> list[Fault]:
        query = f"SELECT {_COLUMNS} FROM rows WHERE id NOT IN (SELECT id FROM ordered) ORDER BY id"  # noqa: S608
        return [
            Fault(row.file, RowError.of(row.line, "parent", refusals.cycle(row.key, row.above)))
            for row in map(Row.of, self._database.execute(query).fetchmany(MAX_FAULTS))
        ]

    def parts(self, after: int, size: int) -> Iterator[list[Row]]:
        """Yield the rows after so many, in parts; rows of one key stay together."""
        query = f"SELECT {_COLUMNS} FROM ordered JOIN rows USING (id) WHERE n > ? ORDER BY n"  # noqa: S608
        part: list[Row] = []
        for row in map(Row.of, self._database.execute(query, (after,))):
            if len(part) >= size and row.key != part[-1].key:
                yield part
                part = []
            part.append(row)
        if part:
            yield part

    def row(self, number: int) -> Row:
        """Return the row that is the so-many-th, counted from 1."""
        query = f"SELECT {_COLUMNS} FROM ordered JOIN rows USING (id) WHERE n = ?"  # noqa: S608
        return Row.of(self._database.execute(query, (number,)).fetchone())

    def leading(self, part: Sequence[Row]) -> list[Row]:
        """Return the rows above those of a part that do not stand in it."""
        found = {row.key: row for row in part}
        leading: list[Row] = []
        wanted = [row.above for row in part]
        query = f"SELECT {_COLUMNS} FROM rows WHERE key = ?"  # noqa: S608
        while wanted:
            key = wanted.pop()
            record = None if not key or key in found else self._database.execute(query, (key,)).fetchone()
            if record is not None:
                found[key] = Row.of(record)
                leading.append(found[key])
                wanted.append(found[key].above)
        return leading

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


def to_csv(kind: Kind, rows: Sequence[Row]) -> tuple[str, dict[int, Row]]:
    """Return rows as CSV, and which of them begins on which of its lines."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(kind.columns)
    lines: dict[int, Row] = {}
    line = 2
    for row in rows:
        lines[line] = row
        before = text.tell()
        writer.writerow(row.cells)
        text.seek(before)
        line += text.read().count("\n")
    return text.getvalue(), lines
