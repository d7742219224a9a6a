"""A backup of a service in memory, and what comes of it when it is restored."""

from copy import deepcopy
from typing import Any

from contracts.envelope import Envelope
from shared.adopt import Adopted
from shared.commands import rebuild_states, verify_books
from shared.heads import read_heads
from shared.restore import adopter
from tests.support.running import Database, Running


class Backup:
    """What a database held at a moment."""

    def __init__(self, running: Running) -> None:
        self._database = deepcopy(running.database)

    async def restore(self, running: Running) -> Running:
        """Put it back under a replica that has stopped; return another one that is started on it."""
        put_back(running.database, deepcopy(self._database))
        return await running.again()


def put_back(database: Database, other: Database) -> None:
    """Let a database hold what another one does."""
    database.pages, database.states, database.marks = other.pages, other.states, other.marks
    database.collections = other.collections


async def backup(running: Running) -> Backup:
    """Say what is to be said, where the newest pages are, and keep what the database then holds."""
    await running.says()
    await running.relay.say_said()
    for book in running.service.opened():
        await book.flush()
    return Backup(running)


async def stop(running: Running) -> None:
    """Say what is to be said, where the newest pages are, and let the books go."""
    await running.says()
    await running.relay.say_said()
    if running.service.settings.heads is not None:
        running.service._write_heads(running.service.opened(), {})
    for book in list(running.service.opened()):
        await book.close()


async def adopt(
    running: Running, *, who: str = "ops-1", accept_loss: bool = False, since: Any = None
) -> list[Adopted]:
    """Run the command beside a replica that is not ready."""
    command = adopter(running.service, running.plan)
    return await command.adopt(who, since=since, accept_loss=accept_loss)


async def problems(running: Running) -> tuple[list[str], list[str]]:
    """Return what ``verify`` and ``rebuild`` find wrong."""
    store: Any = running.service.store
    heads = read_heads(running.service.settings.heads)
    _, faults = await verify_books(store, running.plan.books, heads)
    shape = running.plan.decider.shape
    _, different = await rebuild_states(store, running.plan.books, shape, write=False)
    return [f"{fault.page} {fault.problem}" for fault in faults], different


def values(running: Running) -> dict[str, set[bytes]]:
    """Return by its identity under which bytes each fact lies on the topics."""
    found: dict[str, set[bytes]] = {}
    for log in running.broker.logs.values():
        for record in log:
            if record.key is not None:
                found.setdefault(Envelope.parse(record.value).id, set()).add(record.value)
    return found
