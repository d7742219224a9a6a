"""What the registry of topics makes of rights: on the broker and in the database."""

from dataclasses import replace

from contracts.topics import TOPICS
from deploy.stack.rights import (
    COLLECTIONS,
    SERVICES,
    SUBSCRIBER,
    VIEWS,
    Kind,
    Operation,
    Right,
    eraser_privileges,
    kafka_rights,
    mongo_privileges,
)


def who_may(operation: Operation, topic: str) -> set[str]:
    wanted = (Kind.TOPIC, topic, operation)
    return {right.user for right in kafka_rights() if (right.kind, right.name, right.operation) == wanted}


def test_only_its_producers_may_write_a_topic() -> None:
    for topic in TOPICS.values():
        assert who_may(Operation.WRITE, topic.name) == set(topic.producers)


def test_a_topic_is_read_by_who_hears_it_who_wrote_it_operators_and_if_it_is_ours_subscribers() -> None:
    for topic in TOPICS.values():
        others = {"operator"} | ({SUBSCRIBER} if topic.producers else set())
        assert who_may(Operation.READ, topic.name) == {*topic.producers, *topic.consumers} | others


def test_only_who_hears_a_topic_may_write_its_dead_letters_and_no_subscriber_reads_them() -> None:
    for topic in TOPICS.values():
        assert who_may(Operation.WRITE, topic.dead_letters) == set(topic.consumers)
        assert who_may(Operation.READ, topic.dead_letters) == {"operator"}


def test_nobody_joins_the_group_of_another() -> None:
    groups = {right.name: right.user for right in kafka_rights() if right.kind is Kind.GROUP}

    assert groups == {f"{user}.": user for user in (*SERVICES, "operator", SUBSCRIBER)}
    assert all(right.is_prefix == (right.kind is Kind.GROUP) for right in kafka_rights())


def test_a_right_is_printed_as_the_arguments_of_kafkas_own_command() -> None:
    right = Right("scoring", Kind.TOPIC, "scores", Operation.WRITE)
    rest = "--add --allow-principal User:scoring --operation Write"

    assert right.command == f"{rest} --topic scores --resource-pattern-type literal"
    group = replace(right, kind=Kind.GROUP, name="scoring.", is_prefix=True)
    assert group.command == f"{rest} --group scoring. --resource-pattern-type prefixed"


def test_a_service_touches_only_its_own_database_and_never_changes_a_page() -> None:
    for service in SERVICES:
        found = {}
        for one in mongo_privileges(service):
            assert one["resource"]["db"] == service
            found[one["resource"]["collection"]] = set(one["actions"])

        assert found.keys() == {"pages", *COLLECTIONS, *VIEWS.get(service, ())}
        assert found["pages"] == {"find", "insert"}


def test_only_the_eraser_may_write_a_page_over_itself_and_even_it_may_remove_none() -> None:
    on_pages = [set(p["actions"]) for p in eraser_privileges() if p["resource"]["collection"] == "pages"]

    assert set().union(*on_pages) == {"find", "insert", "update"}
