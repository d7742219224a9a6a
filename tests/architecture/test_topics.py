"""What the registry of topics says is what the services do."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from contracts.envelope import Fact
from contracts.topics import PARTITIONS, TOPICS
from services.directory.app import build as build_directory
from services.inspection.app import build as build_inspection
from services.reminders.app import build as build_reminders
from services.reporting.app import build as build_reporting
from services.scoring.app import build as build_scoring
from shared.mongo import disconnect
from shared.service import Plan, Service
from shared.settings import Settings

BUILDERS = {
    "directory": build_directory,
    "inspection": build_inspection,
    "reporting": build_reporting,
    "reminders": build_reminders,
    "scoring": build_scoring,
}


@pytest.fixture
async def plans() -> AsyncIterator[dict[str, Plan[Any]]]:
    """Build every service's plan, connected to nothing."""
    services: dict[str, Service[Any]] = {name: Service(Settings(), name) for name in BUILDERS}
    yield {name: BUILDERS[name](service) for name, service in services.items()}
    for service in services.values():
        await disconnect(service.client)


def test_every_service_says_what_it_is_the_producer_of(plans: dict[str, Plan[Any]]) -> None:
    said = {(topic, name) for name, plan in plans.items() for topic in plan.says}

    assert said == {(topic.name, producer) for topic in TOPICS.values() for producer in topic.producers}


def test_every_service_hears_what_it_is_a_consumer_of(plans: dict[str, Plan[Any]]) -> None:
    heard = {(topic, name) for name, plan in plans.items() for topic in plan.hears}
    heard |= {("directory", name) for name, plan in plans.items() if plan.reads_directory}

    assert heard == {(topic.name, consumer) for topic in TOPICS.values() for consumer in topic.consumers}


def test_a_service_says_only_facts_that_its_ledger_can_read_again(plans: dict[str, Plan[Any]]) -> None:
    for plan in plans.values():
        assert {fact.topic for fact in plan.decider.shape.facts.values()} <= {None, *plan.says}
    for topic in (topic for topic in TOPICS.values() if topic.producers):
        known = {type_ for name in topic.producers for type_ in plans[name].decider.shape.facts}
        assert {fact.type for fact in topic.facts} <= known


def test_who_hears_topics_has_a_book_for_each_partition_or_one_for_all(plans: dict[str, Plan[Any]]) -> None:
    books = {name: plan.books for name, plan in plans.items() if plan.hears}
    assert books == {
        "inspection": 1,
        "reminders": PARTITIONS,
        "reporting": PARTITIONS,
        "scoring": PARTITIONS,
    }
    assert {topic.partitions for topic in TOPICS.values()} == {PARTITIONS}


def test_only_a_topic_that_none_of_our_services_writes_is_foreign(plans: dict[str, Plan[Any]]) -> None:
    foreign = {name: plan.foreign for name, plan in plans.items() if plan.foreign}
    assert foreign == {"reporting": {"duties-in"}}
    assert {topic.name for topic in TOPICS.values() if not topic.producers} == {"duties-in"}


def test_every_service_is_named_as_its_folder(plans: dict[str, Plan[Any]]) -> None:
    assert {name: plan.name for name, plan in plans.items()} == {name: name for name in BUILDERS}


def test_every_private_fact_of_a_service_can_be_read_from_its_ledger(plans: dict[str, Plan[Any]]) -> None:
    private = [fact for fact in facts_below(Fact) if fact.topic is None and not fact.__subclasses__()]
    own = [fact for fact in private if fact.__module__.startswith("services.")]
    for fact in own:
        name = fact.__module__.split(".")[1]
        assert plans[name].decider.shape.facts.get(fact.type) is fact, fact
    assert {fact.__module__.split(".")[1] for fact in own} >= {
        "inspection",
        "reminders",
        "reporting",
        "scoring",
    }


def facts_below(base: type[Fact]) -> Iterator[type[Fact]]:
    for fact in base.__subclasses__():
        yield fact
        yield from facts_below(fact)
