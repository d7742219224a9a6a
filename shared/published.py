"""What a service has published, read back from its own topics: its newest heads, and its facts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from contracts.envelope import Envelope, Fact, Said, said_type
from contracts.topics import PARTITIONS, TOPICS
from shared.cluster import Broker, let_go, reached
from shared.heads import Head
from shared.relay import BrokerUnavailableError
from shared.state import Inbound

AT_ONCE = 1_000
LOOKED_BACK = 20_000
"""Records at the end of a topic among which the heads are looked for; Said comes every second."""
ANSWERED_WITHIN = 60.0
"""Seconds of real time for one step of reading."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a service finds back, from a published fact, the stream that has said it."""

    stream_of: Callable[[Envelope], str]
    book_of: Callable[[str], int]
    lost: tuple[str, str]
    """What cannot come back from the topics and what that means, in English and Chinese."""
    source_of: Callable[[Envelope], tuple[str, int] | None] = lambda _: None
    """What the entry was remembered by; None if a request or the time caused it."""
    before: Callable[[Any, Fact], Sequence[Any]] = lambda _state, _fact: ()
    """The commands before a fact, or that it answers: decided again, they give private facts back."""


class Published(Protocol):
    """What was published by one service."""

    async def heads(self, books: Collection[int]) -> list[Head]:
        """Return the newest head said of each of these books, as far as the topics still know it."""

    def facts(self, topics: Collection[str], since: datetime | None) -> AsyncIterator[Inbound]:
        """Yield the records on topics that are no Said, up to their present ends."""


def spoken_alone(name: str) -> list[str]:
    """Return the topics on which nobody else speaks: a Said is found at their ends."""
    return [topic.name for topic in TOPICS.values() if topic.producers == (name,)]


def heads_in(topic: str, value: bytes, source: str) -> Iterable[Head]:
    """Return the heads that a record tells of, if it is a Said of *source*."""
    try:
        envelope = Envelope.parse(value)
        if envelope.type != said_type(topic) or envelope.source != source:
            return []
        said = Said.model_validate(envelope.data)
    except ValidationError:
        return []
    return [head for head in map(Head.parse, said.heads) if head is not None]


class KafkaPublished:
    """``Published`` on Kafka, by explicit offsets and without a group."""

    def __init__(self, broker: Broker, name: str) -> None:
        """Read what the service of this name has said on *broker*."""
        self._broker = broker
        self._name = name
        self._source = f"/zeren/{name}"

    async def heads(self, books: Collection[int]) -> list[Head]:
        """Return the newest head said of each of these books, looked for from the ends backwards."""
        found: dict[int, Head] = {}
        topics = spoken_alone(self._name)
        if not topics:
            return []
        async with self._consumer() as consumer:
            for topic in topics:
                place = TopicPartition(topic, 0)
                consumer.assign([place])
                begin = (await consumer.beginning_offsets([place]))[place]
                end = await _end(consumer, place, begin)
                begin = max(begin, end - LOOKED_BACK)
                while begin < end and not found.keys() >= set(books):
                    first = max(begin, end - AT_ONCE)
                    for value in reversed(await _values(consumer, place, first, end)):
                        for head in heads_in(topic, value, self._source):
                            found.setdefault(head.book, head)
                    end = first
        return [found[book] for book in books if book in found]

    async def facts(self, topics: Collection[str], since: datetime | None) -> AsyncIterator[Inbound]:
        """Yield the records that are no Said, of all partitions, from the beginning or from a date on."""
        if not topics:
            return
        async with self._consumer() as consumer:
            places = [TopicPartition(topic, n) for topic in topics for n in range(PARTITIONS)]
            consumer.assign(places)
            begins = await consumer.beginning_offsets(places)
            if since is not None:
                millis = int(since.timestamp() * 1000)
                later = await consumer.offsets_for_times(dict.fromkeys(places, millis))
                begins = {place: found.offset for place, found in later.items() if found}
            for place, begin in begins.items():
                consumer.seek(place, begin)
            ends: dict[TopicPartition, int] = {}
            waiting = set(begins)
            while waiting:
                async with asyncio.timeout(ANSWERED_WITHIN):
                    batches = await consumer.getmany(*waiting, timeout_ms=500)
                    for place in waiting:
                        end = consumer.highwater(place)
                        if end is not None:
                            ends.setdefault(place, end)
                    waiting = {p for p in waiting if p not in ends or await consumer.position(p) < ends[p]}
                for place, records in batches.items():
                    for r in records:
                        if r.key is not None and r.offset < ends[place]:
                            yield Inbound(r.topic, r.partition, r.offset, r.key, r.value or b"")

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[Any]:
        options = {"enable_auto_commit": False, "fetch_max_wait_ms": 50}
        consumer = AIOKafkaConsumer(**reached(self._broker), **options)
        try:
            await consumer.start()
            yield consumer
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailableError(str(error)) from error
        finally:
            await let_go(consumer)


async def _end(consumer: Any, place: TopicPartition, begin: int) -> int:
    """Return where a partition ends, as a fetch tells: asked for it, the embedded broker answers wrongly."""
    consumer.seek(place, begin)
    async with asyncio.timeout(ANSWERED_WITHIN):
        while (end := consumer.highwater(place)) is None:
            await consumer.getmany(place, timeout_ms=100, max_records=1)
    return int(end)


async def _values(consumer: Any, place: TopicPartition, first: int, end: int) -> list[bytes]:
    """Return the values of a partition without a key, from one offset up to another."""
    consumer.seek(place, first)
    found: list[bytes] = []
    async with asyncio.timeout(ANSWERED_WITHIN):
        while await consumer.position(place) < end:
            batches = await consumer.getmany(place, timeout_ms=500)
            records = batches.get(place, [])
            found += [r.value or b"" for r in records if r.key is None and r.offset < end]
    return found
