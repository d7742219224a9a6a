"""Files of every kind into the directory's imports: each is taken whole, or refused by line and field."""

import asyncio
import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.topics import PARTITIONS
from services.directory.entrypoints.files import XLSX
from shared.http import PROBLEM
from tests.support import garbage
from tests.support.garbage import EXAMPLES
from tests.support.running import Running
from tests.support.workbook import a_workbook

COLUMNS = {"units": ("code", "name", "parent", "level"), "tenures": ("post", "person", "from")}
CELLS = st.one_of(
    st.sampled_from(("village", "town", "county", "new", "new-2", "village/head", "2026-01-01", "", " ")),
    st.sampled_from(
        ("=1+1", '=HYPERLINK("x")', "@a", "-", "\0", "\r", "\n", '"', "'", ",", "\ufeff", "\u202e", "\x1b[2J")
    ),
    st.sampled_from(("9999-12-31", "0001-01-01", "2026-02-30", "1e400", "村" * 300, "x" * 140_000)),
    st.text(max_size=8),
)
BEGINS = (b"", b"PK\x03\x04", bytes.fromhex("d0cf11e0"), b"\xef\xbb\xbf", b"code,name")
HEADERS = ("code", "name", "parent", "level", "post", "person", "from", "", "other", "CODE", " code ")


@st.composite
def tables(draw: st.DrawFn, kind: str) -> list[list[str]]:
    """Return a table whose header is right, or has too few, too many or other columns, in any order."""
    header = list(COLUMNS[kind])
    if draw(st.integers(0, 3)) == 0:
        header = draw(st.lists(st.sampled_from(HEADERS), max_size=6))
    header = draw(st.permutations(header))
    widths = st.sampled_from([len(header)] * 9 + [len(header) + 1, max(0, len(header) - 1)])
    row = widths.flatmap(lambda width: st.lists(CELLS, min_size=width, max_size=width))
    good = {"code": "new", "name": "新", "parent": "town", "level": "village", "post": "village/head"}
    first = [good.get(name, "2026-01-01") for name in header]
    return [header, *draw(st.sampled_from(([], [first]))), *draw(st.lists(row, max_size=5))]


@st.composite
def files(draw: st.DrawFn, kind: str) -> tuple[bytes, str]:
    """Return the bytes of a file and what it says it is."""
    table = draw(tables(kind))
    make = draw(st.sampled_from((_csv, _csv, _csv, _raw, _xlsx, _broken_xlsx, _garbage)))
    media = draw(st.sampled_from(("text/csv", XLSX, "", "text/csv; charset=gbk", "application/json")))
    return make(draw, table), XLSX if make is _xlsx else media


def _csv(draw: st.DrawFn, table: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    ending = draw(st.sampled_from(("\n", "\r\n", "\r")))
    csv.writer(text, lineterminator=ending, delimiter=draw(st.sampled_from(",,,,;\t"))).writerows(table)
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-16", "gb18030")))
    return text.getvalue().encode(encoding, errors="replace")


def _raw(draw: st.DrawFn, table: list[list[str]]) -> bytes:
    """Write cells without quotes, and a byte that belongs nowhere."""
    value = "\n".join(",".join(row) for row in table).encode()
    at = draw(st.integers(0, len(value)))
    return value[:at] + draw(st.sampled_from((b'"', b"\xff", b"\0", b"\n\n", b'""', b""))) + value[at:]


def _xlsx(_: st.DrawFn, table: list[list[str]]) -> bytes:
    return a_workbook([[_printable(cell) for cell in row] for row in table])


def _broken_xlsx(draw: st.DrawFn, table: list[list[str]]) -> bytes:
    value = _xlsx(draw, table)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(value)))
        return value[:at] + draw(st.binary(max_size=6)) + value[at + draw(st.integers(0, 9)) :]
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(value)) as whole, zipfile.ZipFile(packed, "w") as other:
        names = whole.namelist()
        odd = draw(st.sampled_from(names))
        for name in names:
            other.writestr(name, draw(st.binary(max_size=30)) if name == odd else whole.read(name))
    return packed.getvalue()


def _garbage(draw: st.DrawFn, _: list[list[str]]) -> bytes:
    begins = draw(st.sampled_from(BEGINS))
    return begins + draw(st.binary(max_size=60))


def _printable(cell: str) -> str:
    """Return what a spreadsheet can hold of a text."""
    return "".join(letter for letter in cell[:30_000] if letter.isprintable())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the keys lie."""
    return tmp_path_factory.mktemp("keys")


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_file_is_imported_whole_or_refused_by_line_and_field(kind: str, folder: Path) -> None:
    async def imports(content: bytes, media: str) -> None:
        running = await garbage.directory(folder)
        before = len(await _facts(running))
        answer = await running.http.post(
            f"/v1/imports/{kind}",
            content=content,
            headers=running.token("operator", unit=garbage.ROOT) | {"content-type": media},
        )
        new = len(await _facts(running)) - before
        if answer.status_code == 200:
            assert answer.json()["done"] == answer.json()["changes"]
            assert new == answer.json()["changes"]
        else:
            assert answer.status_code in {400, 403, 409, 422}
            assert answer.headers["content-type"] == PROBLEM
            _tells_where(answer.json())
            assert new == 0
        assert len(await _facts(await running.again())) == before + new

    @EXAMPLES
    @given(files(kind))
    def test(file: tuple[bytes, str]) -> None:
        asyncio.run(imports(*file))

    test()


def _tells_where(problem: dict[str, Any]) -> None:
    """See that a problem is one in words, and that wrong rows are told one by one."""
    assert problem["detail"]
    for error in problem.get("errors", ()):
        assert error["line"] >= 1
        assert error["word"]
        assert error["reason"]
        assert error["reason_zh"]
    assert problem["status"] != 422 or problem["errors"]


async def _facts(running: Running) -> list[Any]:
    """Return everything that was said."""
    await running.says()
    return [
        one for n in range(PARTITIONS) for one in running.broker.logs.get(("directory", n), ()) if one.key
    ]
