"""Processes, databases and a broker under one seeded scheduler that may stop or kill anybody at any await."""

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from contracts.envelope import MAX_FACT_BYTES
from shared import deadletter
from shared.book import Book, BookLostError
from shared.clock import from_micros, to_micros
from shared.consumer import Heard, Intake, TooManyDeadLettersError
from shared.decider import Request
from shared.hearing import Hearing
from shared.ids import book_of, partition_of
from shared.kafka import group_of
from shared.relay import BrokerUnavailableError, Outbound, Relay, Work
from shared.state import Inbound
from shared.store import StoreUnavailableError
from shared.testing.memory import MemoryBroker, MemoryConsumer, MemoryDatabase, MemoryOutlet, MemoryStore
from shared.timer import Timer
from tests.support.toy import Chimed, Counted, Hear, Noted, Rang, on_a, ring_of, stream_of_a, toy
from tests.support.truth import Truth

BEGINNING = to_micros(datetime(2026, 1, 31, tzinfo=UTC))
PARTITIONS = 3
BOOKS = {"a": 2, "b": PARTITIONS}
NAMES = ["x1", "x2", "x3", "x4", "x5", "x6"]
STORE_CALLS = {
    "insert_page",
    "page_inserted",
    "read_pages",
    "load_states",
    "write_state",
    "waking",
    "set_marks",
}
IDLE = {"own", "refresh", "flush", "time", "relay", "tell", "look", "ahead"}
"""Between two rounds of a loop: chosen less often than what is in the midst of something."""


@dataclass(frozen=True)
class Trouble:
    """How often what goes wrong: one chance in so many steps, 0 for never."""

    kill: int = 500
    freeze: int = 200
    hold: int = 25
    fail: int = 120
    repeat: int = 80
    forget: int = 1500
    garbage: int = 700
    jump: int = 100
    operator: int = 250


QUIET = Trouble(0, 0, 0, 0, 0, 0, 0, 0, 0)


class WorldClock:
    """A process's reading of the one clock; it misses the jumps since it last looked."""

    def __init__(self, process: "Process") -> None:
        """Begin unread."""
        self._process = process
        self._read_at, self._story, self._last = 0, 0, 0

    def now(self) -> datetime:
        self._last = max(self._last, self._story + self._process.world.ticks - self._read_at)
        return from_micros(self._last)

    def real(self, moment: datetime) -> datetime:
        return moment

    async def refresh(self) -> None:
        await self._process.pause("clock")
        world = self._process.world
        self._read_at, self._story = world.ticks, world.now
        await self._process.pause("clock_read")


class WatchedOutlet:
    """Notes the keys of what was meant for one incarnation of the broker and may reach the next one."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._meant_for = ""

    async def send(self, records: Any) -> None:
        world, meant_for = self._process.world, self._meant_for

        async def watch(name: str) -> None:
            await self._process.pause(name)
            if name == "send" and meant_for != world.broker.incarnation:
                world.strays |= {record.key for record in records}

        await MemoryOutlet(world.broker, watch).send(records)

    async def incarnation(self) -> str:
        self._meant_for = await MemoryOutlet(self._process.world.broker, self._process.pause).incarnation()
        return self._meant_for


class WorldEars:
    """What one process hears one incarnation with."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    async def start(self) -> None:
        process = self._process
        group = group_of(process.kind, process.heard.incarnation)
        process.consumer = MemoryConsumer(process.world.broker, group, process.pause)

    async def stop(self) -> None:
        async with self._process.batch:
            self._process.consumer = None

    async def rewind(self) -> None:
        pass

    async def lag(self) -> Mapping[str, int]:
        return {}


@dataclass
class Asked:
    """What a caller asked for and what he was told."""

    cause: str
    stream: str
    told: str = "unknown"
    count: int | None = None


class Process:
    """One replica of a service; whatever it holds in memory is gone when it is killed."""

    def __init__(self, world: "World", kind: str, *, all_books: bool) -> None:
        self.world, self.kind = world, kind
        self.actor = f"{kind}:{next(world.names)}"
        self.is_dead = False
        self.frozen_until = 0
        self.all_books = all_books
        self.clock = WorldClock(self)
        self.store = MemoryStore(world.databases[kind], self.pause)
        self.books: dict[int, Book[Any]] = {}
        self.deciding = asyncio.Lock()
        self.decider = toy(Counted, Rang) if kind == "a" else toy(Noted, Chimed, world.is_broken)
        self.outlet = WatchedOutlet(self)
        self.relay = Relay(
            self.books.values,
            store=self.store,
            outlet=self.outlet,
            clock=self.clock,
            source=f"/{kind}",
            topics=[kind],
            partitions=PARTITIONS,
            of=BOOKS[kind],
            every=timedelta(0),
            tell=self._told,
        )
        self.timer = Timer(self.opened, clock=self.clock, wake=self._wake)
        self.heard = Heard()
        self.heard.begin(world.broker.incarnation)
        self.consumer: MemoryConsumer | None = None
        self.batch = asyncio.Lock()
        self.hearing = Hearing(
            self.heard,
            looks=MemoryOutlet(world.broker, self.pause).incarnation,
            make_topics=MemoryOutlet(world.broker, self.pause).incarnation,
            listen=lambda: WorldEars(self),
            on_replaced=lambda: self.pause("replaced"),
        )
        self.intake = Intake(
            books=lambda record, _: self.books.get(record.partition),
            topics={"a": on_a},
            facts={fact.type: fact for fact in (Counted, Rang)},
            stream_of=stream_of_a,
            partitions=PARTITIONS,
            heard=self.heard,
        )
        self.tasks: list[asyncio.Task[None]] = []
        for task in (self._own, self._relay, self._said, self._tell, self._flush, self._time, self._ahead):
            self.spawn(task())
        self.spawn(self._refresh())
        for task in (self._call, self._call) if kind == "a" else (self._consume, self._listen):
            self.spawn(task())

    def spawn(self, task: Coroutine[Any, Any, None]) -> None:
        started = asyncio.ensure_future(task)
        started.add_done_callback(self._ended)
        self.tasks.append(started)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self.is_dead and not task.cancelled() and (error := task.exception()) is not None:
            self.world.failures.append(error)

    async def pause(self, name: str) -> None:
        """Wait until the scheduler lets this one go on; for ever, if the process is dead."""
        future = asyncio.get_running_loop().create_future()
        self.world.ready.append((self, name, future))
        await future

    def opened(self) -> list[Book[Any]]:
        return [book for book in self.books.values() if book.is_open]

    # Every loop begins with a pause: no process runs on without the scheduler.

    async def _own(self) -> None:
        """Take books over and let them go, without asking who else has them."""
        rng = self.world.rng
        while True:
            await self.pause("own")
            number = rng.randrange(BOOKS[self.kind])
            try:
                if self.all_books and len(self.books) < BOOKS[self.kind]:
                    for number in range(BOOKS[self.kind]):
                        await self._open(number)
                elif number not in self.books and not self.world.is_draining:
                    await self._open(number)
                elif number in self.books and not self.all_books and rng.random() < 0.03:
                    self.heard.forget("a", number)
                    await self.books.pop(number).close()
            except StoreUnavailableError:
                continue

    async def _open(self, number: int) -> None:
        if number in self.books:
            return
        book = Book(
            number,
            store=self.store,
            decider=self.decider,
            clock=self.clock,
            source=f"/{self.kind}",
            actor=self.actor,
            distance=0 if self.kind == "a" else 5,
            remembered=3,
            window=timedelta(microseconds=self.world.rng.choice((900, 600_000))),
            deciding=self.deciding,
        )
        book.page_size = 2
        self.books[number] = book
        try:
            await book.open()
        except StoreUnavailableError:
            del self.books[number]
            raise

    async def _relay(self) -> None:
        while True:
            await self.pause("relay")
            try:
                await self.relay.say_pages()
            except (BrokerUnavailableError, StoreUnavailableError):
                continue

    async def _said(self) -> None:
        while True:
            await self.pause("said")
            try:
                await self.relay.mark(force=True)
                await self.relay.say_said()
            except (BrokerUnavailableError, StoreUnavailableError):
                continue

    async def _tell(self) -> None:
        while True:
            await self.pause("tell")
            try:
                await self.relay.tell_pages()
            except StoreUnavailableError:
                continue

    async def _told(self, work: Work) -> None:
        """Be told of what was said; whoever is told twice was told by two processes."""
        await self.pause("telling")
        for _, pages in work:
            facts = [
                event for page in pages for entry in page.entries for event in entry.events if event.topic
            ]
            for fact in facts:
                assert self.world.was_said(fact.value), f"{fact} was told before it was said"
                self.world.told[fact.value] += 1

    async def _flush(self) -> None:
        while True:
            await self.pause("flush")
            for book in self.opened():
                try:
                    await book.flush()
                except StoreUnavailableError:
                    continue

    async def _time(self) -> None:
        while True:
            await self.pause("time")
            for book in self.opened():
                try:
                    await self.timer.turn(book)
                except (BookLostError, StoreUnavailableError):
                    continue

    async def _ahead(self) -> None:
        while True:
            await self.pause("ahead")
            for book in self.opened():
                try:
                    await book.prepare(self.clock.now() + timedelta(milliseconds=9))
                except StoreUnavailableError:
                    continue

    async def _wake(self, book: Book[Any], streams: Any) -> list[str]:
        await book.handle([ring_of(stream) for stream in streams])
        return []

    async def _refresh(self) -> None:
        while True:
            await self.pause("refresh")
            await self.clock.refresh()

    async def _call(self) -> None:
        """Be a caller who asks this replica for something."""
        world = self.world
        while True:
            await self.pause("call")
            if world.is_draining or not self.books:
                continue
            name = world.rng.choice(NAMES)
            book = self.books.get(book_of(name, BOOKS["a"]))
            if book is None or not book.is_open:
                continue
            asked = [
                Asked(f"ask-{next(world.names)}", f"a:{name}") for _ in range(world.rng.choice((1, 1, 2)))
            ]
            world.asked += asked
            rings_in = world.rng.choice((None, None, 150, 900, 9_000))
            durable = world.truth["a"].counts[f"a:{name}"]
            requests = [
                Request(one.stream, Hear(one.cause, world.rng.randrange(100), rings_in), one.cause)
                for one in asked
            ]
            try:
                outcomes = await book.handle(requests)
            except (BookLostError, StoreUnavailableError) as error:
                # Of several the first may stand on a page before the one that was lost.
                asked[-1].told = "lost" if isinstance(error, BookLostError) else "unknown"
                continue
            for one, outcome in zip(asked, outcomes, strict=True):
                assert outcome.state.count >= durable, f"{one} was answered from a state of the past"
                one.told = outcome.result
                one.count = outcome.briefs[0].count if outcome.briefs else None

    async def _consume(self) -> None:
        """Read some records of several partitions, apply them, and commit: or not, as the case may be."""
        while True:
            await self.pause("consume")
            async with self.batch:
                if self.consumer is not None:
                    await self._hear_some(self.consumer)

    async def _hear_some(self, consumer: MemoryConsumer) -> None:
        world = self.world
        held = [number for number in range(PARTITIONS) if number in self.books]
        parts = world.rng.sample(held, min(2, len(held)))
        batches = [await consumer.poll("a", part, world.rng.randint(1, 8)) for part in parts]
        batch = [record for records in batches for record in records]
        if not batch:
            return
        first = {(record.topic, record.partition): record.offset for record in reversed(batch)}
        offsets = await self._apply(batch) if await self._is_sure() else {}
        for tp, offset in first.items():
            if tp not in offsets:
                consumer.seek(*tp, offset)
        if world.rng.random() < 0.1:
            world.check_heard(self)
        if offsets and (world.is_draining or world.rng.random() < 0.7):
            await consumer.commit(offsets)

    async def _listen(self) -> None:
        """Keep hearing whatever data the broker holds."""
        await self.pause("look")
        await self.hearing.start()
        while True:
            await self.pause("look")
            try:
                await self.hearing.look()
            except BrokerUnavailableError:
                continue

    async def _is_sure(self) -> bool:
        """Tell whether what was read is of the incarnation that is heard."""
        try:
            return await MemoryOutlet(self.world.broker, self.pause).incarnation() == self.heard.incarnation
        except BrokerUnavailableError:
            return False

    async def _apply(self, batch: list[Inbound]) -> dict[tuple[str, int], int]:
        try:
            return await self.intake.apply(batch)
        except StoreUnavailableError:
            return {}
        except TooManyDeadLettersError:
            self.world.kill(self)
            await self.pause("stopped")
            return {}

    async def repair(self, stream: str, number: int) -> None:
        """Be an operator: replay, and discard what can never be read."""
        book = self.books.get(number)
        if book is None:
            return
        cause = f"operator-{next(self.world.names)}"
        try:
            _, last = await deadletter.replay(book, self.intake, stream, cause=cause)
            if last.error is not None and not isinstance(last.error, ArithmeticError):
                await deadletter.discard(book, stream, cause=cause)
        except (BookLostError, StoreUnavailableError):
            return


@dataclass
class World:
    """Everything there is; one seed makes one history."""

    seed: int
    trouble: Trouble = field(default_factory=Trouble)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.names = count(1)
        self.ticks, self.now, self.steps = 0, BEGINNING, 0
        self.broker = MemoryBroker(PARTITIONS)
        self.databases = {"a": MemoryDatabase(), "b": MemoryDatabase()}
        self.truth = {kind: Truth(database) for kind, database in self.databases.items()}
        self.processes: list[Process] = []
        self.ready: list[tuple[Process, str, asyncio.Future[None]]] = []
        self.held: list[tuple[int, int, tuple[Process, str, asyncio.Future[None]]]] = []
        self.asked: list[Asked] = []
        self.strays: set[str | None] = set()
        self.told: Counter[bytes] = Counter()
        self.buried: list[asyncio.Future[None]] = []
        self.failures: list[BaseException] = []
        self.is_draining = False
        self.rule_is_broken = False
        self.happened: Counter[str] = Counter()

    # -- scheduling -------------------------------------------------------------------------------

    async def run(self, steps: int) -> None:
        """Let the world go on for so many steps."""
        end = self.steps + steps
        while self.steps < end:
            self.mischief()
            await self.step()

    async def step(self) -> None:
        """Let one await of one process return."""
        self.steps += 1
        if self.failures:
            raise self.failures[0]
        for truth in self.truth.values():
            truth.learn()
        tick = self.rng.randint(1, 10)
        self.ticks += tick
        self.now += tick
        while self.held and self.held[0][0] <= self.steps:
            self.ready.append(heapq.heappop(self.held)[2])
        for _ in range(12):
            if self.ready:
                break
            await asyncio.sleep(0)
        else:
            assert self.held, "nothing can move any more"
            self.steps = self.held[0][0]
            return
        at = self.rng.randrange(len(self.ready))
        if self.ready[at][1] in IDLE:
            at = self.rng.randrange(len(self.ready))
        self.ready[at], self.ready[-1] = self.ready[-1], self.ready[at]
        chosen = self.ready.pop()
        process, name, future = chosen
        if process.is_dead:
            self.buried.append(future)
        elif (until := self._held_until(process)) > self.steps:
            heapq.heappush(self.held, (until, next(self.names), chosen))
        elif not future.done():
            self.let_go(name, future)
            await asyncio.sleep(0)

    def _held_until(self, process: Process) -> int:
        """Return the step before which a process stands still, or one of its tasks."""
        if process.frozen_until <= self.steps and self.chance(self.trouble.hold):
            return self.steps + self.rng.randint(5, 250)
        return process.frozen_until

    def let_go(self, name: str, future: asyncio.Future[None]) -> None:
        if name in STORE_CALLS and self.chance(self.trouble.fail):
            future.set_exception(StoreUnavailableError(name))
        elif name in ("send", "sent", "incarnation") and self.chance(self.trouble.fail):
            future.set_exception(BrokerUnavailableError(name))
        else:
            future.set_result(None)

    def chance(self, one_in: int) -> bool:
        return one_in > 0 and self.rng.random() < 1 / one_in

    # -- what goes wrong --------------------------------------------------------------------------

    def mischief(self) -> None:
        """Perhaps let something go wrong."""
        trouble, rng = self.trouble, self.rng
        living = [process for process in self.processes if not process.is_dead]
        if len(living) < 4 and not self.is_draining and (self.steps % 60 == 0 or not living):
            self.start(rng.choice("ab"))
        if self.chance(trouble.kill) and living:
            self.kill(rng.choice(living))
        if self.chance(trouble.freeze) and living:
            rng.choice(living).frozen_until = self.steps + rng.randint(50, 1200)
            self.happened["freeze"] += 1
        if self.chance(trouble.repeat) and (log := self.some_log()):
            self.broker.repeat(*log, rng.randrange(self.broker.high_water(*log)))
            self.happened["repeat"] += 1
        if self.chance(trouble.forget):
            self.broker.lose_everything()
            self.happened["forget"] += 1
        if self.chance(trouble.garbage):
            self.broker.append(self.garbage())
            self.happened["garbage"] += 1
        if self.chance(trouble.jump):
            self.now += rng.randint(1, 700)
        if self.chance(trouble.operator):
            self.rule_is_broken = rng.random() < 0.3
            self.repair_something(living)

    def start(self, kind: str, *, all_books: bool = False) -> Process:
        process = Process(self, kind, all_books=all_books)
        self.processes.append(process)
        self.happened["start"] += 1
        return process

    def kill(self, process: Process) -> None:
        """Kill a process as by ``kill -9``: none of its awaits ever returns."""
        process.is_dead = True
        self.happened["kill"] += 1

    def some_log(self) -> tuple[str, int] | None:
        logs = [log for log, records in self.broker.logs.items() if records]
        return self.rng.choice(logs) if logs else None

    def garbage(self) -> Outbound:
        """Return a record that nobody can read, or not where it lies."""
        key = f"a:{self.rng.choice(NAMES)}"
        partition = partition_of(key, PARTITIONS)
        match self.rng.randrange(40):
            case 0:
                return Outbound("a", partition, key, b"x" * (MAX_FACT_BYTES + 1))
            case kind if kind < 10:
                return Outbound("a", partition, None, b"{}")
            case kind if (
                kind < 20 and (log := self.some_log()) and log[0] == "a" and self.broker.logs[log][0].key
            ):
                return self.broker.logs[log][0]._replace(partition=(log[1] + 1) % PARTITIONS)
            case _:
                return Outbound("a", partition, key, b"garbage %d" % next(self.names))

    def parked(self) -> list[tuple[str, int]]:
        """Return the parked streams of the second service, as the database knows them, and their books."""
        states = self.databases["b"].states.values()
        return [(state["_id"], state["book"]) for state in states if state["parked"]]

    def repair_something(self, living: list[Process]) -> None:
        writers = [process for process in living if process.kind == "b" and process.books]
        parked = self.parked()
        if writers and parked:
            process = self.rng.choice(writers)
            process.spawn(process.repair(*self.rng.choice(parked)))
            self.happened["repair"] += 1

    def is_broken(self, command: Hear) -> bool:
        """Tell whether the second service's rule has its bug today."""
        return self.rule_is_broken and command.number % 6 == 5

    # -- what is true -----------------------------------------------------------------------------

    def check_heard(self, process: Process) -> None:
        """See that a process believes to have applied only what is applied."""
        applied, parked = self.truth["b"].applied, self.truth["b"].parked
        through = {part: process.heard.through("a", part, "/a") for part in range(PARTITIONS)}
        for fact in self.truth["a"].facts:
            moment = through[partition_of(fact.key, PARTITIONS)]
            if moment is not None and fact.time < moment:
                is_there = (f"/a#{fact.key}", fact.sequence) in applied or fact.value in parked
                assert is_there, f"{fact} was believed to be applied, all having been said"

    def last(self, kind: str) -> Process:
        """Return the newest process of a service."""
        return next(process for process in reversed(self.processes) if process.kind == kind)

    def was_said(self, value: bytes) -> bool:
        """Tell whether a fact lies on the broker, or lay there before it came back empty."""
        logs = (log for logs in self.broker.past for log in logs.values())
        return any(record.value == value for log in logs for record in log)

    # -- the end ----------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Let all trouble end, zombies wake, and everything come to rest; twice, for the zombies' sake."""
        self.trouble, self.rule_is_broken, self.is_draining = QUIET, False, True
        zombies = [process for process in self.processes if not process.is_dead]
        for process in zombies:
            process.frozen_until = 10**9 if self.rng.random() < 0.3 else 0
        if awake := [process for process in zombies if not process.frozen_until]:
            await self.run(300)
        for process in awake:
            self.kill(process)
        await self._rest()
        for process in zombies:
            process.frozen_until = 0
        for _, _, waiting in self.held:
            self.ready.append(waiting)
        self.held.clear()
        await self.run(200)
        for process in self.processes:
            self.kill(process)
        await self._rest()

    async def _rest(self) -> None:
        a, b = self.start("a", all_books=True), self.start("b", all_books=True)
        for _ in range(400):
            await self.run(40)
            self.now += 500
            if b.is_dead:
                b = self.start("b", all_books=True)
            if self._is_at_rest(a, b):
                return
            for stream, number in self.parked():
                if self.rng.random() < 0.2:
                    b.spawn(b.repair(stream, number))
        raise AssertionError(f"the world does not come to rest: {self.parked()}, {self.unrest(a, b)}")

    def unrest(self, *processes: Process) -> list[str]:
        """Say what is still going on."""
        return [
            f"{process.actor} book {book.number} at {book.head}: "
            f"applied {book.applied}, said {book.said}, told {book.told}"
            for process in processes
            for book in process.books.values()
        ]

    def _is_at_rest(self, *processes: Process) -> bool:
        for process in processes:
            books = process.opened()
            if len(books) < BOOKS[process.kind]:
                return False
            if any(min(book.said, book.told, book.applied) < book.head for book in books):
                return False
            if any("wake_at" in state for state in self.databases[process.kind].states.values()):
                return False
        group = group_of("b", self.broker.incarnation)
        read = [self.broker.offsets.get((group, "a", part), 0) for part in range(PARTITIONS)]
        facts = [
            max((n for n, one in enumerate(self.broker.logs.get(("a", part), []), 1) if one.key), default=0)
            for part in range(PARTITIONS)
        ]
        is_read = all(offset >= last for offset, last in zip(read, facts, strict=True))
        return is_read and not self.parked() and processes[0].relay.through is not None

    async def end(self) -> None:
        """Leave no task behind; what their last breaths say is of no interest."""
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for process in self.processes:
            process.is_dead = True
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
