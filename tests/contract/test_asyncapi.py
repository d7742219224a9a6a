"""The AsyncAPI document says the same as the registry, and its references lead somewhere."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from contracts.topics import TOPICS
from tests.contract.catalogue import FORMATS, HERE, SCHEMAS, examples, read

DOCUMENT: dict[str, Any] = yaml.safe_load((HERE / "asyncapi.yaml").read_text("utf-8"))
MESSAGES = DOCUMENT["components"]["messages"]
REGISTRY: Registry[Any] = Registry().with_resources(
    (f"schemas/{path.name}", Resource.from_contents(read(path))) for path in SCHEMAS.glob("*.json")
)


def references(node: object) -> Iterator[str]:
    """Yield every reference below a node."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)


def test_every_topic_and_its_dead_letters_is_a_channel_and_nothing_else_is() -> None:
    wanted = {name for topic in TOPICS.values() for name in (topic.name, topic.dead_letters)}
    assert DOCUMENT["channels"].keys() == wanted
    assert all(channel["address"] == name for name, channel in DOCUMENT["channels"].items())


def test_every_reference_leads_to_something() -> None:
    for reference in references(DOCUMENT):
        file, _, path = reference.partition("#/")
        if file:
            assert (HERE / file).is_file(), reference
            continue
        node = DOCUMENT
        for step in path.split("/"):
            node = node[step]


def test_every_schema_and_every_message_is_referenced() -> None:
    seen = set(references(DOCUMENT))
    assert {f"schemas/{path.name}" for path in SCHEMAS.iterdir()} <= seen
    assert {f"#/components/messages/{name}" for name in MESSAGES} <= seen


def test_operations_are_the_producers_and_consumers_of_the_registry() -> None:
    said = {f"{who}-says-{topic.name}" for topic in TOPICS.values() for who in topic.producers}
    heard = {f"{who}-hears-{topic.name}" for topic in TOPICS.values() for who in topic.consumers}
    laid = {f"{who}-says-{topic.dead_letters}" for topic in TOPICS.values() for who in topic.consumers}
    assert DOCUMENT["operations"].keys() == said | heard | laid
    actions = {name: operation["action"] for name, operation in DOCUMENT["operations"].items()}
    assert {name for name, action in actions.items() if action == "receive"} == heard


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_partitions_and_retention_are_those_of_the_registry(topic: Any) -> None:
    channel = DOCUMENT["channels"][topic.name]
    assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
    assert ("without end" in channel["description"]) == (topic.retention is None)


@pytest.mark.parametrize("example", examples().values(), ids=examples())
def test_an_example_satisfies_the_payload_of_its_message(example: dict[str, Any]) -> None:
    payload = MESSAGES[example["type"]]["payload"]
    validator = Draft202012Validator(payload, registry=REGISTRY, format_checker=FORMATS)
    assert list(validator.iter_errors(example)) == []
    assert list(validator.iter_errors(example | {"type": "another.type.v1"}))
    assert list(validator.iter_errors(example | {"data": {}}))
