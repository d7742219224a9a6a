"""The embedded servers give back what they are given, and leave with who started them."""

import os
import select
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from motor.motor_asyncio import AsyncIOMotorClient

from deploy.embedded import servers
from deploy.embedded.supervisor import Stack
from shared.clock import EPOCH, Reading
from shared.kafka import read_incarnation
from shared.mongo import ClockDocument, connect, disconnect

ROOT = Path(__file__).parents[2]
START_AND_WAIT = """
import asyncio, pathlib, sys
from deploy.embedded import servers
server = servers.broker(pathlib.Path(sys.argv[1]))
asyncio.run(server.start())
print(server.pid, flush=True)
sys.stdin.read()
"""


async def test_a_record_that_goes_in_comes_back(broker_address: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker_address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("there-and-back", 1, 1)])
    finally:
        await admin.close()

    async with AIOKafkaProducer(bootstrap_servers=broker_address, enable_idempotence=False) as producer:
        await producer.send_and_wait("there-and-back", value=b"a fact", key=b"a stream")

    async with AIOKafkaConsumer(bootstrap_servers=broker_address, auto_offset_reset="earliest") as consumer:
        partition = TopicPartition("there-and-back", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        record = await consumer.getone()
    assert (record.key, record.value) == (b"a stream", b"a fact")


async def test_a_document_that_goes_in_comes_back(mongo_uri: str) -> None:
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(mongo_uri)
    pages = client["there_and_back"]["pages"]
    try:
        await pages.insert_one({"_id": "book/1", "actor": "洞头区"})
        assert await pages.find_one({"_id": "book/1"}) == {"_id": "book/1", "actor": "洞头区"}
    finally:
        client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_a_broker_that_is_started_again_has_its_topics_at_once(tmp_path: Path) -> None:
    """Else what a producer still had under way for a topic that is not there would spoil its partition."""
    stack = Stack(tmp_path)
    try:
        await stack.start_servers()
        before = await read_incarnation(stack.broker.address)
        stack.broker.kill()
        await stack._start_again(stack.broker)
        now = await read_incarnation(stack.broker.address)
    finally:
        await stack.stop()
    assert None not in {before, now}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_the_storys_clock_is_where_it_was_set_after_its_database_was_killed(tmp_path: Path) -> None:
    """Else those who had seen the moment would wait for ever for those who have to read it again."""
    server = servers.database(tmp_path)
    client = connect(servers.mongo_uri(server))
    clock = ClockDocument(client)
    try:
        await server.start()
        await clock.write(Reading(EPOCH, EPOCH))
        for day in range(1, 4):
            reading = Reading(EPOCH, EPOCH + timedelta(days=day))
            await clock.write(reading)
            server.kill()
            await server.start()
            assert await clock.read() == reading
    finally:
        await disconnect(client)
        await server.stop()


def test_a_server_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout is not None
        handle = os.pidfd_open(int(starter.stdout.readline()))
        starter.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([handle], [], [], 10)
    os.close(handle)
    assert ended == [handle]
