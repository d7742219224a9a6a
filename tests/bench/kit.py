"""The kit's own figures: ``make bench``; the ratio in one run says more than any single figure."""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Literal

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
from shared.ledger import to_document
from shared.mongo import MongoStore, connect, disconnect
from shared.relay import Relay
from shared.service import tune
from shared.state import Shape

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAGE_SIZES = (1, 10, 250)
PAGES_ASKED = 20
"""So many pages are asked for at once, as by a burst: one is decided while the one before is inserted."""
VILLAGES = 10_000
ROUNDS = 3
"""The machine is noisy: the median ratio of so many rounds counts."""


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


class Bench:
    """The two servers and what is measured on them."""

    def __init__(self, uri: str, address: str, driver: Driver = "motor") -> None:
        self.driver = driver
        self.client = connect(uri, driver)
        self.address = address
        self.runs = 0

    async def kit(self, decisions: int, size: int) -> tuple[float, float, MongoStore]:
        """Return decisions per second until all is on the topic, and until all is at rest."""
        self.runs += 1
        store = MongoStore(self.client, f"{self.driver}{self.runs}")
        await store.make_indexes()
        outlet = KafkaOutlet(self.address)
        await outlet.start()
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
        await book.open()
        streams = [f"bench.{n:06d}@330305" for n in range(min(decisions, 5_000))]
        await book.handle([Request(stream, stream, "warm") for stream in streams])
        await relay.drain()
        asked = [streams[n % len(streams)] for n in range(decisions)]
        requests = [Request(stream, stream, "bench") for stream in asked]
        began = monotonic()
        book.on_page = lambda _page: relay.nudge()
        saying = asyncio.create_task(relay.run())
        for first in range(0, decisions, size * PAGES_ASKED):
            await book.handle(requests[first : first + size * PAGES_ASKED])
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        while await relay.say_pages():
            pass
        said = decisions / (monotonic() - began)
        await book.close()
        await relay.drain()
        rested = decisions / (monotonic() - began)
        await outlet.stop()
        return said, rested, store

    async def raw_insert(self, source: MongoStore, decisions: int, size: int) -> float:
        """Return entries per second when the same pages are only inserted."""
        numbers = range(
            max(2, (await self._head(source)) - decisions // size + 1), await self._head(source) + 1
        )
        documents = [to_document(page) for page in await self._pages(source, numbers)]
        target = MongoStore(self.client, f"{source.database.name}raw").pages
        began = monotonic()
        for document in documents:
            await target.insert_one(document)
        return sum(len(d["entries"]) for d in documents) / (monotonic() - began)

    async def raw_send(self, source: MongoStore, decisions: int) -> float:
        """Return records per second when the same bytes are only sent, in full batches."""
        values = [
            (event.key, event.value)
            for page in await self._pages(source, range(2, await self._head(source) + 1))
            for entry in page.entries
            for event in entry.events
        ][-decisions:]
        producer = AIOKafkaProducer(bootstrap_servers=self.address, acks="all", max_batch_size=512 * 1024)
        await producer.start()
        began = monotonic()
        pending, builders = [], [producer.create_batch() for _ in range(PARTITIONS)]
        for key, value in values:
            partition = partition_of(key, PARTITIONS)
            if builders[partition].append(timestamp=None, key=key.encode(), value=value) is None:
                pending.append(await producer.send_batch(builders[partition], "reports", partition=partition))
                builders[partition] = producer.create_batch()
                builders[partition].append(timestamp=None, key=key.encode(), value=value)
        for partition, builder in enumerate(builders):
            pending.append(await producer.send_batch(builder, "reports", partition=partition))
        await asyncio.gather(*pending)
        rate = len(values) / (monotonic() - began)
        await producer.stop()
        return rate

    async def _head(self, store: MongoStore) -> int:
        return int((await store.marks(0))["applied"])

    async def _pages(self, store: MongoStore, numbers: range) -> list[Any]:
        return [
            p
            for n in range(numbers.start, numbers.stop, 64)
            for p in await store.read_pages(0, range(n, min(n + 64, numbers.stop)))
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
            said, rested, store = await bench.kit(count, size)
            inserted = await bench.raw_insert(store, count, size)
            sent = await bench.raw_send(store, count)
            ratios.append(said / min(inserted, sent))
            figures = "".join(f" {figure:>9,.0f}" for figure in (said, rested, inserted, sent))
            typer.echo(f"{size:>8}{figures} {ratios[-1]:>10.2f}")
        holds = holds and (size != max(PAGE_SIZES) or median(ratios) >= 0.5)
    took = await bench.opening(f"villages-{driver}")
    typer.echo(
        f"R2: {VILLAGES:,} villages × 2 edges opened, stored and said in {took:.1f} s (promised: 60 s)"
    )
    return holds and took <= 60
