"""What the kit does on a broker: topics as agreed, all said in order, and said again if need be."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.codec import zstd_decode
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.record._crecords import default_records

from contracts.envelope import MAX_FACT_BYTES, Envelope
from contracts.topics import PARTITIONS, TOPICS
from deploy.embedded import servers
from shared import ids
from shared.book import Book
from shared.ids import partition_of
from shared.kafka import (
    BATCH_BYTES,
    INCARNATION,
    KafkaEars,
    KafkaOutlet,
    TopicMismatchError,
    make_topics,
    new_broker,
    read_incarnation,
    subscribe,
)
from shared.relay import BrokerUnavailableError, Outbound, Relay
from shared.service import topics
from shared.state import Inbound
from shared.testing.memory import MemoryStore
from tests.support.eventually import eventually
from tests.support.kit import HandClock, a_book, a_request
from tests.support.servers import running
from tests.support.wire import facts_on, put, read_all


@pytest.fixture
def another_broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own, which it may lose."""
    with running(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
async def outlet(broker_address: str) -> AsyncIterator[KafkaOutlet]:
    outlet = KafkaOutlet(broker_address)
    await outlet.start()
    yield outlet
    await outlet.stop()


async def a_topic(address: str) -> str:
    name = f"t-{ids.new_id()}"
    await make_topics(address, [name], PARTITIONS)
    return name


async def test_what_is_said_is_compressed_as_the_contract_says(
    outlet: KafkaOutlet, broker_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, fetched = await a_topic(broker_address), list[bytes]()

    def decode(payload: bytes) -> bytes:
        fetched.append(bytes(payload))
        return bytes(zstd_decode(payload))

    monkeypatch.setattr(default_records, "zstd_decode", decode)
    said = [Outbound(name, 3, "k", b'{"duty":"2026.main-responsibility.%d"}' % n) for n in range(500)]
    await outlet.send(said)

    assert [record.value for record in await read_all(broker_address, name)] == [one.value for one in said]
    assert 0 < sum(map(len, fetched)) < sum(len(one.value) for one in said) / 5


async def test_what_lies_on_a_topic_and_was_not_read_yet_is_its_lag(broker_address: str) -> None:
    """A batch is a thousand records at most; the first one is not applied before the test says so."""
    name = await a_topic(broker_address)
    await put(broker_address, name, 3, [(b"k", b"%d" % n) for n in range(1_500)])
    ears, is_free, errors = KafkaEars(broker_address), asyncio.Event(), list[Exception]()

    async def apply(records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        await is_free.wait()
        return {(record.topic, record.partition): record.offset + 1 for record in records}

    async def lag() -> int:
        return (await ears.lag())[name]

    async def is_behind() -> bool:
        return 500 <= await lag() < 1_500

    async def has_read_all() -> bool:
        return await lag() == 0

    subscribe(ears.broker, [name], apply=apply, stop=errors.append, group=None, partitions=PARTITIONS)
    await ears.start()
    try:
        await eventually(is_behind)
        is_free.set()
        await eventually(has_read_all)
    finally:
        await ears.stop()
    assert errors == []


async def test_every_topic_of_the_registry_is_made_with_its_partitions(another_broker: str) -> None:
    assert await read_incarnation_or_none(another_broker) is None

    incarnation = await make_topics(another_broker, topics(), PARTITIONS)

    admin = AIOKafkaAdminClient(bootstrap_servers=another_broker)
    await admin.start()
    try:
        made = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(topics())}
    finally:
        await admin.close()
    assert made == {name: 12 for topic in TOPICS for name in (topic, f"{topic}-dlq")}
    assert [
        record.value.decode() for record in await read_all(another_broker, INCARNATION, partitions=1)
    ] == [incarnation]


async def read_incarnation_or_none(address: str) -> str | None:
    """Return the incarnation of a broker on which nothing was made."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        return await read_incarnation(address) if INCARNATION in await admin.list_topics() else None
    finally:
        await admin.close()


async def test_topics_that_are_there_stay_as_they_are_and_so_does_the_incarnation(
    broker_address: str,
) -> None:
    name = f"t-{ids.new_id()}"

    first = await make_topics(broker_address, [name], PARTITIONS)
    second = await make_topics(broker_address, [name], PARTITIONS)

    assert first == second == await read_incarnation(broker_address)


async def test_another_number_of_partitions_is_refused(broker_address: str) -> None:
    name = f"t-{ids.new_id()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker_address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 4, 1)])
    finally:
        await admin.close()

    with pytest.raises(TopicMismatchError, match=f"{name}: 4, not 12"):
        await make_topics(broker_address, [name], PARTITIONS)


async def test_records_are_in_order_on_each_partition(broker_address: str, outlet: KafkaOutlet) -> None:
    topic, dice = await a_topic(broker_address), Random(1)
    sent = [Outbound(topic, dice.randrange(PARTITIONS), f"k{n}", f"v{n}".encode()) for n in range(3_000)]

    await outlet.send(sent[:1_000])
    await outlet.send(sent[1_000:])

    read = await read_all(broker_address, topic)
    for partition in range(PARTITIONS):
        wanted = [(record.key, record.value) for record in sent if record.partition == partition]
        assert [(r.key.decode(), r.value) for r in read if r.partition == partition] == wanted


async def test_more_than_a_batch_holds_is_split(broker_address: str, outlet: KafkaOutlet) -> None:
    topic = await a_topic(broker_address)
    values = [bytes([n]) * MAX_FACT_BYTES for n in range(7)]
    assert sum(map(len, values)) > 3 * BATCH_BYTES

    await outlet.send([Outbound(topic, 5, "k", value) for value in values])

    assert [record.value for record in await read_all(broker_address, topic)] == values


async def test_a_dead_letter_larger_than_a_batch_goes_out_whole_with_its_reason(
    broker_address: str, outlet: KafkaOutlet
) -> None:
    topic = await a_topic(broker_address)
    small, large = b"small", b"x" * (BATCH_BYTES + 1)

    await outlet.send([Outbound(topic, 0, "k", value, "too large, 过大") for value in (small, large, small)])

    read = await read_all(broker_address, topic)
    assert [record.value for record in read] == [small, large, small]
    assert {record.headers for record in read} == {(("dlq-reason", "too large, 过大".encode()),)}


async def test_a_dead_letter_larger_than_a_broker_takes_by_itself_does_not_stop_those_behind_it(
    broker_address: str, outlet: KafkaOutlet
) -> None:
    """Kafka measures a batch of others as they compressed it: what comes out of one may be any size."""
    await make_topics(broker_address, ["duties-dlq"], PARTITIONS)
    values = [b"x" * (4 << 20), b"behind it"]

    await outlet.send([Outbound("duties-dlq", 0, "k", value, "too large, 过大") for value in values])

    assert [record.value for record in await read_all(broker_address, "duties-dlq")] == values


def test_a_key_lies_where_every_other_client_would_put_it() -> None:
    dice, partitioner = Random(2), DefaultPartitioner()
    alphabet = "abc019:@./-村委会𠮷é\0"
    keys = ["", *("".join(dice.choices(alphabet, k=dice.randrange(40))) for _ in range(5_000))]

    for partitions in (12, 3, 1):
        places = list(range(partitions))
        assert [partition_of(key, partitions) for key in keys] == [
            partitioner(key.encode(), places, places) for key in keys
        ]


async def test_nothing_more_is_applied_once_a_batch_could_not_be(broker_address: str) -> None:
    """What follows on the partition would commit an offset behind it, and it would be lost."""
    topic, broker = await a_topic(broker_address), new_broker(broker_address)
    applied: list[bytes] = []
    errors: list[Exception] = []

    async def apply(records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        applied.extend(record.value for record in records)
        raise ArithmeticError

    async def is_passed() -> bool:
        (subscriber,) = broker.subscribers
        consumer: Any = subscriber.consumer  # type: ignore[attr-defined]
        return bool(await consumer.position(TopicPartition(topic, 0)) == 2)

    subscribe(broker, [topic], apply=apply, stop=errors.append, group=None, partitions=PARTITIONS)
    await broker.start()
    try:
        await put(broker_address, topic, 0, [(b"k", b"first")])
        await eventually(lambda: errors)
        await put(broker_address, topic, 0, [(b"k", b"second")])
        await eventually(is_passed)
    finally:
        await broker.stop()
    assert applied == [b"first"]
    assert [type(error) for error in errors] == [ArithmeticError]


async def test_who_reads_a_topic_anew_is_told_once_it_has_read_what_lay_there_and_not_before(
    broker_address: str,
) -> None:
    topic, broker = await a_topic(broker_address), new_broker(broker_address)
    await put(broker_address, topic, 0, [(b"k", b"%d" % n) for n in range(1_500)])
    applied, read = Counter[int](), dict[int, int]()

    async def apply(records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        applied.update(record.partition for record in records)
        return {(record.topic, record.partition): record.offset + 1 for record in records}

    def note(partition: int) -> None:
        read.setdefault(partition, applied[partition])

    subscribe(broker, [topic], apply=apply, stop=print, group=None, partitions=PARTITIONS, on_read=note)
    await broker.start()
    try:
        await eventually(lambda: read)
    finally:
        await broker.stop()
    assert read == {0: 1_500}


def a_relay(book: Book[Any], store: MemoryStore, outlet: KafkaOutlet) -> Relay:
    return Relay(
        lambda: [book],
        store=store,
        outlet=outlet,
        clock=HandClock(),
        source="/b",
        topics=["b"],
        partitions=PARTITIONS,
        of=1,
        every=timedelta(seconds=1),
    )


async def is_said(relay: Relay, book: Book[Any], incarnation: str) -> bool:
    """Let the relay say what it can; tell whether that is all, on this broker."""
    with suppress(BrokerUnavailableError):
        await relay.drain()
    return book.incarnation == incarnation and book.said == book.head


async def test_a_broker_that_comes_back_empty_hears_everything_again_from_the_first_page(
    tmp_path: Path,
) -> None:
    broker, store = servers.broker(tmp_path), MemoryStore()
    await broker.start()
    outlet = KafkaOutlet(broker.address)
    try:
        first = await make_topics(broker.address, ["b"], PARTITIONS)
        await outlet.start()
        book = await a_book(store)
        relay = a_relay(book, store, outlet)
        for n in range(700):
            await book.handle([a_request(name=f"x{n % 5}", cause=f"ask-{n}")])
        await relay.drain()
        said = [Envelope.parse(r.value).id for r in await facts_on(broker.address, "b")]

        broker.kill()
        await book.handle([a_request(cause="in between")])
        await broker.start()
        second = await make_topics(broker.address, ["b"], PARTITIONS)
        await eventually(lambda: is_said(relay, book, second))
        again = [Envelope.parse(r.value).id for r in await facts_on(broker.address, "b")]
    finally:
        await outlet.stop()
        broker.kill()

    assert first != second
    assert len(said) == len(set(said)) == 700
    assert sorted(set(again)) == sorted([*said, "b:x/1"])
    assert book.incarnation == second
    assert (await store.marks(0))["incarnation"] == second
