"""The generated files are those of the classes, all of them and no other."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from contracts.envelope import said_type
from contracts.export import drifted, files, release, write
from contracts.topics import FACTS, TOPICS
from tests.contract.catalogue import SCHEMAS, read, schema

NAMES = sorted(["envelope", *FACTS, *map(said_type, TOPICS)])


def test_the_committed_files_have_not_drifted_from_the_classes() -> None:
    assert drifted() == []


def test_every_type_has_a_schema_and_every_schema_a_type() -> None:
    assert sorted(path.name for path in SCHEMAS.iterdir()) == sorted(f"{name}.json" for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_draft_2020_12_and_bears_the_name_of_its_file(name: str) -> None:
    body = schema(name)
    Draft202012Validator.check_schema(body)
    assert body["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert body["$id"] == f"{name}.json"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_says_in_words_what_it_and_each_field_means(name: str) -> None:
    body = schema(name)
    assert body["description"]
    assert [field for field, part in body["properties"].items() if "description" not in part] == []


@pytest.mark.parametrize("name", sorted(FACTS))
def test_the_title_of_a_schema_is_the_name_of_its_class(name: str) -> None:
    assert schema(name)["title"] == FACTS[name].__name__


def test_a_writer_owes_the_version_that_cloudevents_requires() -> None:
    assert "specversion" in schema("envelope")["required"]


def test_an_edited_a_missing_and_a_stray_schema_are_each_named(tmp_path: Path) -> None:
    write(tmp_path)
    assert drifted(tmp_path) == []
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 3.0.0\n", "utf-8")
    (tmp_path / "schemas/envelope.json").unlink()
    (tmp_path / "schemas/stray.json").write_text("{}", "utf-8")
    assert [path.as_posix() for path in drifted(tmp_path)] == [
        "asyncapi.yaml",
        "schemas/envelope.json",
        "schemas/stray.json",
    ]
    write(tmp_path)
    assert drifted(tmp_path) == []
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == files().keys()


def test_a_breaking_change_cannot_be_released(tmp_path: Path) -> None:
    current, released = tmp_path / "schemas", tmp_path / "released"
    write(tmp_path)
    release(current, released)
    edited = read(current / "envelope.json")
    del edited["properties"]["unit"]
    (current / "envelope.json").write_text(json.dumps(edited), "utf-8")
    with pytest.raises(ValueError, match=r"envelope\.unit: is gone"):
        release(current, released)
    assert "unit" in read(released / "envelope.json")["properties"]
