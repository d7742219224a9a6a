"""Kafka: topics made from the registry, the relay's outlet, batch subscribers with offsets of our own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import aiokafka.client
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
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka import TopicPartition as SubscribedPartition
from faststream.kafka.message import FAKE_CONSUMER

from contracts.topics import TOPICS
from shared import ids
from shared.clock import monotonic
from shared.cluster import Broker, let_go, reached
from shared.relay import BrokerUnavailableError, NoTopicsError, Outbound
from shared.state import Inbound
from shared.store import StoreUnavailableError
from shared.tasks import end

INCARNATION = "zeren-incarnation"
"""The first record here, written when the topics are made, names the data that the broker holds.

Of several processes that write one at once the first in the log counts, for all of them.
"""
BATCH_BYTES = 512 * 1024
LEFT = (TopicAlreadyExistsError, TopicAuthorizationFailedError)
"""Why a topic was not made that may well be there."""
DEAD_LETTERS_KEPT = timedelta(days=366)
DEAD_LETTER_BYTES = 16 * 1024 * 1024
"""As much as the database takes as one document; Kafka's own limit is 1 MiB as others compressed it."""
COMMIT_EVERY = 1.0
"""Seconds: offsets behind which nothing but Said lies need not be committed at once."""
LOOKED_EVERY = 1.0
"""Seconds: a broker may come back empty between two batches, and the producer does not notice."""
LOOKED_WITHIN = 10.0
UNSURE_PAUSE = 0.25
BELOW_FOR = 3
"""Looks: a partition that changes its leader may end below what was read of it, for a moment."""
POSITION_WITHIN = 1.0

# aiokafka lets the broker make every topic that it names, with the broker's own number of partitions, and
# cannot be told otherwise: clients that live through an empty broker would make ours before we do.
aiokafka.client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)


def _paced(update: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def paced(client: Any, *what: Any) -> bool:
        is_updated = await update(client, *what)
        if not is_updated:
            await asyncio.sleep(client._retry_backoff)  # noqa: SLF001 the pause that it was told to make
        return is_updated

    return paced


# Who knows no leader of a partition asks again as soon as an answer has failed: thousands of times a
# second while a broker is away that had been seen without leaders, with two lines of log each time.
aiokafka.client.AIOKafkaClient._metadata_update = _paced(  # noqa: SLF001
    aiokafka.client.AIOKafkaClient._metadata_update  # noqa: SLF001
)

log = structlog.get_logger()

Apply = Callable[[Sequence[Inbound]], Awaitable[dict[tuple[str, int], int]]]


class TopicMismatchError(Exception):
    """A topic has another number of partitions than the contract says."""


async def make_topics(broker: Broker, topics: Sequence[str], partitions: int, *, replicas: int = 1) -> str:
    """Make the topics that do not exist and return the incarnation of the broker's data.

    A topic of the registry is kept as long as the registry says and is never compacted.

    Any number of processes may do so at once; all get the same answer.
    Who may not make topics uses those that somebody else has made.

    Raises:
        TopicMismatchError: a topic exists with another number of partitions.
        BrokerUnavailableError: the broker is away, or not ready yet.
    """
    try:
        async with _connected(AIOKafkaAdminClient(**reached(broker))) as admin:
            is_new = await _create(admin, topics, partitions, replicas)
            for topic, found in (await _sizes(admin, topics)).items():
                if found != partitions:
                    raise TopicMismatchError(f"{topic}: {found}, not {partitions}")
        known = None if is_new else await read_incarnation(broker)
        if known is None:
            async with _connected(AIOKafkaProducer(**reached(broker), acks="all")) as producer:
                await producer.send_and_wait(INCARNATION, ids.new_id().encode(), partition=0)
            known = await read_incarnation(broker)
    except (KafkaError, OSError) as error:
        raise BrokerUnavailableError(repr(error)) from error
    if known is None:
        raise BrokerUnavailableError("the incarnation was written but cannot be read")
    return known


async def _create(admin: Any, topics: Sequence[str], partitions: int, replicas: int) -> bool:
    """Create the topics that do not exist; tell whether that of the incarnation is among them."""
    forever = {"retention.ms": "-1", "cleanup.policy": "delete"}
    wanted = [NewTopic(name, partitions, replicas, topic_configs=_kept(name)) for name in topics]
    wanted.append(NewTopic(INCARNATION, 1, replicas, topic_configs=forever))
    answer = await admin.create_topics(wanted)
    codes = {name: code for name, code, *_ in answer.topic_errors}
    for code in codes.values():
        if code and for_code(code) not in LEFT:
            raise for_code(code)
    return not codes[INCARNATION]


@stamina.retry(on=UnknownTopicOrPartitionError, attempts=None, timeout=20.0, wait_initial=0.02, wait_max=0.5)
async def _sizes(admin: Any, topics: Sequence[str]) -> dict[str, int]:
    """Return the number of partitions of each topic, once the broker knows what its controller made."""
    found = await admin.describe_topics(list(topics))
    for topic in found:
        if topic["error_code"]:
            raise for_code(topic["error_code"])
    return {topic["topic"]: len(topic["partitions"]) for topic in found}


@asynccontextmanager
async def _connected(client: Any) -> AsyncIterator[Any]:
    """Keep a client connected inside the block; one that cannot connect has sockets to close as well."""
    try:
        await client.start()
        yield client
    finally:
        await let_go(client)


def _kept(name: str) -> dict[str, str]:
    """Return how long a topic is kept and how large a dead letter may be, as Kafka wants it said."""
    topic = TOPICS.get(name)
    kept = topic.retention if topic is not None else DEAD_LETTERS_KEPT
    millis = -1 if kept is None else kept // timedelta(milliseconds=1)
    larger = {} if topic is not None else {"max.message.bytes": str(DEAD_LETTER_BYTES)}
    return {"retention.ms": str(millis), "cleanup.policy": "delete", **larger}


async def read_incarnation(broker: Broker) -> str | None:
    """Return the identity of the data that the broker holds; None if it has none yet.

    Raises:
        KafkaError: the broker is away, or does not answer in time.
    """
    try:
        async with asyncio.timeout(LOOKED_WITHIN):
            return await _first_incarnation(broker)
    except TimeoutError as error:
        raise KafkaTimeoutError(f"no incarnation within {LOOKED_WITHIN} s") from error


async def _first_incarnation(broker: Broker) -> str | None:
    options: dict[str, Any] = {"enable_auto_commit": False, "fetch_max_wait_ms": 50}
    async with _connected(AIOKafkaConsumer(**reached(broker), **options)) as consumer:
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


class KafkaOutlet:
    """``shared.relay.Outlet`` on aiokafka: batches per partition, acknowledged by all replicas."""

    def __init__(self, broker: Broker) -> None:
        """Speak to *broker*."""
        self._broker = broker
        self._producer: AIOKafkaProducer | None = None
        self._incarnation: str | None = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect."""
        options = {"acks": "all", "max_batch_size": BATCH_BYTES, "compression_type": "zstd"}
        self._producer = AIOKafkaProducer(**reached(self._broker), **options)
        await self._producer.start()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Disconnect."""
        if self._looking is not None:
            await end([self._looking])
        if self._producer is not None:
            await let_go(self._producer)

    async def _look(self) -> None:
        """Keep looking whether the broker still holds the same data."""
        while True:
            await asyncio.sleep(LOOKED_EVERY)
            try:
                self._incarnation = await read_incarnation(self._broker)
            except KafkaError:
                self._incarnation = None

    async def incarnation(self) -> str:
        """Return the identity of the broker's data, as it was a moment ago."""
        if self._incarnation is None:
            try:
                self._incarnation = await read_incarnation(self._broker)
            except KafkaError as error:
                raise BrokerUnavailableError(str(error)) from error
            if self._incarnation is None:
                raise NoTopicsError("the topics were not made yet")
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


def group_of(service: str, incarnation: str | None) -> str:
    """Return the consumer group of a service: its offsets speak of one incarnation of the broker's data.

    A member that has not noticed yet commits where nobody will go on from.
    """
    return f"{service}.{incarnation}"


class Certainty:
    """Whether what a consumer has read is of one incarnation of a broker's data.

    A broker loses its data only together with its connections: over the same ones it need not be asked again.
    """

    def __init__(self, incarnation: str | None, read: Callable[[], Awaitable[str | None]]) -> None:
        """Be certain of *incarnation*; *read* asks the broker."""
        self._incarnation = incarnation
        self._read = read
        self._links: dict[Any, Any] | None = None

    async def of(self, consumer: Any) -> bool:
        """Tell whether all that was read until now is of that incarnation."""
        links = dict(consumer._client._conns)  # noqa: SLF001 aiokafka tells nobody that it has reconnected
        if links == self._links:
            return True
        try:
            if await self._read() != self._incarnation:
                return False
        except KafkaError:
            return False
        self._links = links
        return True


async def certain(_: Any) -> bool:
    """Be certain of whatever was read: of a broker that is never replaced."""
    return True


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


def new_broker(broker: Broker) -> KafkaBroker:
    """Return FastStream's broker for subscribers; topics are never made by themselves."""
    if isinstance(broker, str):
        return KafkaBroker(broker, allow_auto_create_topics=False, logger=None)
    options: dict[str, Any] = {"allow_auto_create_topics": False, "logger": None}
    return KafkaBroker(broker.address, security=broker.security, **options)


class KafkaEars:
    """``shared.hearing.Ears`` on FastStream: who makes them subscribes to ``broker`` before they start."""

    def __init__(self, broker: Broker) -> None:
        """Hear *broker*."""
        self.broker = new_broker(broker)
        self._below: Counter[TopicPartition] = Counter()

    async def start(self) -> None:
        """Begin to hear; raise BrokerUnavailableError if the broker does not answer."""
        try:
            await self.broker.start()
        except KafkaError as error:
            raise BrokerUnavailableError(str(error)) from error

    async def stop(self) -> None:
        """End with the batch at hand, or without it if it takes too long."""
        try:
            await self.broker.stop()
        except* KafkaError as errors:
            log.info("not_stopped_cleanly", reason=repr(errors.exceptions))

    async def rewind(self) -> None:
        """Go back to the beginning of a partition that has ended below our position for some looks.

        A broker that has lost only some records keeps its incarnation, and may answer that there is
        nothing new until it holds as many as were read: the next ones would be passed over unread.
        """
        for consumer in self._consumers():
            await rewind(consumer, self._below)

    async def lag(self) -> Mapping[str, int]:
        """Return how many records of each topic are not read yet, as of the last fetch of each partition."""
        behind: Counter[str] = Counter()
        for consumer in self._consumers():
            for place in consumer.assignment():
                behind[place.topic] += max(0, await _left(consumer, place) or 0)
        return behind

    def _consumers(self) -> Iterator[Any]:
        found = (getattr(subscriber, "consumer", None) for subscriber in self.broker.subscribers)
        return (consumer for consumer in found if consumer is not None)


async def rewind(consumer: Any, below: Counter[TopicPartition]) -> None:
    """Count how often in a row a partition ended *below* our position; then read it from its start."""
    for place in consumer.assignment():
        left = await _left(consumer, place)
        if left is None or left >= 0:
            del below[place]
            continue
        below[place] += 1
        if below[place] >= BELOW_FOR:
            with suppress(IllegalStateError):
                consumer.seek(place, 0)
            del below[place]
            log.warning("partition_read_again", topic=place.topic, partition=place.partition)


async def _left(consumer: Any, place: TopicPartition) -> int | None:
    """Return how many records of a partition lie before us, None if that is not known."""
    try:
        end = consumer.highwater(place)
        if end is None:
            return None
        async with asyncio.timeout(POSITION_WITHIN):
            return int(end - await consumer.position(place))
    except (IllegalStateError, TimeoutError):
        return None


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[str],
    *,
    apply: Apply,
    stop: Callable[[Exception], None],
    group: str | None,
    partitions: int,
    is_sure: Callable[[Any], Awaitable[bool]] = certain,
    session_ms: int = 10_000,
    listener: ConsumerRebalanceListener | None = None,
    on_read: Callable[[int], None] | None = None,
) -> None:
    """Subscribe to *topics*: in *group* with explicit offsets, or without one to all there is.

    A group without a *listener* has one member, which reads all partitions from the offsets of the last one.

    A batch that a consumer read when nobody *is_sure* of it is not applied but read again.
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
        consumer: Any = subscriber.consumer
        if not await is_sure(consumer):
            _seek_back(consumer, records)
            await asyncio.sleep(UNSURE_PAUSE)
            return
        batch = [Inbound(r.topic, r.partition, r.offset, r.key, r.value or b"", _token(r)) for r in records]
        try:
            try:
                offsets = await apply(batch)
            except StoreUnavailableError:
                offsets = await patient(batch)
        except Exception as error:  # noqa: BLE001 an unapplied batch may not be passed over: the process stops
            is_stopped = True
            stop(error)
            return
        ends.note(consumer, offsets)
        _seek_back(consumer, [record for record in batch if (record.topic, record.partition) not in offsets])
        facts = any(record.key is not None for record in batch)
        if group is not None and offsets and (facts or monotonic() - committed_at > COMMIT_EVERY):
            committed_at = monotonic()
            try:
                await consumer.commit({TopicPartition(*tp): offset for tp, offset in offsets.items()})
            except (CommitFailedError, IllegalStateError):
                log.info("offsets_not_committed", reason="the group was dealt anew")

    subscriber(on_batch)


def _seek_back(consumer: Any, records: Sequence[Any]) -> None:
    """Let these records be read again."""
    first = {TopicPartition(r.topic, r.partition): r.offset for r in reversed(records)}
    for place, offset in first.items():
        with suppress(IllegalStateError):
            consumer.seek(place, offset)


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
