"""What the judge reads and what it finds."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.envelope import Envelope, Fact
from contracts.topics import FACTS, PARTITIONS


@dataclass(slots=True)
class Said:
    """A fact as a topic carries it, each identity once, in the order of its first appearance."""

    envelope: Envelope
    fact: Fact


@dataclass(slots=True)
class Findings:
    """What the judge counted, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    lateness: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    units: int = 0
    pages: int = 0
    states: int = 0
    facts: int = 0
    scored: int = 0
    """Units whose score was computed again from the first page."""

    def percentile(self, share: float) -> float:
        """Return a percentile of the lateness in seconds, 0 if nothing was late."""
        ordered = sorted(self.lateness)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def read_topics(address: str, topics: Iterable[str]) -> dict[str, list[Said]]:
    """Return every fact of *topics* by subject, each identity once."""
    streams: dict[str, list[Said]] = defaultdict(list)
    seen: set[str] = set()
    async for record in read_records(address, topics):
        envelope = Envelope.parse(record.value)
        if envelope.id not in seen and envelope.type in FACTS:
            seen.add(envelope.id)
            fact = FACTS[envelope.type].read(envelope.data)
            streams[envelope.subject].append(Said(envelope, fact))
    return streams


async def read_records(address: str, topics: Iterable[str]) -> AsyncIterator[Any]:
    """Yield every record of *topics* that has a key, in order per partition, to where they end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, fetch_max_wait_ms=100)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends: dict[TopicPartition, int] = {}
        while len(ends) < len(partitions) or [
            tp for tp, end in ends.items() if await consumer.position(tp) < end
        ]:
            for tp, batch in (await consumer.getmany(timeout_ms=1000)).items():
                ends.setdefault(tp, consumer.highwater(tp))
                for record in batch:
                    if record.key is not None:
                        yield record
    finally:
        await consumer.stop()
