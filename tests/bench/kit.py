"""The kit's own figures: ``make bench``; the ratio in one run says more than any single figure."""

import asyncio
import tempfile
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import typer
from aiokafka import AIOKafkaProducer
from pydantic import TypeAdapter

from contracts.duties import DutyFulfilled, Line
from contracts.envelope import Fact
from contracts.topics import FACTS, PARTITIONS, TOPICS
from deploy.embedded.servers import broker, database, mongo_uri
from services.reporting.app import SHAPE
from services.reporting.domain.decide import decide
from services.reporting.domain.model import OpenReport
from shared.book import Book
from shared.clock import SystemClock, monotonic
from shared.decider import Decider, Request
from shared.ids import partition_of
from shared.kafka import KafkaOutlet, make_topics
from shared.ledger import Page, to_document
from shared.mongo import MongoStore, connect, disconnect
from shared.relay import Relay
from shared.service import tune
from shared.state import Shape
from shared.store import Document
from shared.tasks import end

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAGE_SIZES = (1, 10, 250)
PAGES_ASKED = 20
"""So many pages are asked for at once, as by a burst: one is decided while the one before is inserted."""
VILLAGES = 10_000
ROUNDS, TURNS = 5, 5
"""The machine is noisy: the median ratio of so many rounds counts, each measured in so many turns."""


def _fulfil(state: int, command: str, now: datetime) -> Sequence[Fact]:
    return [DutyFulfilled(duty=command, unit="330305", fulfilled_at=now)]


COUNTING: Decider[int] = Decider(
    _fulfil,
    Shape(
        initial=lambda _: 0,
        evolve=lambda state, _: state + 1,
        adapter=TypeAdapter(int),
        facts=FACTS,
    ),
)


Driver = Literal["motor", "pymongo"]
DRIVERS: tuple[Driver, ...] = ("motor", "pymongo")


class Rates(NamedTuple):
    """Decisions per second."""

    said: float
    """By the kit, until all is on the topic."""
    rested: float
    """By the kit, until states and marks are written, too."""
    inserted: float
    """When the same pages are only inserted."""
    sent: float
    """When the same bytes are only sent, in full batches."""

    @property
    def ratio(self) -> float:
        """Return the kit's share of the slower of the two."""
        return self.said / min(self.inserted, self.sent)


class Bench:
    """The two servers and what is measured on them."""

    def __init__(self, uri: str, address: str, driver: Driver = "motor") -> None:
        self.driver = driver
        self.client = connect(uri, driver)
        self.address = address
        self.runs = 0

    async def rates(self, decisions: int, size: int) -> Rates:
        """Decide for a while, then insert the same pages, then send the same bytes, in turns.

        The machine's speed changes within seconds: so it changes for all three.
        """
        self.runs += 1
        store = MongoStore(self.client, f"{self.driver}{self.runs}")
        alone = MongoStore(self.client, f"{self.driver}{self.runs}alone")
        await store.make_indexes()
        outlet = KafkaOutlet(self.address)
        await outlet.start()
        producer = AIOKafkaProducer(bootstrap_servers=self.address, acks="all", max_batch_size=512 * 1024)
        await producer.start()
        book: Book[int] = Book(
            0,
            store=store,
            decider=COUNTING,
            clock=SystemClock(),
            source="/zeren/bench",
            actor="bench",
            distance=10**9,
        )
        relay = Relay(
            lambda: [book],
            store=store,
            outlet=outlet,
            clock=SystemClock(),
            source="/zeren/bench",
            topics=["duties"],
            partitions=PARTITIONS,
            of=1,
            every=timedelta(seconds=1),
        )
        book.page_size = size
        book.on_page = lambda _page: relay.nudge()
        await book.open()
        streams = [f"bench.{n:06d}@330305" for n in range(min(decisions, 5_000))]
        await book.handle([Request(stream, stream, "warm") for stream in streams])
        await relay.drain()
        asked = [streams[n % len(streams)] for n in range(decisions)]
        requests = [Request(stream, stream, "bench") for stream in asked]
        kit = inserted = sent = 0.0
        turn = max(1, decisions // TURNS)
        for first in range(0, decisions, turn):
            head = book.head
            kit += await _timed(self._decide(book, relay, requests[first : first + turn], size))
            pages = await self._pages(store, range(head + 1, book.head + 1))
            inserted += await _timed(self._insert(alone, list(map(to_document, pages))))
            sent += await _timed(self._send(producer, pages))
        rested = kit + await _timed(self._rest(book, relay))
        await producer.stop()
        await outlet.stop()
        return Rates(*(decisions / seconds for seconds in (kit, rested, inserted, sent)))

    async def _decide(self, book: Book[int], relay: Relay, requests: Sequence[Request], size: int) -> None:
        saying = asyncio.create_task(relay.run())
        for first in range(0, len(requests), size * PAGES_ASKED):
            await book.handle(requests[first : first + size * PAGES_ASKED])
        await end([saying])
        while await relay.say_pages():
            pass

    async def _rest(self, book: Book[int], relay: Relay) -> None:
        await book.close()
        await relay.drain()

    async def _insert(self, store: MongoStore, documents: Sequence[Document]) -> None:
        for document in documents:
            await store.pages.insert_one(document)

    async def _send(self, producer: AIOKafkaProducer, pages: Sequence[Page]) -> None:
        pending, builders = [], [producer.create_batch() for _ in range(PARTITIONS)]
        for key, value in (
            (event.key, event.value) for page in pages for entry in page.entries for event in entry.events
        ):
            partition = partition_of(key, PARTITIONS)
            if builders[partition].append(timestamp=None, key=key.encode(), value=value) is None:
                pending.append(await producer.send_batch(builders[partition], "reports", partition=partition))
                builders[partition] = producer.create_batch()
                builders[partition].append(timestamp=None, key=key.encode(), value=value)
        for partition, builder in enumerate(builders):
            pending.append(await producer.send_batch(builder, "reports", partition=partition))
        await asyncio.gather(*pending)

    async def _pages(self, store: MongoStore, numbers: range) -> list[Page]:
        return [
            page
            for n in range(numbers.start, numbers.stop, 64)
            for page in await store.read_pages(0, range(n, min(n + 64, numbers.stop)))
        ]

    async def opening(self, database: str) -> float:
        """Return the seconds in which the reports of 10,000 villages are opened and said (mission R2)."""
        store = MongoStore(self.client, database)
        await store.make_indexes([[("view.unit", 1), ("view.period", 1)]])
        outlet = KafkaOutlet(self.address)
        await outlet.start()
        books = [
            Book(
                n,
                store=store,
                decider=Decider(decide, SHAPE),
                clock=SystemClock(),
                source="/zeren/b",
                actor="b",
            )
            for n in range(12)
        ]
        relay = Relay(
            lambda: books,
            store=store,
            outlet=outlet,
            clock=SystemClock(),
            source="/zeren/b",
            topics=["duties", "reports"],
            partitions=PARTITIONS,
            of=12,
            every=timedelta(seconds=1),
        )
        for book in books:
            await book.open()
        wishes = [_village(n) for n in range(VILLAGES)]
        began = monotonic()
        await asyncio.gather(*(self._open(book, wishes[book.number :: 12]) for book in books))
        await relay.drain()
        took = monotonic() - began
        await outlet.stop()
        return took

    async def _open(self, book: Book[Any], wishes: Sequence[OpenReport]) -> None:
        for first in range(0, len(wishes), 250):
            part = wishes[first : first + 250]
            await book.handle([Request(wish.report, wish, "bench", wish.report) for wish in part])


async def _timed(doing: Awaitable[None]) -> float:
    """Return how many seconds it takes."""
    began = monotonic()
    await doing
    return monotonic() - began


def _village(n: int) -> OpenReport:
    return OpenReport(
        unit=f"3303{n:08d}",
        row="main-responsibility",
        line=Line.MAIN,
        period="2025",
        due_at=NOW + timedelta(days=31),
        recipients=(f"3303{n // 40:05d}", f"3303{n // 40:05d}-dc"),
        policy="double-report/1",
        title="2025年度履行主体责任情况报告",
    )


async def measure(decisions: int) -> bool:
    """Print all figures; return whether the promised ones hold."""
    tune()
    with tempfile.TemporaryDirectory() as name:
        servers = (broker(Path(name)), database(Path(name)))
        for server in servers:
            await server.start()
        try:
            names = [n for t in TOPICS.values() for n in (t.name, t.dead_letters)]
            await make_topics(servers[0].address, names, PARTITIONS)
            holds = True
            for driver in DRIVERS:
                bench = Bench(mongo_uri(servers[1]), servers[0].address, driver)
                holds = await _print(bench, driver, decisions) and holds
                await disconnect(bench.client)
            return holds
        finally:
            for server in servers:
                await server.stop()


async def _print(bench: Bench, driver: str, decisions: int) -> bool:
    holds = True
    typer.echo(f"decide → page → relay → topic, one book, states in memory, {driver} (decisions per second)")
    typer.echo(f"{'page of':>8} {'kit':>9} {'to rest':>9} {'insert':>9} {'send':>9} {'kit/slower':>10}")
    for size in PAGE_SIZES:
        count = {1: decisions // 100, 10: decisions // 20}.get(size, decisions)
        ratios = []
        for _ in range(ROUNDS if size == max(PAGE_SIZES) else 1):
            rates = await bench.rates(count, size)
            ratios.append(rates.ratio)
            figures = "".join(f" {figure:>9,.0f}" for figure in rates)
            typer.echo(f"{size:>8}{figures} {rates.ratio:>10.2f}")
        holds = holds and (size != max(PAGE_SIZES) or median(ratios) >= 0.5)
    took = await bench.opening(f"villages-{driver}")
    typer.echo(
        f"R2: {VILLAGES:,} villages × 2 edges opened, stored and said in {took:.1f} s (promised: 60 s)"
    )
    return holds and took <= 60
