"""The registry of topics and the names that follow from it."""

import importlib
import re

import pytest

from contracts.envelope import Fact
from contracts.topics import FACTS, PARTITIONS, TOPICS, Topic

KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")

each_topic = pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
each_fact = pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)


def pascal(kebab: str) -> str:
    """Return the class's name for a word of a type."""
    return "".join(part.capitalize() for part in kebab.split("-"))


def test_there_are_twelve_partitions_for_life() -> None:
    assert PARTITIONS == 12
    assert {topic.partitions for topic in TOPICS.values()} == {12}


@each_topic
def test_a_topic_is_kebab_case_without_dots_and_underscores(topic: Topic) -> None:
    assert KEBAB.fullmatch(topic.name)
    assert topic.dead_letters == f"{topic.name}-dlq"
    assert KEBAB.fullmatch(topic.dead_letters)


@each_topic
def test_a_topic_has_facts_a_producer_and_words(topic: Topic) -> None:
    assert topic.facts
    assert topic.producers or topic.consumers
    assert topic.description.endswith(".")


@each_topic
def test_every_fact_of_a_module_is_registered_on_its_topic(topic: Topic) -> None:
    declared = {
        item
        for item in vars(importlib.import_module(f"contracts.{topic.name.replace('-', '_')}")).values()
        if isinstance(item, type)
        and issubclass(item, Fact)
        and not item.__subclasses__()
        and item is not Fact
    }
    assert declared == set(topic.facts)


@each_fact
def test_a_type_is_topic_kebab_and_major_of_its_class(fact: type[Fact]) -> None:
    topic, name, major = fact.type.split(".")
    assert topic == fact.topic
    assert fact in TOPICS[topic].facts
    assert KEBAB.fullmatch(name)
    assert pascal(name) == re.sub(r"V\d+$", "", fact.__name__)
    assert major == f"v{fact.major}"


@each_fact
def test_a_fact_is_keyed_by_a_required_field_of_its_own(fact: type[Fact]) -> None:
    assert fact.model_fields[fact.key].is_required()
    assert fact.model_fields[fact.key].annotation is str
    assert fact.prefix


def test_streams_of_different_topics_never_share_a_prefix() -> None:
    homes = {(fact.prefix, fact.topic) for fact in FACTS.values()}
    assert len(homes) == len({prefix for prefix, _ in homes})


def test_no_two_facts_share_a_type() -> None:
    assert len(FACTS) == sum(len(topic.facts) for topic in TOPICS.values())
