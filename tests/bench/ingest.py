"""What the other services take in, to rest, beside a bare consumer and a bare bulk write of the same bytes.

``make bench ARGS="ingest"``: scoring hears duties open and end, inspection hears misses, reporting opens a
year's reports. The service is a process of its own; its clock begins with the first page that it writes and
ends when states and marks are written and nothing more comes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.directory import UnitPlaced
from contracts.duties import DutyFulfilled
from contracts.envelope import Fact, encode
from contracts.escalations import DutyMissed
from contracts.topics import PARTITIONS
from deploy.embedded.keys import make_token
from deploy.embedded.servers import HOST
from shared.access import Identity
from shared.clock import EPOCH, monotonic, real_now
from shared.ids import partition_of
from shared.kafka import KafkaOutlet
from shared.mongo import connect, disconnect
from shared.relay import Outbound
from tests.bench.alone import OWNER, duty, is_ready
from tests.bench.deadline import Stage, resident_mib, stage

GLANCE = 0.1
AT_REST = 3.0
"""Seconds in which nothing changes, after which all is taken in."""
SENT_AT_ONCE = 10_000
WRITTEN_AT_ONCE = 1_000
REMINDERS = "/zeren/reminders"


def duties(count: int) -> Iterator[Fact]:
    """Yield that so many duties open, and that each is fulfilled."""
    for n in range(count):
        opened = duty(n, EPOCH + timedelta(days=20_000))
        yield opened
        yield DutyFulfilled(duty=opened.duty, unit=opened.unit, fulfilled_at=opened.due_at)


def misses(count: int) -> Iterator[Fact]:
    """Yield so many misses, two of each unit: none is proposed to anybody."""
    for n in range(count):
        opened = duty(n, EPOCH + timedelta(days=20_000))
        unit = f"3303{n // 2:08d}"
        known = opened.model_dump(
            include={"duty", "kind", "line", "recipient", "period", "due_at", "occurrence"}
        )
        yield DutyMissed(**known, unit=unit)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one service took in, and the bare figures beside it; all per second."""

    name: str
    what: str
    count: int
    to_rest: float
    consume: float
    write: float
    rss_mib: float

    def line(self) -> str:
        """Return a line of the table."""
        figures = "".join(f" {figure:>10,.0f}" for figure in (self.to_rest, self.consume, self.write))
        return (
            f"{self.name:<11} {self.what:<22} {self.count:>8,}{figures} "
            f"{self.to_rest / min(self.consume, self.write):>9.2f} {self.rss_mib:>6,.0f}"
        )


HEADER = (
    f"{'':<11} {'':<22} {'':>8} {'to rest':>10} {'consume':>10} {'write':>10} {'of slower':>9} {'MiB':>6}"
)


async def hearing(name: str, topic: str, what: str, facts: Sequence[Fact], source: str) -> Taken:
    """Let a service take in facts that lie on their topic before it starts."""
    async with stage(name) as on:
        await on.alone.say_tree()
        async with on.alone.outlet() as outlet:
            await _send(outlet, topic, facts, source)
            await on.alone.say_said(outlet)
        await on.service.start()
        took = await _until_rest(on, name)
        rss = resident_mib(on.service)
        return Taken(
            name,
            what,
            len(facts),
            len(facts) / took,
            await _consumed(on.alone.kafka, topic),
            await _written(on.alone.mongo_uri, name, len(facts)),
            rss,
        )


async def opening(units: int) -> Taken:
    """Let reporting open a year's reports of so many villages and their discipline committees."""
    async with stage("reporting") as on:
        await on.alone.say_tree(double(units))
        await on.service.start()
        while not await is_ready(on.service):  # noqa: ASYNC110 a process sets no event
            await asyncio.sleep(GLANCE)
        token = make_token(on.alone.folder / "keys", Identity(sub="bench", unit="33", roles=("operator",)))
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{on.service.port}") as http:
            answer = await http.post(
                "/v1/schedules/yearly",
                headers={"Authorization": f"Bearer {token}"},
                json={"root": "33", "first_year": 2026, "last_year": 2026},
            )
            answer.raise_for_status()
        took = await _until_rest(on, "reporting")
        rss = resident_mib(on.service)
        opened = await _count(on.alone.kafka, "duties")
        return Taken(
            "reporting",
            "duties opened",
            opened,
            opened / took,
            await _consumed(on.alone.kafka, "duties"),
            await _written(on.alone.mongo_uri, "reporting", opened),
            rss,
        )


def double(units: int) -> Iterator[Fact]:
    """Yield a province with its discipline committee, and so many villages with theirs right below."""
    for n, unit in enumerate(("33", *(f"3303{n:08d}" for n in range(units)))):
        above = "33" if n else None
        yield UnitPlaced(unit=unit, name=unit, kind="party_committee", parent=above)
        yield UnitPlaced(
            unit=f"{unit}-dc",
            name=unit,
            kind="discipline_committee",
            parent=above and f"{above}-dc",
            same_level=unit,
        )


async def _until_rest(on: Stage, name: str) -> float:
    """Return the seconds from the first page of facts until the last change of pages and marks."""
    client = connect(on.alone.mongo_uri, "pymongo")
    began: float | None = None
    ended, last = 0.0, None
    try:
        while began is None or monotonic() - ended < AT_REST:
            await asyncio.sleep(GLANCE)
            now = monotonic()
            if not (states := await client[name]["states"].estimated_document_count()):
                continue
            began = began or now
            marks = await client[name]["marks"].find({}, {"applied": 1, "said": 1}).to_list(None)
            if (states, marks) != last:
                ended, last = now, (states, marks)
        return ended - began
    finally:
        await disconnect(client)


async def _send(outlet: KafkaOutlet, topic: str, facts: Sequence[Fact], source: str) -> None:
    sequences: dict[str, int] = {}
    records = []
    for fact in facts:
        key = fact.subject
        sequence = sequences[key] = sequences.get(key, 0) + 1
        value = encode(fact, source=source, sequence=sequence, time=real_now(), correlation=key, cause=key)
        records.append(Outbound(topic, partition_of(key, PARTITIONS), key, value))
    for first in range(0, len(records), SENT_AT_ONCE):
        await outlet.send(records[first : first + SENT_AT_ONCE])


async def _read(kafka: str, topic: str) -> AsyncIterator[Sequence[Any]]:
    """Yield the records of a topic up to its ends, as they are fetched."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, fetch_max_wait_ms=20)
    await consumer.start()
    try:
        places = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        ends: dict[TopicPartition, int] = {}
        waiting = set(places)
        while waiting:
            found = await consumer.getmany(*waiting, timeout_ms=50)
            for place in waiting:
                end = consumer.highwater(place)  # asked for it, the embedded broker answers wrongly
                if end is not None:
                    ends.setdefault(place, end)
            for records in found.values():
                yield records
            waiting = {p for p in waiting if p not in ends or await consumer.position(p) < ends[p]}
    finally:
        await consumer.stop()


async def _count(kafka: str, topic: str) -> int:
    return sum([sum(record.key is not None for record in part) async for part in _read(kafka, topic)])


async def _consumed(kafka: str, topic: str) -> float:
    """Return how many records a bare consumer reads per second."""
    began = ended = monotonic()
    count = 0
    async for records in _read(kafka, topic):
        count, ended = count + len(records), monotonic()
    return count / (ended - began)


async def _written(uri: str, name: str, facts: int) -> float:
    """Return how many facts per second are written if the same pages and states are bare inserts in bulk."""
    client = connect(uri, "pymongo")
    try:
        took = 0.0
        for collection in ("pages", "states"):
            documents = await client[name][collection].find().to_list(None)
            at_once = 1 if collection == "pages" else WRITTEN_AT_ONCE
            target, began = client["bare"][collection], monotonic()
            for first in range(0, len(documents), at_once):
                await target.insert_many(documents[first : first + at_once])
            took += monotonic() - began
        return facts / took
    finally:
        await disconnect(client)


MEASURED: Mapping[str, Callable[[int], Any]] = {
    "scoring": lambda n: hearing("scoring", "duties", "facts heard", list(duties(n // 2)), OWNER),
    "inspection": lambda n: hearing("inspection", "escalations", "misses heard", list(misses(n)), REMINDERS),
    "reporting": lambda n: opening(n // 6),
}


async def measure(count: int, only: str = "") -> None:
    """Print what each service, or one, takes in of about so many facts."""
    typer.echo(HEADER)
    for name, take in MEASURED.items():
        if only in {"", name}:
            typer.echo((await take(count)).line())
