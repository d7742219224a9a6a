"""One process that does everything once, and dies at whichever of its effects a test chooses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from shared.book import Book
from shared.consumer import Heard, Intake
from shared.decider import Request
from shared.ids import partition_of
from shared.relay import Relay
from shared.tasks import end
from shared.testing.memory import MemoryBroker, MemoryConsumer, MemoryDatabase, MemoryOutlet, MemoryStore
from tests.support.kit import PARTITIONS, HandClock
from tests.support.toy import Chimed, Counted, Hear, Noted, Rang, on_a, stream_of_a, toy
from tests.support.world import Asked

NAMES = ("x1", "x2", "x3", "x4")
HEARD_AT_ONCE = 2
SECOND = timedelta(seconds=1)


class Instant(NamedTuple):
    """Where a process is killed: at an effect of one of its steps, counted if there are several."""

    step: str
    effect: str
    nth: int = 1


class Fate:
    """Notes each effect of a process, and lets it do nothing any more from the chosen one on."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.step = ""
        self.passed: list[tuple[str, str]] = []
        self.struck = asyncio.Event()
        self._dies_at = dies_at

    async def __call__(self, effect: str) -> None:
        if not self.struck.is_set():
            self.passed.append((self.step, effect))
            if len(self.passed) - 1 == self._dies_at:
                self.struck.set()
        if self.struck.is_set():
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)

    def find(self, instant: Instant) -> int:
        """Return which of the effects that passed is the instant."""
        places = [n for n, one in enumerate(self.passed) if one == (instant.step, instant.effect)]
        return places[instant.nth - 1]


class World:
    """What survives a process: the databases, the broker, and what callers were told."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(PARTITIONS)
        self.others, self.database = MemoryDatabase(), MemoryDatabase()
        self.asked: list[Asked] = []
        self.clock = HandClock()

    async def fill(self) -> None:
        """Let the other service say something on each of several streams."""
        said = Replica(self, Fate(), "a")
        await said.take_over()
        for n in range(3):
            for name in NAMES:
                await said.ask(name, f"other-{name}-{n}")
        await said.say()


class Replica:
    """One process of a service with a book for each partition."""

    def __init__(self, world: World, fate: Fate, kind: str = "b") -> None:
        self.world, self.fate, self.kind = world, fate, kind
        database = world.others if kind == "a" else world.database
        self.store = MemoryStore(database, fate)
        self.decider = toy(Counted, Rang) if kind == "a" else toy(Noted, Chimed)
        self.books: dict[int, Book[Any]] = {}
        self.consumer = MemoryConsumer(world.broker, "b", fate)
        self.relay = Relay(
            self.books.values,
            store=self.store,
            outlet=MemoryOutlet(world.broker, fate),
            clock=world.clock,
            source=f"/{kind}",
            topics=[kind],
            partitions=PARTITIONS,
            of=PARTITIONS,
            every=timedelta(0),
        )
        self.intake = Intake(
            books=lambda record, _: self.books.get(record.partition),
            topics={"a": on_a},
            facts={fact.type: fact for fact in (Counted, Rang)},
            stream_of=stream_of_a,
            partitions=PARTITIONS,
            heard=Heard(),
        )

    async def take_over(self) -> None:
        self.fate.step = "take-over"
        for number in range(PARTITIONS):
            self.books[number] = Book(
                number,
                store=self.store,
                decider=self.decider,
                clock=self.world.clock,
                source=f"/{self.kind}",
                actor=self.kind,
                distance=100,
            )
            await self.books[number].open()

    async def ask(self, name: str, cause: str) -> None:
        """Be a caller, who knows what he was told, if anything."""
        self.fate.step = "ask"
        asked = Asked(cause, f"{self.kind}:{name}")
        self.world.asked += [asked] if self.kind == "b" else []
        request = Request(asked.stream, Hear(cause, 0), cause)
        (outcome,) = await self.books[partition_of(f"a:{name}", PARTITIONS)].handle([request])
        asked.told, asked.count = outcome.result, outcome.briefs[0].count

    async def hear(self, limit: int) -> dict[tuple[str, int], int]:
        self.fate.step = "hear"
        batches = [await self.consumer.poll("a", part, limit) for part in range(PARTITIONS)]
        return await self.intake.apply([record for batch in batches for record in batch])

    async def keep(self) -> None:
        self.fate.step = "keep"
        for book in self.books.values():
            await book.flush()

    async def say(self) -> None:
        self.fate.step = "say"
        await self.relay.drain()
        await self.relay.say_said()

    async def commit(self, offsets: dict[tuple[str, int], int]) -> None:
        self.fate.step = "commit"
        await self.consumer.commit(offsets)

    async def hand_over(self) -> None:
        self.fate.step = "hand-over"
        for book in self.books.values():
            await book.close()

    async def work(self) -> None:
        """Do everything once that a process does, and let go of the books with something left to say."""
        await self.take_over()
        await self.ask("x1", "ask-victim-1")
        offsets = await self.hear(HEARD_AT_ONCE)
        await self.keep()
        await self.say()
        await self.commit(offsets)
        await self.ask("x2", "ask-victim-2")
        await self.hear(HEARD_AT_ONCE)
        await self.hand_over()

    async def finish(self) -> None:
        """Do whatever is left to do."""
        await self.take_over()
        await self.commit(await self.hear(100))
        await self.ask("x1", "ask-heir")
        await self.keep()
        await self.say()


@asynccontextmanager
async def struck(dies_at: int | None = None) -> AsyncIterator[tuple[World, Fate]]:
    """Yield a world in which a process died at one of its effects, or none, and never runs again."""
    world, fate = World(), Fate(dies_at)
    await world.fill()
    before = Replica(world, Fate())
    await before.take_over()
    await before.ask("x3", "ask-before")
    await before.hear(1)
    world.clock.moment += SECOND
    working = asyncio.ensure_future(Replica(world, fate).work())
    dying = asyncio.ensure_future(fate.struck.wait())
    await asyncio.wait([working, dying], return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
    world.clock.moment += SECOND
    try:
        yield world, fate
    finally:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await end([task for task in asyncio.all_tasks() if task is not asyncio.current_task()])
