"""What is told of an error: its kind and its place, never what it quotes."""

import json
import logging
import sys

import pytest
from pydantic import BaseModel, ValidationError

from shared.consumer import UnreadableError
from shared.logs import LibraryFormatter
from shared.reasons import told, traced

MARKER = "李四的情况 Li Si"


class Person(BaseModel):
    age: int
    ages: dict[str, int] = {}


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 whatever it is
        return caught


def test_a_mistake_in_an_input_is_told_by_place_and_kind() -> None:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate({"age": MARKER})
    assert MARKER in str(caught.value)
    assert told(caught.value) == "ValidationError: age: int_parsing"


def test_a_place_that_the_input_has_named_is_not_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate({"age": 1, "ages": {MARKER: "x"}})
    assert told(caught.value) == "ValidationError: ***: int_parsing"


def test_an_error_that_we_did_not_word_is_told_by_kind_and_line() -> None:
    assert told(raised(ValueError(MARKER))).startswith("ValueError at test_reasons.py:")
    assert told(ValueError(MARKER)) == "ValueError"


def test_an_error_of_our_own_says_what_we_wrote() -> None:
    assert told(UnreadableError("larger than 7 bytes")) == "UnreadableError: larger than 7 bytes"


def test_the_lines_of_an_error_name_its_cause_and_quote_nothing() -> None:
    try:
        try:
            raise KeyError(MARKER)
        except KeyError as error:
            raise UnreadableError("no such thing") from error
    except UnreadableError as error:
        lines = traced(error)
    assert MARKER not in lines
    assert "KeyError at test_reasons.py:" in lines
    assert lines.endswith("UnreadableError: no such thing")


def test_what_a_library_logs_is_one_line_of_json_that_quotes_no_error() -> None:
    try:
        raise ValueError(MARKER)
    except ValueError as error:
        message = f"Task exception was never retrieved\nfuture: <Task exception={error!r}>"
        record = logging.LogRecord("asyncio", logging.ERROR, "", 1, message, None, sys.exc_info())
    line = json.loads(LibraryFormatter().format(record))
    assert line["message"] == "Task exception was never retrieved"
    assert line["exception"].rstrip().rpartition("\n")[2].startswith("ValueError at ")
    assert MARKER not in str(line)
