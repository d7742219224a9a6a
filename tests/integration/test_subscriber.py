"""The example of another team's subscriber: killed at random instants, it does each thing once."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import pytest
from aiokafka import AIOKafkaProducer

from contracts.duties import Line
from contracts.envelope import Fact, encode
from contracts.escalations import DutyMissWithdrawn, EscalationRaised
from contracts.topics import PARTITIONS
from deploy.embedded import servers
from shared.ids import partition_of
from shared.kafka import make_topics
from tests.support.eventually import eventually
from tests.support.servers import running

SCRIPT = Path(__file__).parents[2] / "deploy" / "subscriber" / "subscriber.py"
AT = datetime(2026, 1, 5, 1, tzinfo=UTC)
KILLS = 4
AHEAD = 2000
"""Facts that are said and not yet heard, at most."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    with running(servers.broker(tmp_path)) as server:
        yield server.address


def a_raised(duty: str, rung: int = 0) -> EscalationRaised:
    return EscalationRaised(
        duty=duty,
        unit="330305101",
        line=Line.MAIN,
        rung=rung,
        level=0,
        role="handler",
        post="330305101/handler",
        person="p-1",
        due_at=AT,
        planned_at=AT,
    )


def bytes_of(fact: Fact, sequence: int) -> bytes:
    return encode(fact, source="/zeren/reminders", sequence=sequence, time=AT, correlation="c", cause="c")


async def say(producer: AIOKafkaProducer, key: str, value: bytes) -> None:
    place = partition_of(key, PARTITIONS)
    await producer.send_and_wait("escalations", value, key=key.encode(), partition=place)


class Subscriber:
    """The script in a process of its own, with no way to our packages."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.path, self.log = folder / "todo.sqlite", folder / "subscriber.log"
        asked = ["--broker", broker, "--database", str(self.path), "--session-ms", "1500"]
        self.command = [sys.executable, "-I", str(SCRIPT), *asked]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd="/", stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask(self, question: str) -> list[tuple]:
        """Ask its database, an empty answer if it has no tables so far."""
        if self.process is not None and self.process.poll() is not None and self.process.returncode > 0:
            raise AssertionError(self.log.read_text())
        with closing(sqlite3.connect(self.path, timeout=5)) as database:
            try:
                return database.execute(question).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise


@pytest.fixture
def subscriber(broker: str, tmp_path: Path) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker, tmp_path)
    yield subscriber
    if subscriber.process is not None and subscriber.process.poll() is None:
        subscriber.kill()


async def test_a_subscriber_killed_at_random_instants_does_each_thing_once(
    broker: str, subscriber: Subscriber
) -> None:
    await make_topics(broker, ["escalations"], PARTITIONS)
    random, said, done = Random(5), 0, asyncio.Event()

    def is_near() -> bool:
        return done.is_set() or said - count() < AHEAD

    async def speak() -> None:
        """Say facts until told otherwise, each of them twice, as a relay may."""
        nonlocal said
        async with AIOKafkaProducer(bootstrap_servers=broker, acks="all") as producer:
            while not done.is_set():
                fact = a_raised(f"d-{said}")
                for _ in range(2):
                    await say(producer, fact.subject, bytes_of(fact, 1))
                said += 1
                if said % 100 == 0:
                    await eventually(is_near, within=60)

    def count() -> int:
        return len(subscriber.ask("select id from seen"))

    def has(wanted: int) -> bool:
        return count() >= wanted

    speaking = asyncio.create_task(speak())
    for _ in range(KILLS):
        before = count()
        subscriber.start()
        await eventually(partial(has, before + random.randrange(1, 200)), within=30, every=0.001)
        await asyncio.sleep(random.uniform(0, 0.05))  # the instant is the random one, nothing waits for it
        subscriber.kill()
    done.set()
    await speaking
    subscriber.start()
    await eventually(lambda: count() >= said, within=30)

    todo = [duty for (duty,) in subscriber.ask("select duty from todo order by duty")]
    assert todo == sorted(f"d-{number}" for number in range(said))
    assert subscriber.ask("select * from unread") == []


async def test_a_subscriber_passes_over_what_it_does_not_know_and_takes_back_what_is_withdrawn(
    broker: str, subscriber: Subscriber
) -> None:
    await make_topics(broker, ["escalations"], PARTITIONS)
    key = a_raised("d").subject
    newer = json.loads(bytes_of(a_raised("d"), 1)) | {"type": "escalations.escalation-raised.v2"}
    withdrawn = DutyMissWithdrawn(duty="d", unit="330305101", fulfilled_at=AT, due_at=AT)
    async with AIOKafkaProducer(bootstrap_servers=broker, acks="all") as producer:
        await say(producer, key, b"no fact at all")
        await say(producer, key, json.dumps(newer).encode())  # it comes first, with the same id
        await say(producer, key, bytes_of(a_raised("d"), 1))
        await say(producer, key, bytes_of(withdrawn, 2))
    subscriber.start()

    await eventually(lambda: len(subscriber.ask("select id from seen")) == 2, within=30)

    assert subscriber.ask("select duty, rung, state from todo") == [("d", 0, "withdrawn")]
    assert len(subscriber.ask("select * from unread")) == 1
