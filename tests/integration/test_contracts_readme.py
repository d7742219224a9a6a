"""Every block of Python in the README of the contracts is run on a broker that has real facts."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream.kafka.security import parse_security

from contracts.topics import PARTITIONS
from deploy.embedded import servers
from shared.kafka import make_topics
from tests.support.eventually import eventually

CONTRACTS = Path(__file__).parents[2] / "contracts"
BLOCKS = re.findall(r"```python\n(.*?)```", (CONTRACTS / "README.md").read_text("utf-8"), re.DOTALL)
RAISED = "escalations.escalation-raised.v1"
Act = Callable[[str, str, dict[str, Any]], Awaitable[None]]


def block(name: str) -> dict[str, Any]:
    """Run the only block that defines *name* and return what it defines."""
    (code,) = (code for code in BLOCKS if f"def {name}(" in code)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, f"contracts/README.md, {name}", "exec"), names)  # noqa: S102 our own documentation
    return names


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[str]:
    """A broker of its own with every example of the topic, each said twice, between records of Said."""
    server = servers.broker(tmp_path)
    await server.start()
    try:
        await make_topics(server.address, ["escalations"], PARTITIONS)
        async with AIOKafkaProducer(bootstrap_servers=server.address, acks="all") as producer:
            for path in sorted((CONTRACTS / "examples").glob("escalations.*/*.json")):
                value = path.read_bytes()
                key = None if ".said." in path.parent.name else b"escalation:d"
                for _ in range(2):
                    await producer.send_and_wait("escalations", value, key=key)
        yield server.address
    finally:
        await server.stop()


class Heard:
    """What a subscriber was asked to do."""

    def __init__(self) -> None:
        self.raised: list[dict[str, Any]] = []

    async def __call__(self, source: str, identity: str, raised: dict[str, Any]) -> None:
        """Remember it."""
        assert source.startswith("/zeren/")
        assert identity.startswith("escalation:")
        self.raised.append(raised)

    def is_all(self) -> bool:
        return len(self.raised) == 2 * len(list((CONTRACTS / "examples" / RAISED).glob("*.json")))


async def ended(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_subscriber_with_aiokafka_hears_each_escalation_that_was_raised(broker: str) -> None:
    heard = Heard()
    task = asyncio.create_task(block("listen")["listen"](broker, heard))
    await eventually(heard.is_all)
    await ended(task)


async def test_the_subscriber_with_faststream_hears_each_escalation_that_was_raised(broker: str) -> None:
    heard = Heard()
    application = block("application")["application"](broker, heard)
    task = asyncio.create_task(application.run())
    await eventually(heard.is_all)
    application.exit()
    await task


async def test_replay_from_a_date_gives_what_was_said_since(broker: str) -> None:
    found = 0
    async with AIOKafkaConsumer(bootstrap_servers=broker) as consumer:
        await block("replay")["replay"](consumer, datetime(2026, 1, 1, tzinfo=UTC))
        async with asyncio.timeout(20):
            while found < 2 * len(list((CONTRACTS / "examples" / RAISED).glob("*.json"))):
                record = await consumer.getone()
                found += RAISED.encode() in record.value


async def test_the_settings_for_a_secured_broker_are_taken_by_both_libraries() -> None:
    names = block("for_aiokafka")
    plain = names["for_aiokafka"]("my-team", "secret", certifi.where())
    consumer = AIOKafkaConsumer(bootstrap_servers="localhost:9092", **plain)
    assert consumer._client._security_protocol == "SASL_SSL"
    await consumer.stop()

    secured = names["for_faststream"]("my-team", "secret", certifi.where())
    assert parse_security(secured).items() >= {**plain, "ssl_context": secured.ssl_context}.items()


async def test_a_duty_is_brought_and_fulfilled_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, request.headers["authorization"]))
        return httpx.Response(201, json={"duty": "training.lesson-1"})

    class Client(httpx.AsyncClient):
        def __init__(self, **more: Any) -> None:
            super().__init__(transport=httpx.MockTransport(answer), **more)

    names = block("bring")
    monkeypatch.setattr(httpx, "AsyncClient", Client)
    await names["bring"]("http://reporting", "t")
    paths = ["/v1/duties", "/v1/duties/training.lesson-1/fulfilments"]
    assert asked == [(path, "Bearer t") for path in paths]
