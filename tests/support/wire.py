"""The real broker as tests see it: everything on a topic, and whatever they want to put there."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.envelope import Fact, Said, encode, encode_said
from contracts.topics import PARTITIONS
from shared.clock import real_now
from shared.ids import partition_of
from shared.kafka import KafkaOutlet, group_of, read_incarnation
from shared.relay import Outbound


async def read_all(address: str, *topics: str, partitions: int = PARTITIONS) -> list[Any]:
    """Return every record of *topics*, each partition in order, up to where they end when this begins."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, fetch_max_wait_ms=20)
    await consumer.start()
    try:
        places = [TopicPartition(topic, n) for topic in topics for n in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        found: list[Any] = []
        waiting = set(places)
        async with asyncio.timeout(20):
            while waiting:
                for batch in (await consumer.getmany(timeout_ms=50)).values():
                    found += batch
                waiting = {tp for tp in waiting if not await _is_read(consumer, tp)}
        return found
    finally:
        await consumer.stop()


async def _is_read(consumer: Any, place: TopicPartition) -> bool:
    end = consumer.highwater(place)
    return end is not None and await consumer.position(place) >= end


async def facts_on(address: str, *topics: str) -> list[Any]:
    """Return the records of *topics* that are no Said."""
    return [record for record in await read_all(address, *topics) if record.key is not None]


async def committed_of(address: str, service: str, topic: str) -> dict[int, int]:
    """Return the offsets from which a service would go on, of the partitions where it has committed any."""
    group = group_of(service, await read_incarnation(address))
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(places)
        offsets = [await consumer.committed(place) for place in places]
        return {n: offset for n, offset in enumerate(offsets) if offset is not None}
    finally:
        await consumer.stop()


async def put(
    address: str, topic: str, partition: int, records: Sequence[tuple[bytes | None, bytes]]
) -> None:
    """Put keys and values on a partition in one batch, whatever they are."""
    async with AIOKafkaProducer(bootstrap_servers=address, max_batch_size=4 << 20) as producer:
        batch = producer.create_batch()
        for key, value in records:
            assert batch.append(key=key, value=value, timestamp=None) is not None
        await (await producer.send_batch(batch, topic, partition=partition))


class Owner:
    """A service that exists only by what it says."""

    def __init__(self, address: str, name: str, topic: str) -> None:
        self.source = f"/zeren/{name}"
        self._topic = topic
        self._address = address
        self._incarnation = ""
        self._outlet = KafkaOutlet(address)
        self._sequences: dict[str, int] = {}

    async def start(self) -> "Owner":
        """Connect."""
        self._incarnation = await read_incarnation(self._address) or ""
        await self._outlet.start()
        return self

    async def stop(self) -> None:
        """Disconnect."""
        await self._outlet.stop()

    async def say(self, *facts: Fact) -> None:
        """Say facts, each as the next of its stream."""
        await self._outlet.send([self.record(fact) for fact in facts])

    async def say_said(self) -> None:
        """Say that all is said, of the only book there is."""
        now = real_now()
        said = Said(source=self.source, books=(0,), of=1, through=now, incarnation=self._incarnation)
        values = [encode_said(said, topic=self._topic, partition=n, time=now) for n in range(PARTITIONS)]
        await self._outlet.send([Outbound(self._topic, n, None, value) for n, value in enumerate(values)])

    def record(self, fact: Fact) -> Outbound:
        """Return a fact as it would be said next."""
        sequence = self._sequences[fact.subject] = self._sequences.get(fact.subject, 0) + 1
        return Outbound(
            self._topic,
            partition_of(fact.subject, PARTITIONS),
            fact.subject,
            encode(
                fact,
                source=self.source,
                sequence=sequence,
                time=real_now(),
                correlation=fact.subject,
                cause="test",
            ),
        )
