"""A released contract may only grow."""

import json
from copy import deepcopy
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel, Field

from contracts.compatibility import ANY_ORDER, NEW_MAJOR, REFUSED, Change, compare, main, rollout, screen
from tests.contract.catalogue import RELEASED, SCHEMAS, schema


class Colour(StrEnum):
    """A closed list."""

    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """A part of a fact."""

    weight: int


class Thing(BaseModel):
    """A fact with every kind of field that the contracts have."""

    name: str
    colour: Colour
    at: AwareDatetime
    holder: str | None
    count: int = Field(default=0, ge=0)
    title: str = ""
    marks: tuple[int, ...] = ()
    parts: tuple[Inner, ...] = ()


OLD = Thing.model_json_schema()


def edited(**changes: Any) -> dict[str, Any]:
    """Return the schema with values set at paths like ``properties__name__type``; None removes."""
    new = deepcopy(OLD)
    for path, value in changes.items():
        *steps, last = path.split("__")
        node = new
        for step in steps:
            node = node[step.replace("defs", "$defs")]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return new


def without(field: str) -> dict[str, Any]:
    """Return the schema without a field."""
    return edited(
        **{f"properties__{field}": None}, required=[name for name in OLD["required"] if name != field]
    )


def renamed(field: str, to: str) -> dict[str, Any]:
    """Return the schema with a field under another name."""
    new = without(field)
    new["properties"][to] = OLD["properties"][field]
    new["required"] = [*new["required"], to]
    return new


REFUSALS = {
    "a required field removed": (without("name"), "name: is gone"),
    "an optional field removed": (edited(properties__count=None), "count: is gone"),
    "an optional field named title removed": (edited(properties__title=None), "title: is gone"),
    "a field renamed": (renamed("name", "label"), "name: is gone"),
    "a field retyped": (
        edited(properties__count__type="string"),
        'count: type was "integer" and is "string"',
    ),
    "a format dropped": (edited(properties__at__format=None), 'at: format was "date-time" and is absent'),
    "an item retyped": (edited(properties__marks__items={"type": "string"}), "marks[]: type was"),
    "a part's field retyped": (
        edited(defs__Inner__properties__weight__type="number"),
        "parts[].weight: type",
    ),
    "a bound moved": (edited(properties__count__minimum=1), "count: minimum was 0 and is 1"),
    "a default changed": (edited(properties__count__default=5), "count: default was 0 and is 5"),
    "null no longer allowed": (edited(properties__holder={"type": "string"}), "holder: anyOf was"),
    "null newly allowed": (
        edited(properties__name={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        'name: type was "string" and is absent',
    ),
    "an enumeration narrowed": (
        edited(defs__Colour__enum=["red"]),
        'colour: the enumeration has lost "blue"',
    ),
    "an enumeration widened": (
        edited(defs__Colour__enum=["red", "blue", "green"]),
        'colour: the enumeration has gained "green"',
    ),
    "a text closed to an enumeration": (edited(properties__title__enum=["a"]), "title: enum was absent"),
    "optional made required": (edited(required=[*OLD["required"], "count"]), "was optional and is required"),
    "required made optional": (edited(required=OLD["required"][1:]), "was required and is optional"),
    "a required field added": (
        edited(properties__size={"type": "integer"}, required=[*OLD["required"], "size"]),
        "a new required field",
    ),
    "unknown fields forbidden": (edited(additionalProperties=False), "additionalProperties was absent"),
}


@pytest.mark.parametrize(("new", "words"), REFUSALS.values(), ids=REFUSALS)
def test_anything_but_growth_is_refused_in_words(new: dict[str, Any], words: str) -> None:
    refused = [change.line for change in compare(OLD, new) if not change.allowed]
    assert any(words in line for line in refused), refused


GROWTH = {
    "an optional field added": (
        edited(properties__size={"type": "integer", "default": 0}),
        "a new optional field",
    ),
    "an optional field added to a part": (
        edited(defs__Inner__properties__size={"type": "integer"}),
        "parts[].size: is a new optional field",
    ),
    "a description changed": (edited(description="Other words."), "described in other words"),
    "a field's description changed": (edited(properties__name__description="a name"), "name: is described"),
}


@pytest.mark.parametrize(("new", "words"), GROWTH.values(), ids=GROWTH)
def test_growth_and_wording_pass(new: dict[str, Any], words: str) -> None:
    changes = compare(OLD, new)
    assert [change.allowed for change in changes] == [True]
    assert words in changes[0].line
    assert rollout(changes) == ANY_ORDER


def test_the_same_schema_has_not_changed() -> None:
    assert compare(OLD, deepcopy(OLD)) == []
    assert compare(OLD, edited(title="Thingy")) == []
    assert compare(schema("envelope"), schema("envelope")) == []


def test_the_order_of_the_roll_out_follows_from_the_changes() -> None:
    assert rollout([Change("duties.duty-waived.v1", "is a new type", allowed=True)]) == ANY_ORDER
    assert rollout([Change("duties.duty-opened.v2", "is a new type", allowed=True)]) == NEW_MAJOR
    assert rollout([Change("duties.duty-opened.v1", "is gone")]) == REFUSED


def test_the_current_schemas_break_no_released_one() -> None:
    assert [change.line for change in screen() if not change.allowed] == []
    assert any(RELEASED.iterdir())


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Return a folder in which today's schemas are the released ones."""
    for path in SCHEMAS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_released_schema_that_was_edited_fails(released: Path) -> None:
    path = released / "escalations.escalation-raised.v1.json"
    body = json.loads(path.read_text("utf-8"))
    body["properties"]["urgency"] = {"type": "string"}
    path.write_text(json.dumps(body), "utf-8")
    assert [change.line for change in screen(released) if not change.allowed] == [
        "REFUSED escalations.escalation-raised.v1.urgency: is gone (a renamed field is a lost and a new one)"
    ]


def test_a_released_schema_that_vanished_fails(released: Path) -> None:
    (released / "duties.duty-forgotten.v1.json").write_text("{}", "utf-8")
    assert [change.line for change in screen(released)] == [
        "REFUSED duties.duty-forgotten.v1: is gone, but somebody reads it"
    ]


def test_a_new_type_passes(released: Path) -> None:
    (released / "duties.duty-opened.v1.json").unlink()
    assert [change.line for change in screen(released)] == ["ok      duties.duty-opened.v1: is a new type"]


@pytest.mark.parametrize(
    ("changes", "code", "last"),
    [
        ([], 0, "Nothing has changed."),
        ([Change("x.y.v1", "is a new type", allowed=True)], 0, ANY_ORDER),
        ([Change("x.y.v1", "is gone")], 1, REFUSED),
    ],
)
def test_the_command_prints_the_order_and_fails_on_a_break(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: list[Change],
    code: int,
    last: str,
) -> None:
    monkeypatch.setattr("contracts.compatibility.screen", lambda: changes)
    assert main() == code
    assert capsys.readouterr().out.splitlines()[-1] == last
