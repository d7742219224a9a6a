"""One service with the kit in memory: what it hears, what time it is, what people ask of it, what it says."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import bson
import httpx

from contracts.envelope import Envelope, Fact, Said, encode, encode_said
from contracts.topics import FACTS, PARTITIONS, TOPICS
from deploy.embedded.keys import make_keys, make_token
from shared.access import Identity, Verifier
from shared.book import BookLostError
from shared.clock import MICROSECOND, from_micros, to_micros
from shared.http import api
from shared.ids import partition_of
from shared.ledger import Page, to_document
from shared.mongo import disconnect
from shared.relay import Relay
from shared.service import Plan, Service
from shared.settings import Settings
from shared.state import Inbound
from shared.store import Document
from shared.testing.memory import (
    MemoryBroker,
    MemoryDatabase,
    MemoryOutlet,
    MemoryPublished,
    MemoryStore,
    Pause,
    no_pause,
)
from shared.timer import Timer
from tests.support.collection import MemoryCollection, matches, sums, tallied
from tests.support.kit import HandClock

Build = Callable[[Service[Any]], Plan[Any]]


class Database(MemoryDatabase):
    """Pages, states and marks, and the collections of adapters."""

    def __init__(self) -> None:
        super().__init__()
        self.collections: defaultdict[str, MemoryCollection] = defaultdict(MemoryCollection)

    def __getitem__(self, name: str) -> MemoryCollection:
        return self.collections[name]


class Store(MemoryStore):
    """The kit's store, the query of a service's views, and the way to a book that another replica writes.

    Like the real one it takes nothing that BSON has no room for.
    """

    async def insert_page(self, page: Page) -> None:  # type: ignore[explicit-override]
        """Insert a page that could be written."""
        bson.encode(to_document(page))
        await super().insert_page(page)

    async def write_states(  # type: ignore[explicit-override]
        self, documents: Sequence[Document], new: Collection[str] = ()
    ) -> None:
        """Write states that could be written."""
        for document in documents:
            bson.encode(document)
        await super().write_states(documents, new)

    async def announce(self, books: Collection[int], owner: str, address: str) -> None:
        """Do nothing: there is no way from one replica to another here."""

    async def owner(self, book: int) -> str | None:
        """Return nobody's address."""
        return None

    async def find_states(self, where: Mapping[str, Any]) -> list[Document]:
        """Return the states that a query finds, in order of their stream."""
        found = [dict(one) for one in self.database.states.values() if matches(one, where)]
        return sorted(found, key=lambda document: str(document["_id"]))

    async def sum_states(
        self, where: Mapping[str, Any], by: str, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """Return the sums of fields over the states that a query finds, for each value of another field."""
        return sums((one for one in self.database.states.values() if matches(one, where)), by, fields)

    async def tally_states(
        self, where: Mapping[str, Any], by: str, least: str
    ) -> dict[tuple[int, str], tuple[int, int]]:
        """Return how many states a query finds, by book and the value of a field, and another's least."""
        found = [one for one in self.database.states.values() if matches(one, where)]
        return tallied(found, by, least)


class Others:
    """The other services, as far as they are heard."""

    def __init__(self) -> None:
        self.records: list[Inbound] = []
        self._sequences: dict[str, int] = {}

    def say(self, facts: Sequence[Fact], at: datetime) -> list[Inbound]:
        """Say facts, each as the next of its stream."""
        return [self._record(fact, at) for fact in facts]

    def _record(self, fact: Fact, at: datetime) -> Inbound:
        assert fact.topic is not None
        key = fact.subject
        sequence = self._sequences[key] = self._sequences.get(key, 0) + 1
        source = f"/zeren/{next(iter(TOPICS[fact.topic].producers), 'foreign')}"
        value = encode(fact, source=source, sequence=sequence, time=at, correlation=key, cause="test")
        return self._put(fact.topic, partition_of(key, PARTITIONS), key.encode(), value)

    def say_said(self, topic: str, through: datetime, owners: Collection[str] | None = None) -> list[Inbound]:
        """Say on every partition of a topic that all before a moment is said; by all its owners if None."""
        records = []
        for owner in TOPICS[topic].producers if owners is None else owners:
            said = Said(source=f"/zeren/{owner}", books=(0,), of=1, through=through)
            for n in range(PARTITIONS):
                value = encode_said(said, topic=topic, partition=n, time=through)
                records.append(self._put(topic, n, None, value))
        return records

    def _put(self, topic: str, partition: int, key: bytes | None, value: bytes) -> Inbound:
        record = Inbound(topic, partition, len(self.records), key, value)
        self.records.append(record)
        return record


class Running:
    """One replica of a service; what others hold of it is passed on to the next."""

    def __init__(
        self,
        name: str,
        build: Build,
        folder: Path,
        at: datetime,
        *,
        before: "Running | None" = None,
        pause: Pause = no_pause,
        heads: Path | None = None,
    ) -> None:
        """Make a replica at a moment, on what the one *before* has left if there was one."""
        self.database: Database = before.database if before else Database()
        self.broker: MemoryBroker = before.broker if before else MemoryBroker(PARTITIONS)
        self.others: Others = before.others if before else Others()
        self.silent: set[str] = set()
        """The topics on which nobody says that all is said."""
        self.asks_sight = False
        """Whether it may not speak of units before it has read the directory as a subscriber does."""
        self.clock = HandClock()
        self.clock.moment = at
        self._build, self._folder = build, folder
        self.service: Service[Any] = Service(Settings(public_key=make_keys(folder), heads=heads), name)
        self.service.store = Store(self.database, pause)  # type: ignore[assignment]
        self.service.published = MemoryPublished(self.broker, name, lambda: self.others.records)
        self.service.clock = self.clock
        self.plan = build(self.service)
        self.service.take(self.plan)
        self.relay = self.service.relay = Relay(
            self.service.opened,
            store=self.service.store,
            outlet=MemoryOutlet(self.broker),
            clock=self.clock,
            source=self.service.source,
            topics=self.plan.says,
            partitions=PARTITIONS,
            of=self.plan.books,
            every=timedelta(seconds=1),
            tell=self.plan.tell,
        )
        wake = self.plan.wake
        self.timer = Timer(self.service.opened, clock=self.clock, wake=wake) if wake else None
        self.service.timer = self.timer
        app = api(
            name,
            router=self.plan.router,
            verifier=Verifier(self.service.settings.public_key),
            is_ready=lambda: None,
            progress=self.service._progress,
            operator=self.service.operator,
            is_blind=lambda: self.asks_sight and self.service.is_blind(),
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")

    async def start(self) -> Self:
        """Take all books over and read the directory from its beginning."""
        await disconnect(self.service.client)
        if self.plan.on_start is not None:
            await self.plan.on_start()
        await self.service.shelf.open_all(set(range(self.plan.books)))
        await self._apply([record for record in self.others.records if record.topic == "directory"])
        return self

    async def again(self) -> "Running":
        """Return another replica, started on what this one has left."""
        name, at = self.service.name, self.clock.moment
        heads = self.service.settings.heads
        return await Running(name, self._build, self._folder, at, before=self, heads=heads).start()

    # -- what it hears ----------------------------------------------------------------------------

    async def hears(self, *facts: Fact) -> list[Inbound]:
        """Let it hear facts of other services; return them as records."""
        return await self._apply(self.others.say(facts, self.clock.moment))

    async def hears_again(self, records: Sequence[Inbound]) -> None:
        """Let it hear records that were said before."""
        await self._apply(records)

    async def hears_all_said(self, topic: str, through: datetime, *owners: str) -> None:
        """Let it hear that everything on a topic before a moment is said; by all its owners by default."""
        await self._apply(self.others.say_said(topic, through, owners or None))

    async def _apply(self, records: Sequence[Inbound]) -> list[Inbound]:
        directory = [record for record in records if record.topic == "directory"]
        others = [record for record in records if record.topic in self.plan.hears]
        if directory and self.plan.reads_directory:
            await self.service.table.apply(directory)
        if others:
            await self.service._apply(others)
        return list(records)

    # -- time -------------------------------------------------------------------------------------

    async def until(self, moment: datetime) -> None:
        """Let time pass, stopping wherever somebody has something to say, whatever it leads to."""
        while True:
            wakes = [await book.next_wake() for book in self.service.opened()]
            coming = [wake for wake in wakes if wake is not None and wake > to_micros(self.clock.moment)]
            if not coming or min(coming) > to_micros(moment):
                break
            for book in self.service.opened():
                await book.prepare(from_micros(min(coming)))
            await self.at(from_micros(min(coming)))
        await self.at(moment)

    async def at(self, moment: datetime) -> None:
        """Let it be a moment, whatever was to happen before: decided, said and told."""
        self.clock.moment = moment
        await self.wakes()
        await self.says()

    async def wakes(self) -> None:
        """Let whoever may speak now decide; the others say all but what is silent."""
        for topic in [*(["directory"] if self.plan.reads_directory else []), *self.plan.hears]:
            if topic not in self.silent | self.plan.foreign:
                await self.hears_all_said(topic, self.clock.moment + MICROSECOND)
        assert self.timer is not None
        for book in self.service.opened():
            head = -1
            # The timer of a replica that was overtaken waits as well.
            with suppress(BookLostError):
                while head != book.head:
                    head = book.head
                    self.timer.hurry()
                    await self.timer.turn(book)

    # -- what it says -----------------------------------------------------------------------------

    async def says(self) -> None:
        """Say and tell everything that was decided."""
        await self.relay.drain()

    def said(self, *kinds: type[Fact]) -> list[Any]:
        """Return what lies on the topics, of these kinds; in order for each stream."""
        return [fact for _, fact in self.envelopes() if isinstance(fact, kinds or Fact)]

    def envelopes(self) -> list[tuple[Envelope, Fact]]:
        """Return every fact on the topics in its envelope."""
        records = [
            record for (topic, _), log in self.broker.logs.items() if topic in TOPICS for record in log
        ]
        envelopes = [Envelope.parse(record.value) for record in records if record.key is not None]
        return [(one, FACTS[one.type].model_validate(one.data)) for one in envelopes]

    # -- people -----------------------------------------------------------------------------------

    def token(self, *roles: str, unit: str) -> dict[str, str]:
        """Return the header by which somebody with these roles in a subtree is known."""
        identity = Identity(sub="somebody", unit=unit, roles=roles)
        return {"Authorization": f"Bearer {make_token(self._folder, identity)}"}

    async def get(self, path: str, *roles: str, unit: str, **query: Any) -> httpx.Response:
        """Ask for something."""
        return await self.http.get(path, params=query, headers=self.token(*roles, unit=unit))

    async def post(self, path: str, *roles: str, unit: str, **what: Any) -> httpx.Response:
        """Ask to do something."""
        headers = self.token(*roles, unit=unit)
        params = what.pop("query", None)
        return await self.http.post(path, headers=headers, params=params, **what)
