"""Who may do what on the broker and in the database: derived from the registry of topics, nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from contracts.topics import TOPICS
from shared.kafka import INCARNATION
from shared.service import topics

SERVICES = tuple(sorted({name for topic in TOPICS.values() for name in (*topic.producers, *topic.consumers)}))
OPERATOR, SUBSCRIBER, ERASER = "operator", "subscriber", "eraser"
KAFKA_USERS = (*SERVICES, OPERATOR, SUBSCRIBER)
MONGO_USERS = (*SERVICES, ERASER)
COLLECTIONS = ("states", "marks", "owners")
VIEWS = {"reminders": ("notices",)}
"""Collections that a service has besides those of the kit."""
WRITES = ("find", "insert", "update", "remove", "createIndex", "listIndexes")


class Kind(IntEnum):
    """What a right is about, by Kafka's own numbers."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """What it allows, by Kafka's own numbers."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8


@dataclass(frozen=True, order=True)
class Right:
    """One entry of the broker's access control list; everything that is not listed is refused."""

    user: str
    kind: Kind
    name: str
    operation: Operation
    is_prefix: bool = False

    @property
    def command(self) -> str:
        """Return the arguments by which Kafka's own ``kafka-acls.sh`` adds it."""
        pattern = "prefixed" if self.is_prefix else "literal"
        what = f"--{self.kind.name.lower()} {self.name} --resource-pattern-type {pattern}"
        who = f"--add --allow-principal User:{self.user}"
        return f"{who} --operation {self.operation.name.title()} {what}"


def kafka_rights() -> list[Right]:
    """Return all rights of all users, in order."""
    found = {right for service in SERVICES for right in _of_service(service)}
    for topic in TOPICS.values():
        found.add(Right(OPERATOR, Kind.TOPIC, topic.name, Operation.READ))
        found.add(Right(OPERATOR, Kind.TOPIC, topic.dead_letters, Operation.READ))
        if topic.producers:
            found.add(Right(SUBSCRIBER, Kind.TOPIC, topic.name, Operation.READ))
    found |= {
        Right(user, Kind.GROUP, f"{user}.", Operation.READ, is_prefix=True) for user in (OPERATOR, SUBSCRIBER)
    }
    return sorted(found)


def _of_service(service: str) -> Iterator[Right]:
    """Yield what a service needs: it says and hears as registered, and reads back what it has said."""
    yield Right(service, Kind.GROUP, f"{service}.", Operation.READ, is_prefix=True)
    yield Right(service, Kind.TOPIC, INCARNATION, Operation.READ)
    # Each looks at its start whether every topic has the number of partitions that the contract says.
    for name in topics():
        yield Right(service, Kind.TOPIC, name, Operation.DESCRIBE)
    for topic in TOPICS.values():
        if service in topic.producers:
            yield Right(service, Kind.TOPIC, topic.name, Operation.WRITE)
        if service in (*topic.producers, *topic.consumers):
            yield Right(service, Kind.TOPIC, topic.name, Operation.READ)
        if service in topic.consumers:
            yield Right(service, Kind.TOPIC, topic.dead_letters, Operation.WRITE)


def mongo_privileges(service: str) -> list[dict[str, Any]]:
    """Return what a service may do in its database: a page is inserted and found, and never touched again."""
    pages = {"resource": {"db": service, "collection": "pages"}, "actions": ["find", "insert"]}
    others = (*COLLECTIONS, *VIEWS.get(service, ()))
    return [
        pages,
        *({"resource": {"db": service, "collection": one}, "actions": list(WRITES)} for one in others),
    ]


def eraser_privileges() -> list[dict[str, Any]]:
    """Return what the command ``erase`` needs: to write pages over themselves without what was erased."""
    both = [one for service in SERVICES for one in mongo_privileges(service)]
    more = [{"resource": {"db": one, "collection": "pages"}, "actions": ["update"]} for one in SERVICES]
    return both + more
