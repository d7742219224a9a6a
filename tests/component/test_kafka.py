"""A broker that is not ready yet, or not there: Kafka is that for seconds, the embedded one for none."""

import asyncio
import gc
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from contracts.topics import PARTITIONS
from deploy.embedded.servers import HOST, free_port
from shared import kafka
from shared.clock import monotonic
from shared.kafka import KafkaOutlet, _sizes, make_topics, read_incarnation
from shared.relay import BrokerUnavailableError


class SlowBroker:
    """Made topics a moment ago, and knows each only when asked again."""

    def __init__(self, questions: int) -> None:
        self.questions = questions

    async def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        self.questions -= 1
        if self.questions:
            unknown = UnknownTopicOrPartitionError.errno
            return [{"topic": name, "error_code": unknown, "partitions": []} for name in topics]
        return [{"topic": name, "error_code": 0, "partitions": [{}] * 12} for name in topics]


async def test_a_topic_that_was_made_a_moment_ago_is_waited_for() -> None:
    broker = SlowBroker(questions=3)

    assert await _sizes(broker, ["a", "b"]) == {"a": 12, "b": 12}
    assert broker.questions == 0


@pytest.fixture
def nobody() -> str:
    """Return an address at which nobody listens."""
    return f"{HOST}:{free_port()}"


async def test_a_service_that_starts_before_its_broker_is_told_to_wait(nobody: str) -> None:
    with pytest.raises(BrokerUnavailableError):
        await make_topics(nobody, ["a"], PARTITIONS)


async def test_who_knows_no_leader_asks_a_broker_that_is_away_no_more_often_than_told(nobody: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=nobody, retry_backoff_ms=50)

    began = monotonic()
    answers = [await client._metadata_update(client.cluster, ["a"]) for _ in range(3)]

    assert answers == [False] * 3
    assert monotonic() - began >= 0.15


async def test_who_looks_for_a_broker_that_is_away_leaves_nothing_open(nobody: str) -> None:
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        with pytest.raises(KafkaError):
            await read_incarnation(nobody)
        with pytest.raises(BrokerUnavailableError):
            await make_topics(nobody, ["a"], PARTITIONS)
        gc.collect()

    assert [str(warning.message) for warning in left] == []


class Producer:
    """Speaks to nobody."""

    def __init__(self, **_: object) -> None:
        """Know no broker."""

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


async def test_an_outlet_stops_though_its_look_at_the_broker_swallows_a_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_looking = asyncio.Event()

    async def read(_: object) -> str:
        """Take a cancellation as aiokafka does: for that of a task it waits for while it closes."""
        if is_looking.is_set():
            await asyncio.Event().wait()
        is_looking.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "the same"

    monkeypatch.setattr(kafka, "read_incarnation", read)
    monkeypatch.setattr(kafka, "LOOKED_EVERY", 0.0)
    monkeypatch.setattr(kafka, "AIOKafkaProducer", Producer)
    outlet = KafkaOutlet("nobody:9092")
    await outlet.start()
    await is_looking.wait()

    async with asyncio.timeout(5):
        await outlet.stop()
