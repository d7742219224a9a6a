"""One process of a service: everything that is the same in all of them, put together and run."""

import asyncio
import gc
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

import stamina
import structlog
import uvicorn
from fastapi import APIRouter

from contracts.topics import FACTS, PARTITIONS, TOPICS
from contracts.tree import Tree
from shared import deadletter, ids, logs, metrics
from shared.access import Verifier
from shared.book import PROBE, WINDOW, Book
from shared.clock import Clock, StoryClock, SystemClock, monotonic, to_micros
from shared.consumer import NOT_YET_PAUSE, Heard, Intake, OnFact
from shared.decider import Decider, Outcome, Request
from shared.heads import Head, append_heads, lacking, newest_heads
from shared.hearing import Hearing
from shared.http import AnnouncedLimit, ElsewhereError, ProblemError, api
from shared.kafka import (
    Certainty,
    KafkaEars,
    KafkaOutlet,
    Rebalance,
    group_of,
    make_topics,
    read_incarnation,
    subscribe,
)
from shared.ledger import Page
from shared.measuring import Lateness, pause_after, tell
from shared.mongo import ClockDocument, Index, MongoStore, connect, disconnect
from shared.published import KafkaPublished, Origin, Published
from shared.reasons import told
from shared.relay import BrokerUnavailableError, Outlet, Relay, Tell
from shared.settings import Settings
from shared.shelf import Shelf, why_behind
from shared.state import Inbound
from shared.store import StoreUnavailableError
from shared.table import DirectoryTable
from shared.tasks import end
from shared.timer import Timer, Wake
from shared.verified import tell_verified

S = TypeVar("S")
YOUNG, NEVER = 5_000, 1_000_000
"""Thresholds of the garbage collector: what is new is looked through often, a few milliseconds each time."""
SWEPT_EVERY, TIDIED_EVERY = 1.0, 900.0
"""Seconds between two looks at what is new, and at all there is: 50,000 states take a quarter of a second."""
PRESSED = 500
"""Streams: with more of them waiting, the database first has to take their facts."""
UNWRITTEN = 200_000
"""States that wait in memory for that over all books of a process, 2.5 KB each; then deciding waits."""
REMEMBERED = 50_000
"""States that a process keeps in memory over all its books, besides those not written yet."""
PREPARED = 200_000
"""States that are brought for moments to come, over all books of a process; besides them it keeps others."""
FLUSHED_EVERY = 1.0
"""Seconds of real time: a stream that changes again meanwhile is written once."""
TURN = 0.0005
"""Seconds after which a thread lets another one run."""
DRAINED_WITHIN = 10.0
CLOCK_READ_EVERY = timedelta(milliseconds=200)
"""Who moves the hurried clock asks every process how far it is, and lets it read the clock by that."""
WAITS_FOR_THE_WORLD: dict[str, Any] = {
    "on": (StoreUnavailableError, BrokerUnavailableError, OSError),
    "attempts": None,
    "timeout": 120,
}

log = structlog.get_logger()


class LeaseLostError(Exception):
    """Another replica took the only book over: it hears the topics now."""


@dataclass(frozen=True)
class Plan(Generic[S]):
    """What a service brings along: its table of contents."""

    name: str
    decider: Decider[S]
    says: tuple[str, ...]
    """The topics on which its facts go out; ``adopt`` folds the facts of one decision in this order."""
    router: APIRouter
    origin: Origin
    """How its lost facts are taken back after a restore."""
    books: int
    """How many books its ledger has, for ever.

    If it ``hears`` topics: as many as partitions, each decided in the book of its number, or one for all.
    """
    hears: Mapping[str, OnFact] = field(default_factory=dict)
    stream_of: Callable[[str], str] = str
    """The stream here that the key of a heard record speaks of."""
    reads_directory: bool = False
    wake: Wake | None = None
    tell: Tell | None = None
    on_start: Callable[[], Any] | None = None
    on_said: Callable[[Collection[int]], Awaitable[None]] | None = None
    """Called with the numbers of the books for which somebody was heard to have said all."""
    follow: Callable[[Page], None] | None = None
    """Sees every page of every book it writes, from the first one on, each once and in order."""
    count: Callable[[Collection[int]], Awaitable[None]] | None = None
    """Counts every now and then, by indexed queries, what only it knows of the books of these numbers."""
    distance: int = 0
    """How many pages its stored states may be behind: 0 writes them with the request."""
    views: Sequence[Index] = ()
    unit_of: Callable[[S], str] = lambda _: ""
    """The unit that a state belongs to; its dead letters are for operators who reach it."""

    @property
    def is_dealt(self) -> bool:
        """Tell whether the broker deals the books out with the partitions; else replicas lease them."""
        return bool(self.hears) and self.books > 1

    @property
    def foreign(self) -> frozenset[str]:
        """Return the heard topics on which no service of ours writes."""
        return frozenset(topic for topic in self.hears if topic in TOPICS and not TOPICS[topic].producers)


class Service(Generic[S]):
    """One running process."""

    def __init__(self, settings: Settings, name: str) -> None:
        """Make the parts that a plan is built from; connect to nothing."""
        self.settings = settings
        self.name = name
        self.source = f"/zeren/{name}"
        self.tree = Tree()
        self.heard = Heard()
        self.client = connect(settings.mongo_uri, settings.mongo_driver, settings.mongo_login)
        self.store = MongoStore(self.client, name)
        self.published: Published = KafkaPublished(settings.kafka, name)
        self.clock: Clock = SystemClock()
        self._story: StoryClock | None = None
        if settings.clock == "story":
            self.clock = self._story = StoryClock(ClockDocument(self.client).read, CLOCK_READ_EVERY)
        self.books: dict[int, Book[S]] = {}
        self._deciding = asyncio.Lock()
        self.plan: Plan[S]
        self.actor = ids.actor(name)
        self.address = settings.http_address or f"{settings.http_host}:{settings.http_port}"
        self._stopping = asyncio.Event()
        self._fatal: Exception | None = None
        self._up = False
        self._results: Counter[str] = Counter()

    # -- what routes and entrypoints use ----------------------------------------------------------

    async def decide(self, book: int, requests: Sequence[Request]) -> list[Outcome]:
        """Decide requests of one book here; raise problems for what cannot be done.

        Raises:
            ElsewhereError: another replica writes this book.
            ProblemError: the business refuses a request.
        """
        outcomes = await (await self.writer(book)).handle(requests)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if outcome.refusal is not None:
                refusal = outcome.refusal
                raise ProblemError(409, refusal.word, refusal.reason, refusal.reason_zh)
        return outcomes

    async def writer(self, book: int) -> Book[S]:
        """Return a book that is written here; a request for another one is passed on.

        Raises:
            ElsewhereError: another replica writes this book, or nobody does at this moment.
        """
        writer = self.books.get(book)
        if writer is None:
            address = await self.store.owner(book)
            raise ElsewhereError(None if address == self.address else address)
        return writer

    async def read(self, stream: str) -> S:
        """Return a stored state of a book that another replica writes; it may be a moment old."""
        shape = self.plan.decider.shape
        for document in await self.store.load_states([stream]):
            return shape.from_document(document).body
        return shape.initial(stream)

    def opened(self) -> Iterable[Book[S]]:
        """Return the books that this process writes."""
        return self.shelf.opened()

    # -- running ----------------------------------------------------------------------------------

    def take(self, plan: Plan[S]) -> None:
        """Put the parts of a plan together; nothing runs yet."""
        self.plan = plan
        metrics.begin(self.name, books=plan.books, says=plan.says, hears=plan.hears)
        self.timer: Timer | None = None
        self.shelf: Shelf[S] = Shelf(
            make=self.make_book,
            store=lambda: self.store,
            actor=self.actor,
            address=self.address,
            is_dealt=plan.is_dealt,
            books=self.books,
            follow=plan.follow,
            on_open=self._on_open,
            on_close=self.heard_nothing_of,
            lacking=self._lacking,
        )
        self.intake = Intake(
            books=self.book_for,
            topics=plan.hears,
            facts=FACTS,
            stream_of=plan.stream_of,
            partitions=PARTITIONS,
            heard=self.heard,
            on_outcome=self.note,
            foreign=plan.foreign,
        )
        self.table = DirectoryTable(self.tree, self.heard, FACTS, self._hurry)
        self.operator = deadletter.routes(
            books=self.opened, intake=lambda: self.intake, tree=self.tree, unit_of=plan.unit_of
        )

    def _hurry(self) -> None:
        if self.timer is not None:
            self.timer.hurry()

    async def _lacking(self, numbers: Collection[int]) -> list[Head]:
        """Return the published heads that the ledger does not hold: it was restored from an older backup."""
        heads = [*newest_heads(self.settings.heads, numbers), *await self.published.heads(numbers)]
        return await lacking(self.store, heads)

    def make_book(self, number: int, actor: str = "") -> Book[S]:
        """Make the writer of a book; by default its pages bear the name of this process."""
        return Book(
            number,
            store=self.store,
            decider=self.plan.decider,
            clock=self.clock,
            source=self.source,
            actor=actor or self.actor,
            distance=self.plan.distance,
            remembered=REMEMBERED // self.plan.books,
            most_unwritten=UNWRITTEN // self.plan.books,
            most_prepared=PREPARED // self.plan.books,
            marked_every=PROBE,
            # Who hurries asks for the next moment after each jump: it is better known than looked for.
            window=WINDOW if self._story is None else None,
            deciding=self._deciding,
        )

    def _on_open(self, book: Book[S]) -> None:
        book.on_page = self._on_page
        self.relay.nudge()

    async def run(self, plan: Plan[S]) -> None:
        """Run until told to stop; raise what made it stop for good."""
        self.take(plan)
        logs.configure(self.name, json=self.settings.log_json)
        log.info("starting", settings=self.settings.model_dump(mode="json", exclude={"mongo_uri"}))
        tune()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async for attempt in stamina.retry_context(**WAITS_FOR_THE_WORLD):
            with attempt:
                await self._prepare()
        outlet = KafkaOutlet(self.settings.kafka)
        await outlet.start()
        self.relay = Relay(
            self.opened,
            store=self.store,
            outlet=outlet,
            clock=self.clock,
            source=self.source,
            topics=plan.says,
            partitions=PARTITIONS,
            of=plan.books,
            every=self.settings.said_every,
            soon=self.settings.said_soon,
            tell=plan.tell,
            is_pressed=self.is_pressed,
        )
        if self._story is not None:
            self._story.on_jump = self.relay.hurry
        self.hearing = self._hearing(outlet)
        if plan.wake is not None:
            self.timer = Timer(self.opened, clock=self.clock, wake=plan.wake)
        server = self._server()
        tasks = [asyncio.ensure_future(job) for job in self._jobs(server)]
        stopping = asyncio.ensure_future(self._stopping.wait())
        if plan.hears and not plan.is_dealt:
            await self._stand_by([stopping, *tasks])
        if not self._stopping.is_set():
            await self.hearing.start()
            self._up = True
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception():
                self._fatal = self._fatal or RuntimeError("a task ended")
                log.error("task_ended", exc_info=task.exception())
        self._up = False
        await self._drain(outlet, server, tasks)
        if self._fatal is not None:
            raise self._fatal

    def _jobs(self, server: uvicorn.Server) -> Iterable[Coroutine[Any, Any, None]]:
        """Yield what runs side by side until the process stops; the server first: it is never cancelled."""
        yield server.serve()
        yield self.relay.run()
        yield self.relay.run_said()
        yield self.relay.run_telling()
        yield self._flush_often()
        yield self._tidy_often()
        yield self._measure_often()
        yield self._count_often()
        yield self.hearing.watch()
        if self.timer is not None:
            yield self.timer.run()
            yield self.timer.run_ahead()
        if self._story is not None:
            yield self._story.run()
        if not self.plan.is_dealt:
            yield self.shelf.keep_leases(self.plan.books, self._on_lost)

    async def _stand_by(self, ends: Iterable[asyncio.Future[Any]]) -> None:
        """Wait until this replica writes the only book, or has to stop."""
        winning = asyncio.ensure_future(self.shelf.has_books.wait())
        await asyncio.wait([winning, *ends], return_when=asyncio.FIRST_COMPLETED)
        winning.cancel()

    async def _prepare(self) -> None:
        await self.clock.refresh()
        await self.store.make_indexes(self.plan.views)
        if self.plan.on_start is not None:
            await self.plan.on_start()
        self.heard.begin(await self._make_topics())

    async def _make_topics(self) -> str:
        return await make_topics(
            self.settings.kafka, topics(), PARTITIONS, replicas=self.settings.kafka_replicas
        )

    def _hearing(self, outlet: Outlet) -> Hearing:
        return Hearing(
            self.heard,
            looks=outlet.incarnation,
            make_topics=self._make_topics,
            listen=self._listen,
            on_replaced=self._on_replaced,
        )

    def _listen(self) -> KafkaEars:
        ears = KafkaEars(self.settings.kafka)
        self._subscribe(ears.broker)
        return ears

    async def _on_replaced(self) -> None:
        """Let go of the books that the lost group had dealt: the next one deals them anew."""
        self.table.begin()
        if self.plan.is_dealt:
            await self.shelf.close_all(set(self.shelf.ours))

    def _subscribe(self, broker: Any) -> None:
        session_ms = int(self.settings.kafka_session.total_seconds() * 1000)
        if self.plan.reads_directory:
            subscribe(
                broker,
                ["directory"],
                apply=self.table.apply,
                stop=self.stop,
                group=None,
                partitions=PARTITIONS,
                is_sure=self._certainty().of,
                on_read=self.table.note_read,
            )
        if self.plan.hears:
            subscribe(
                broker,
                list(self.plan.hears),
                apply=self._apply,
                stop=self.stop,
                group=group_of(self.name, self.heard.incarnation),
                partitions=PARTITIONS,
                is_sure=self._certainty().of,
                session_ms=session_ms,
                listener=Rebalance(self.shelf.open_all, self.shelf.close_all) if self.plan.is_dealt else None,
            )

    def _certainty(self) -> Certainty:
        return Certainty(self.heard.incarnation, lambda: read_incarnation(self.settings.kafka))

    def number_for(self, record: Inbound) -> int:
        """Return the book in which a heard record is decided: that of its partition, or the only one."""
        return record.partition if self.plan.is_dealt else 0

    def book_for(self, record: Inbound, _: str) -> Book[S] | None:
        """Return that book, None if another replica writes it."""
        return self.books.get(self.number_for(record))

    def note(self, topic: str, type_: str, result: str) -> None:
        """Count what became of a heard record."""
        metrics.RECORDS.labels(topic, type_, result).inc()
        self._results[result] += 1

    async def _apply(self, records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        """Apply a batch and write its one line; a batch of nothing but Said has none."""
        began, self._results = monotonic(), Counter()
        offsets = await self.intake.apply(records)
        if self._results:
            topics = sorted({record.topic for record in records})
            took = round((monotonic() - began) * 1000, 2)
            log.info("batch", topics=topics, records=len(records), results=self._results, duration_ms=took)
        lost = {self.number_for(r) for r in records if (r.topic, r.partition) not in offsets}
        if lost & self.shelf.ours:
            await self.shelf.open_all(lost & self.shelf.ours)
        if lost & self.shelf.behind.keys():
            await asyncio.sleep(NOT_YET_PAUSE)
        said = {self.number_for(record) for record in records if record.key is None}
        if self.plan.on_said is not None and said:
            await self.plan.on_said(said)
        if self.timer is not None:
            self.timer.hurry(said)
        return offsets

    def heard_nothing_of(self, partition: int) -> None:
        """Forget what was heard on a partition that somebody else reads now."""
        for topic in self.plan.hears:
            self.heard.forget(topic, partition)

    def _on_page(self, page: Page) -> None:
        if self.plan.follow is not None:
            self.plan.follow(page)
        metrics.PAGES.labels(self.name).inc()
        if page.actor == self.actor:
            types = Counter(event.type for entry in page.entries for event in entry.events)
            for type_, count in types.items():
                metrics.FACTS.labels(self.name, type_).inc(count)
        self.relay.nudge()

    def _on_lost(self) -> None:
        """Stop if others hear the topics now: who comes up again stands by."""
        if self.plan.hears:
            self.stop(LeaseLostError(self.name))

    # -- housekeeping -----------------------------------------------------------------------------

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSHED_EVERY)
            is_pressed = self.is_pressed()
            for book in self.opened():
                with suppress(StoreUnavailableError):
                    await book.settle_doubt()
                    if not is_pressed:
                        await book.flush()

    def is_pressed(self) -> bool:
        """Tell whether so many streams wait for their moment's say that states and notices come later."""
        return self.timer is not None and self.timer.is_more_due_than(PRESSED)

    async def _tidy_often(self) -> None:
        """Let go of what is garbage when nobody waits: of what is new often, of what is old rarely.

        While as much is let go of as is made, the collector never thinks it time: after a minute
        it had a million objects to look through at once, for a second and a half.
        """
        tidied_at = monotonic()
        while True:
            await asyncio.sleep(SWEPT_EVERY)
            if self.is_pressed():
                continue
            gc.collect(0)
            if monotonic() - tidied_at >= TIDIED_EVERY:
                gc.collect()
                tidied_at = monotonic()

    async def _measure_often(self) -> None:
        written: dict[int, int] = {}
        lateness = Lateness()
        while True:
            metrics.LOOP_LAG.labels(self.name).set(await lateness.over_a_second())
            books = list(self.opened())
            tell(self.name, books, self.timer)
            for topic, records in (await self.hearing.lag()).items():
                metrics.CONSUMER_LAG.labels(self.name, topic).set(records)
            if self.settings.heads is not None:
                self._write_heads(books, written)

    async def _count_often(self) -> None:
        while True:
            began = monotonic()
            with suppress(StoreUnavailableError):
                await self.count()
            await asyncio.sleep(pause_after(monotonic() - began))

    async def count(self) -> None:
        """Count in the database what operators want to know of the books that this process writes."""
        numbers = [book.number for book in self.opened()]
        metrics.PARKED.labels(self.name).set(await self.store.count_parked(numbers))
        await tell_verified(self.name, self.store, numbers)
        if self.plan.count is not None:
            await self.plan.count(numbers)

    def _write_heads(self, books: Iterable[Book[S]], written: dict[int, int]) -> None:
        """Append the heads that moved to the file outside the database (lesson 15)."""
        path = self.settings.heads
        moved = [book for book in books if written.get(book.number) != book.head]
        if path is None or not moved:
            return
        append_heads(path, [Head(book.number, book.head, book.hash) for book in moved])
        written.update((book.number, book.head) for book in moved)

    def _server(self) -> uvicorn.Server:
        app = api(
            self.name,
            router=self.plan.router,
            verifier=Verifier(self.settings.public_key),
            is_ready=self._unready,
            progress=self._progress,
            operator=self.operator,
            is_blind=self.is_blind,
        )
        config = uvicorn.Config(
            AnnouncedLimit(app),
            host=self.settings.http_host,
            port=self.settings.http_port,
            log_config=None,
            access_log=False,
        )
        server = uvicorn.Server(config)
        # Signals are the service's.
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
        return server

    def is_blind(self) -> bool:
        """Tell whether this process does not know the units yet that others know."""
        return self.plan.reads_directory and not self.table.is_known

    def _unready(self) -> str | None:
        """Return why this process cannot do its work, None if it can."""
        if self._fatal is not None:
            return told(self._fatal)
        if self.shelf.behind:
            return " / ".join(why_behind(self.shelf.behind))
        if not self._up:
            return "starting, standing by, or stopping"
        if not self.hearing.is_up:
            return "the broker is away, or came back empty and is heard anew in a moment"
        if not self.plan.is_dealt and not self.shelf.has_asked:
            return "the books were not asked for yet"
        if self.plan.is_dealt and not self.shelf.ours:
            return "no partition is assigned yet"
        if self.shelf.ours - set(self.books):
            return "books are being taken over"
        if self.plan.reads_directory and not self.table.is_read:
            return "the directory was not read to its end yet"
        return None

    async def _progress(self) -> dict[str, Any]:
        """Return how far this process has heard, decided and said; what a hurried clock waits for.

        Who asks has perhaps just moved that clock: it is read first.
        """
        if self._story is not None:
            with suppress(StoreUnavailableError):
                await self._story.refresh()
        books = list(self.opened())
        said, decided_at = self.relay.through, max((book.at for book in books), default=0)
        everything: Collection[int] = range(PARTITIONS)
        dealt = self.shelf.ours if self.plan.is_dealt else everything
        topics = dict.fromkeys(self.plan.hears, dealt)
        if self.plan.reads_directory:
            topics["directory"] = everything
        heard = {
            f"/zeren/{producer}": self.heard.through_some(topic, partitions, f"/zeren/{producer}")
            for topic, partitions in topics.items()
            for producer in TOPICS[topic].producers
        }
        is_quiet = self.plan.wake is not None and said is not None and to_micros(said) > decided_at
        wakes = await asyncio.gather(*(book.next_wake() for book in books)) if is_quiet else []
        if (self.timer is not None and self.timer.is_busy) or self.relay.is_telling:
            wakes = [0]
        return {
            "source": self.source,
            "incarnation": self.heard.incarnation,
            "now": to_micros(self.clock.now()),
            "decided_at": decided_at,
            "pages": sum(book.head for book in books),
            "books": [book.number for book in books],
            "of": self.plan.books,
            "said": None if said is None else to_micros(said),
            "heard": {source: moment and to_micros(moment) for source, moment in heard.items()},
            "wakes_at": min((wake for wake in wakes if wake is not None), default=None),
        }

    def stop(self, error: Exception | None = None) -> None:
        """Stop this process, for good if there is an *error*."""
        if error is not None:
            log.error("stopping", exc_info=error)
            self._fatal = self._fatal or error
        self._stopping.set()

    async def _drain(self, outlet: KafkaOutlet, server: uvicorn.Server, tasks: Sequence[Any]) -> None:
        """Finish what is at hand: no more in, then pages, states and relay, then the connections."""
        server.should_exit = True
        try:
            async with asyncio.timeout(DRAINED_WITHIN):
                await self.hearing.stop()
                await asyncio.wait(tasks[:1])
        except TimeoutError as error:
            log.warning("not_stopped", reason=told(error))
        await end(tasks)
        try:
            async with asyncio.timeout(DRAINED_WITHIN):
                for book in self.opened():
                    await book.flush()
                await self.relay.drain()
                if self.settings.heads is not None:
                    self._write_heads(self.opened(), {})
                await self.shelf.clear()
        except (TimeoutError, StoreUnavailableError, BrokerUnavailableError) as error:
            log.warning("not_drained", reason=told(error))
        await outlet.stop()
        await disconnect(self.client)
        log.info("stopped")


def tune() -> None:
    """Let the garbage collector look at what is new only, and threads work in turn.

    It would walk over a service's many small states, for a third of a second each time, whatever is due.

    Motor works in threads: with the interpreter's 5 ms each insert waited for a whole page to be decided.
    """
    sys.setswitchinterval(TURN)
    gc.set_threshold(YOUNG, NEVER, NEVER)
    gc.freeze()


def topics() -> list[str]:
    """Return the names of all topics, those of dead letters included."""
    return [name for topic in TOPICS.values() for name in (topic.name, topic.dead_letters)]
