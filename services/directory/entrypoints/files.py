"""Files in: a table in CSV or in XLSX, as lines of text."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import IO, Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from services.directory.domain.rows import Line, Lines, RowError, read_csv

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ZIP, _LEGACY = b"PK\x03\x04", bytes.fromhex("d0cf11e0")
"""How a file begins that is XLSX, and one of the old format or behind a password."""
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_LINES, MAX_COLUMNS = 1_048_576, 64
EXACT = 10**15
"""A spreadsheet keeps fifteen digits of a number."""
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, InvalidFileException, ParseError, OSError, EOFError),
    *(KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError),
)
"""What the library raises on a file that is not what it says; it has no exception of its own for all."""


class BadFileError(Exception):
    """A file cannot be read at all; the reason is for people."""

    def __init__(self, word: str, reason: str, reason_zh: str) -> None:
        """Say *word* to programs and the reason in both languages."""
        super().__init__(reason)
        self.word, self.reason, self.reason_zh = word, reason, reason_zh


def read_file(content: bytes, media_type: str = "") -> Lines:
    """Return the lines of a file, XLSX if it says so or looks so, else CSV.

    Raises:
        BadFileError: it is neither.
    """
    if media_type == XLSX or content.startswith((_ZIP, _LEGACY)):
        return list(read_xlsx(io.BytesIO(content)))
    try:
        return read_csv(io.StringIO(content.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        at = error.start
        raise BadFileError(
            "not_utf8", f"The file is not UTF-8 at byte {at}.", f"文件第 {at} 字节不是 UTF-8 编码。"
        ) from error


def read_xlsx(file: IO[bytes]) -> Iterator[Line | RowError]:
    """Yield the lines of a workbook's first sheet, read as a stream; a formula is its last value.

    Raises:
        BadFileError: it is no such workbook.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise BadFileError("too_large", f"More than {MAX_UNPACKED_BYTES} bytes unpacked.", "解压后过大。")
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        yield from _lines(workbook.worksheets[0])
    except _BROKEN as error:
        raise BadFileError(
            "not_xlsx",
            f"This is not a readable XLSX file, or it has a password: {type(error).__name__}.",
            "文件不是可读取的 XLSX，或设有密码。",
        ) from error


def _lines(sheet: Any) -> Iterator[Line | RowError]:
    # What the file says of its own size may be wrong; a stray cell far away must not cost a row of thousands.
    sheet.reset_dimensions()
    width = 0
    for line, values in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
        if line > MAX_LINES:
            yield RowError(line, "", "too_many_lines", f"More than {MAX_LINES} lines.", "行数过多。")
            return
        cells = [text_of(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            width = width or len(cells)
            yield line, cells + [""] * (width - len(cells))


def text_of(value: object) -> str:
    """Return a cell as CSV would have it: a code that was kept as a number bears no fraction."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value).strip()
