"""A table comes in as CSV or as XLSX, and says the same."""

import io
from datetime import date, datetime, time
from time import process_time

import openpyxl
import pytest

from services.directory.domain.rows import Line, RowError
from services.directory.entrypoints import files
from services.directory.entrypoints.files import XLSX, BadFileError, read_file, read_xlsx, text_of
from tests.support.workbook import a_raw_workbook, a_workbook, a_zip, saved

TEXT = "code,name,parent,level\n33,浙江省,,province\n\n3303,温州市,33,city\n"
ROWS: list[list[object]] = [
    ["code", "name", "parent", "level"],
    [33, "浙江省", None, "province"],
    [],
    [3303, " 温州市 ", 33.0, "city"],
]


def lines(content: bytes, media_type: str = "") -> list[Line | RowError]:
    return list(read_file(content, media_type))


def test_xlsx_is_read_as_csv_is_with_the_same_numbers_of_lines() -> None:
    assert (
        lines(a_workbook(ROWS))
        == lines(TEXT.encode())
        == [
            (1, ["code", "name", "parent", "level"]),
            (2, ["33", "浙江省", "", "province"]),
            (4, ["3303", "温州市", "33", "city"]),
        ]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (330305, "330305"),
        (330305001001.0, "330305001001"),
        (999999999999999.0, "999999999999999"),
        (1e15, "1000000000000000.0"),
        (1.5, "1.5"),
        ("007", "007"),
        (7, "7"),
        (True, "TRUE"),
        (None, ""),
        (" x ", "x"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31), "2026-01-31"),  # noqa: DTZ001 a spreadsheet knows no zones
        (datetime(2026, 1, 31, 9, 30), "2026-01-31T09:30:00"),  # noqa: DTZ001
        (time(9, 30), "09:30:00"),
    ],
)
def test_a_number_is_a_code_and_a_date_is_a_date(value: object, text: str) -> None:
    assert text_of(value) == text


def test_dates_and_numbers_come_out_of_a_workbook_as_they_went_in() -> None:
    row = ["33/head", 330305001001, datetime(2026, 1, 31), datetime(2026, 1, 31, 9, 30)]  # noqa: DTZ001
    assert lines(a_workbook([row])) == [(1, ["33/head", "330305001001", "2026-01-31", "2026-01-31T09:30:00"])]


def test_a_formula_is_its_last_value_and_nothing_without_one() -> None:
    workbook = a_raw_workbook(
        '<row r="1"><c r="A1" t="str"><f>"a"&amp;"b"</f><v>ab</v></c><c r="B1"><f>1+1</f><v>2</v></c></row>'
        '<row r="3"><c r="A3"><f>1+1</f></c><c r="B3"><v>3.30305E5</v></c></row>'
    )
    assert lines(workbook) == [(1, ["ab", "2"]), (3, ["", "330305"])]


def test_rows_shorter_than_the_header_are_filled_and_longer_ones_are_not_cut() -> None:
    assert lines(a_workbook([["a", "b", "c"], [1], [1, 2, 3, 4]])) == [
        (1, ["a", "b", "c"]),
        (2, ["1", "", ""]),
        (3, ["1", "2", "3", "4"]),
    ]


def test_a_stray_cell_in_the_last_corner_costs_no_table_up_to_it() -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet["A1"], sheet["B1"], sheet["A2"], sheet["XFD100000"] = "a", "b", 1, "x"
    began = process_time()
    assert lines(saved(workbook)) == [(1, ["a", "b"]), (2, ["1", ""])]
    assert process_time() - began < 5


def test_a_sheet_has_no_more_lines_than_a_spreadsheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINES", 2)
    last = lines(a_workbook([["a"], [1], [2], [3]]))[-1]
    assert isinstance(last, RowError)
    assert (last.line, last.word) == (3, "too_many_lines")


@pytest.mark.parametrize(
    ("content", "media_type", "word"),
    [
        (b"PK\x03\x04 and nothing else", "", "not_xlsx"),
        (a_workbook(ROWS)[:900], "", "not_xlsx"),
        (b"code,name\n", XLSX, "not_xlsx"),
        (b"", XLSX, "not_xlsx"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "", "not_xlsx"),
        (a_zip({"letter.txt": "hello"}), "", "not_xlsx"),
        (a_raw_workbook('<row r="1"><c r="A1"><v>1</v>'), "", "not_xlsx"),
        (a_raw_workbook('<row r="1"><c r="A1" t="s"><v>7</v></c></row>'), "", "not_xlsx"),
        ("代码".encode("gb18030"), "text/csv", "not_utf8"),
    ],
)
def test_a_broken_file_is_told_in_both_languages(content: bytes, media_type: str, word: str) -> None:
    with pytest.raises(BadFileError) as told:
        lines(content, media_type)
    assert told.value.word == word
    assert told.value.reason.isascii()
    assert not told.value.reason_zh.isascii()


def test_a_file_that_would_fill_the_memory_when_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(BadFileError) as told:
        list(read_xlsx(io.BytesIO(a_zip({"xl/sharedStrings.xml": " " * 1_000_001}))))
    assert told.value.word == "too_large"
