"""What the tests of the contracts read: schemas, examples and a validator that is not pydantic."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

import contracts

HERE = Path(contracts.__file__).parent
SCHEMAS, EXAMPLES, RELEASED = HERE / "schemas", HERE / "examples", HERE / "released"
KINDS = ("typical", "minimal")

FORMATS = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    """Tell whether a text is a moment with an offset; without a checker jsonschema accepts anything."""
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is not None)


def read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def schema(name: str) -> dict[str, Any]:
    """Return a committed schema."""
    return read(SCHEMAS / f"{name}.json")


def faults(value: object, by: dict[str, Any]) -> list[str]:
    """Return what a schema finds wrong with a value."""
    Draft202012Validator.check_schema(by)
    return [error.message for error in Draft202012Validator(by, format_checker=FORMATS).iter_errors(value)]


def examples() -> dict[str, dict[str, Any]]:
    """Return every example by its path below the folder of examples."""
    paths = sorted(EXAMPLES.glob("*/*.json"))
    return {path.relative_to(EXAMPLES).as_posix(): read(path) for path in paths}
