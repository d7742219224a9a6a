"""The examples are complete, valid by two readers, and consistent in themselves."""

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from contracts.envelope import Envelope, Fact, Said, encode, encode_said
from contracts.topics import FACTS, TOPICS
from tests.contract.catalogue import EXAMPLES, KINDS, examples, faults, schema

ALL = examples()
OF_FACTS = {path: value for path, value in ALL.items() if not path.startswith("said/")}
OF_SAID = {path: value for path, value in ALL.items() if path.startswith("said/")}

each_example = pytest.mark.parametrize("example", ALL.values(), ids=ALL)
each_fact = pytest.mark.parametrize("example", OF_FACTS.values(), ids=OF_FACTS)
each_said = pytest.mark.parametrize("example", OF_SAID.values(), ids=OF_SAID)


def fact_of(example: dict[str, Any]) -> Fact:
    """Return the fact in an example, read as a consumer reads it."""
    return FACTS[example["type"]].model_validate_json(to_json(example["data"]))


def test_every_type_has_its_two_examples_and_every_example_a_type() -> None:
    wanted = {f"{folder}/{kind}.json" for folder in [*FACTS, "said"] for kind in KINDS}
    assert ALL.keys() == wanted
    assert {path.name for path in EXAMPLES.iterdir()} == {*FACTS, "said"}


@each_example
def test_an_example_satisfies_both_of_its_schemas(example: dict[str, Any]) -> None:
    assert faults(example, schema("envelope")) == []
    assert faults(example["data"], schema(example["type"])) == []


@pytest.mark.parametrize("moment", ["tomorrow", "2026-01-31", "2026-01-31T16:00:00"])
def test_the_validator_refuses_a_time_without_offset(moment: str) -> None:
    example = ALL["duties.duty-opened.v1/typical.json"]
    assert faults(example | {"time": moment}, schema("envelope"))
    assert faults(example["data"] | {"due_at": moment}, schema(example["type"]))


@each_fact
def test_an_example_lies_in_the_folder_of_its_type(example: dict[str, Any]) -> None:
    assert any(path.startswith(f"{example['type']}/") for path, value in OF_FACTS.items() if value is example)


@each_example
def test_an_example_names_the_schema_of_its_data(example: dict[str, Any]) -> None:
    assert example["dataschema"] == f"schemas/{example['type']}.json"


@each_fact
def test_an_example_is_what_encode_writes(example: dict[str, Any]) -> None:
    envelope = Envelope.parse(to_json(example))
    fact = fact_of(example)
    written = encode(
        fact,
        source=envelope.source,
        sequence=envelope.sequence,
        time=envelope.time,
        correlation=envelope.correlationid,
        cause=envelope.causationid,
    )
    optional = {key: value for key, value in from_json(written)["data"].items() if key not in example["data"]}
    whole = {"datacontenttype": "application/json", **example, "data": example["data"] | optional}
    assert from_json(written) == whole
    assert all(not type(fact).model_fields[name].is_required() for name in optional)


@each_said
def test_an_example_of_said_is_what_encode_said_writes(example: dict[str, Any]) -> None:
    envelope = Envelope.parse(to_json(example))
    said = Said.model_validate_json(to_json(example["data"]))
    partition = int(envelope.subject.rsplit("/", 1)[1])
    written = Envelope.parse(encode_said(said, topic="duties", partition=partition, time=envelope.time))
    assert written.model_copy(update={"data": {}}) == envelope.model_copy(update={"data": {}})
    assert Said.model_validate(written.data) == said


@pytest.mark.parametrize("topic", TOPICS)
@each_said
def test_said_reads_the_same_on_every_topic(example: dict[str, Any], topic: str) -> None:
    assert faults(example["data"], schema(f"{topic}.said.v1")) == []


@pytest.mark.parametrize("path", [path for path in ALL if path.endswith("/minimal.json")])
def test_a_minimal_example_has_no_optional_field(path: str) -> None:
    example = ALL[path]
    assert example.keys() == set(schema("envelope")["required"])
    assert example["data"].keys() == set(schema(example["type"])["required"])


@pytest.mark.parametrize("path", [path for path in ALL if path.endswith("/typical.json")])
def test_a_typical_example_shows_every_field(path: str) -> None:
    example = ALL[path]
    assert example.keys() == schema("envelope")["properties"].keys()
    assert example["data"].keys() == schema(example["type"])["properties"].keys()


@each_fact
def test_the_id_of_a_fact_is_its_stream_and_version(example: dict[str, Any]) -> None:
    fact = fact_of(example)
    assert example["subject"] == f"{fact.prefix}:{example['data'][fact.key]}"
    assert example["id"] == f"{example['subject']}/{example['sequence']}"
    assert example["sequence"] >= 1
    assert example["unit"] == example["data"]["unit"]


@each_fact
def test_a_fact_is_said_by_a_producer_of_its_topic(example: dict[str, Any]) -> None:
    topic = TOPICS[example["type"].split(".")[0]]
    is_ours = example["source"].startswith("/zeren/")
    assert is_ours == bool(topic.producers)
    assert not is_ours or example["source"].removeprefix("/zeren/") in topic.producers


@each_fact
def test_a_fact_is_not_decided_before_what_it_speaks_of(example: dict[str, Any]) -> None:
    data = example["data"]
    moments = [data[name] for name in ("planned_at", "fulfilled_at", "filed_at") if name in data]
    assert all(
        Envelope.parse(to_json(example | {"time": at})).time <= Envelope.parse(to_json(example)).time
        for at in moments
    )


@each_fact
def test_the_story_of_a_duty_is_its_report_and_of_an_inspection_its_unit(example: dict[str, Any]) -> None:
    data = example["data"]
    if example["source"] == "/zeren/inspection":
        assert example["correlationid"] == data["unit"]
        return
    story = data.get("report") or data.get("duty", "").partition("@")[0] or example["correlationid"]
    assert example["correlationid"] == story


@each_example
def test_an_unknown_field_is_ignored(example: dict[str, Any]) -> None:
    known, tomorrow = FACTS.get(example["type"], Said), {"of_tomorrow": {"deep": [1]}}
    grown = example | tomorrow | {"data": example["data"] | tomorrow}
    assert faults(grown, schema("envelope")) == []
    assert faults(grown["data"], schema(example["type"])) == []
    assert Envelope.parse(to_json(grown)).model_copy(update={"data": {}}) == Envelope.parse(
        to_json(example)
    ).model_copy(update={"data": {}})
    assert known.model_validate(grown["data"]) == known.model_validate(example["data"])


def test_no_two_examples_claim_the_same_place_in_a_stream() -> None:
    ids = [example["id"] for example in OF_FACTS.values()]
    assert len(ids) == len(set(ids))
