"""Kafka: topics made from the registry, the relay's outlet, batch subscribers with offsets of our own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    for_code,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka import TopicPartition as SubscribedPartition
from faststream.kafka.message import FAKE_CONSUMER

from contracts.topics import TOPICS
from shared import ids
from shared.clock import monotonic
from shared.relay import BrokerEmptyError, BrokerUnavailableError, Outbound
from shared.state import Inbound
from shared.store import StoreUnavailableError

INCARNATION = "zeren-incarnation"
"""One record lies here, written when the topics are made: it names the data that the broker holds."""
BATCH_BYTES = 512 * 1024
DEAD_LETTERS_KEPT = timedelta(days=366)
COMMIT_EVERY = 1.0
"""Seconds: offsets behind which nothing but Said lies need not be committed at once."""
LOOKED_EVERY = 1.0
"""Seconds: a broker may come back empty between two batches, and the producer does not notice."""

log = structlog.get_logger()

Apply = Callable[[Sequence[Inbound]], Awaitable[dict[tuple[str, int], int]]]


class TopicMismatchError(Exception):
    """A topic has another number of partitions than the contract says."""


async def make_topics(address: str, topics: Sequence[str], partitions: int, *, replicas: int = 1) -> str:
    """Make the topics that do not exist and return the incarnation of the broker's data.

    A topic of the registry is kept as long as the registry says and is never compacted.

    Raises:
        TopicMismatchError: a topic exists with another number of partitions.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        forever = {"retention.ms": "-1", "cleanup.policy": "delete"}
        wanted = [NewTopic(name, partitions, replicas, topic_configs=_kept(name)) for name in topics]
        wanted.append(NewTopic(INCARNATION, 1, replicas, topic_configs=forever))
        answer = await admin.create_topics(wanted)
        is_new = False
        for name, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)
            is_new = is_new or (name == INCARNATION and not code)
        for topic in await admin.describe_topics(list(topics)):
            if len(topic["partitions"]) != partitions:
                raise TopicMismatchError(f"{topic['topic']}: {len(topic['partitions'])}, not {partitions}")
    finally:
        await admin.close()
    known = None if is_new else await read_incarnation(address)
    if known is None:
        producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(INCARNATION, ids.new_id().encode(), partition=0)
        finally:
            await producer.stop()
        known = await read_incarnation(address)
    if known is None:
        raise BrokerUnavailableError("the incarnation was written but cannot be read")
    return known


def _kept(name: str) -> dict[str, str]:
    """Return how long a topic is kept, as Kafka wants it said."""
    topic = TOPICS.get(name)
    kept = topic.retention if topic is not None else DEAD_LETTERS_KEPT
    millis = -1 if kept is None else kept // timedelta(milliseconds=1)
    return {"retention.ms": str(millis), "cleanup.policy": "delete"}


async def read_incarnation(address: str) -> str | None:
    """Return the identity of the data that the broker holds; None if it has none yet.

    Raises:
        KafkaError: the broker is away, or does not answer in time.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        if INCARNATION not in await consumer.topics():
            return None
        partition = TopicPartition(INCARNATION, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        found = await consumer.getmany(partition, timeout_ms=2_000, max_records=1)
        records = found.get(partition)
        if not records and consumer.highwater(partition) is None:
            raise KafkaTimeoutError(f"{INCARNATION} was not read in time")
        return records[0].value.decode() if records and records[0].value else None
    finally:
        await consumer.stop()


class KafkaOutlet:
    """``shared.relay.Outlet`` on aiokafka: batches per partition, acknowledged by all replicas."""

    def __init__(self, address: str) -> None:
        """Speak to the broker at *address*."""
        self._address = address
        self._producer: AIOKafkaProducer | None = None
        self._incarnation: str | None = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._address, acks="all", max_batch_size=BATCH_BYTES
        )
        await self._producer.start()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Disconnect."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    async def _look(self) -> None:
        """Keep looking whether the broker still holds the same data."""
        while True:
            await asyncio.sleep(LOOKED_EVERY)
            try:
                self._incarnation = await read_incarnation(self._address)
            except KafkaError:
                self._incarnation = None

    async def incarnation(self) -> str:
        """Return the identity of the broker's data, as it was a moment ago."""
        if self._incarnation is None:
            try:
                self._incarnation = await read_incarnation(self._address)
            except KafkaError as error:
                raise BrokerUnavailableError(str(error)) from error
            if self._incarnation is None:
                raise BrokerEmptyError("the topics were not made yet, or are lost")
        return self._incarnation

    async def send(self, records: Sequence[Outbound]) -> None:
        """Send records in order per partition; return once all replicas have them."""
        producer = self._producer
        if producer is None:
            raise BrokerUnavailableError("not started")
        try:
            pending = []
            builders: dict[tuple[str, int], Any] = {}
            for topic, partition, name, value, reason in records:
                key = None if name is None else name.encode()
                headers = None if reason is None else [("dlq-reason", reason.encode())]
                tp = (topic, partition)
                builder = builders.get(tp)
                if builder is None:
                    builder = builders[tp] = producer.create_batch()
                if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    pending.append(await producer.send_batch(builder, topic, partition=partition))
                    builder = builders[tp] = producer.create_batch()
                    builder.append(timestamp=None, key=key, value=value, headers=headers)
            for (topic, partition), builder in builders.items():
                pending.append(await producer.send_batch(builder, topic, partition=partition))
            await asyncio.gather(*pending)
        except KafkaError as error:
            self._incarnation = None
            raise BrokerUnavailableError(str(error)) from error


class Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands the books of partitions over when the group is dealt anew."""

    def __init__(
        self, assigned: Callable[[set[int]], Awaitable[None]], revoked: Callable[[set[int]], Awaitable[None]]
    ) -> None:
        """Call back with the numbers of the partitions."""
        self._assigned, self._revoked = assigned, revoked

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let go of the books of these partitions."""
        await self._revoked({tp.partition for tp in revoked})

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take the books of these partitions over."""
        await self._assigned({tp.partition for tp in assigned})


class _Ends:
    """Knows where partitions ended when their first records came, and tells when they are applied so far."""

    def __init__(self, on_read: Callable[[int], None] | None) -> None:
        self._on_read = on_read
        self._ends: dict[tuple[str, int], int] = {}

    def note(self, consumer: Any, offsets: Mapping[tuple[str, int], int]) -> None:
        """Learn how far partitions are applied."""
        if self._on_read is None:
            return
        for tp, offset in offsets.items():
            end = self._ends.setdefault(tp, consumer.highwater(TopicPartition(*tp)) or offset)
            if offset >= end:
                self._on_read(tp[1])


def new_broker(address: str) -> KafkaBroker:
    """Return FastStream's broker for subscribers; topics are never made by themselves."""
    return KafkaBroker(address, allow_auto_create_topics=False, logger=None)


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[str],
    *,
    apply: Apply,
    stop: Callable[[Exception], None],
    group: str | None,
    partitions: int,
    session_ms: int = 10_000,
    listener: ConsumerRebalanceListener | None = None,
    on_read: Callable[[int], None] | None = None,
) -> None:
    """Subscribe to *topics*: in *group* with explicit offsets, or without one to all there is.

    A group without a *listener* has one member, which reads all partitions from the offsets of the last one.

    What *apply* raises for good is given to *stop*, because what is not applied may not be passed over.
    *on_read* is told of each partition that is applied to where it ended when its first records came.
    """
    options: dict[str, Any] = {
        "batch": True,
        "max_records": 1_000,
        "batch_timeout_ms": 10,
        "fetch_max_wait_ms": 50,
        "auto_offset_reset": "earliest",
        "ack_policy": AckPolicy.MANUAL,
        "parser": _unparsed,
        "decoder": _undecoded,
    }
    if listener is None:
        wanted = [SubscribedPartition(topic, n) for topic in topics for n in range(partitions)]
        subscriber = broker.subscriber(partitions=wanted, group_id=group, **options)
    else:
        heartbeat = {"session_timeout_ms": session_ms, "heartbeat_interval_ms": session_ms // 3}
        options |= {"group_id": group, "listener": listener, **heartbeat}
        subscriber = broker.subscriber(*topics, **options)
    committed_at = 0.0
    is_stopped = False
    ends = _Ends(on_read)
    patient = stamina.retry(on=StoreUnavailableError, attempts=None, timeout=240.0)(apply)

    async def on_batch(message: KafkaMessage) -> None:
        nonlocal committed_at, is_stopped
        if is_stopped:
            return
        records: Sequence[Any] = message.raw_message
        batch = [Inbound(r.topic, r.partition, r.offset, r.key, r.value or b"", _token(r)) for r in records]
        try:
            offsets = await patient(batch)
        except Exception as error:  # noqa: BLE001 an unapplied batch may not be passed over: the process stops
            is_stopped = True
            stop(error)
            return
        consumer: Any = subscriber.consumer
        ends.note(consumer, offsets)
        lost = {
            (r.topic, r.partition): r.offset for r in reversed(batch) if (r.topic, r.partition) not in offsets
        }
        for tp, offset in lost.items():
            with suppress(IllegalStateError):
                consumer.seek(TopicPartition(*tp), offset)
        facts = any(record.key is not None for record in batch)
        if group is not None and offsets and (facts or monotonic() - committed_at > COMMIT_EVERY):
            committed_at = monotonic()
            try:
                await consumer.commit({TopicPartition(*tp): offset for tp, offset in offsets.items()})
            except (CommitFailedError, IllegalStateError):
                log.info("offsets_not_committed", reason="the group was dealt anew")

    subscriber(on_batch)


def _token(record: Any) -> str:
    """Return the bearer token in a record's headers; empty if it has none."""
    for name, value in record.headers:
        if name == "authorization":
            return str((value or b"").decode(errors="replace").removeprefix("Bearer "))
    return ""


async def _unparsed(message: Any, _: Any) -> KafkaMessage:
    """Hand the records on as they are: each is read by itself, so that a bad one harms no other."""
    return KafkaMessage(body=b"", raw_message=message, consumer=FAKE_CONSUMER)


async def _undecoded(_: KafkaMessage, __: Any) -> bytes:
    return b""
