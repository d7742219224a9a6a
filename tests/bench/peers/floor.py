"""The floor: a plain loop over batches on the same two servers; nobody fires faster and still does the work.

It reads what is due ahead of the instant, `WINDOW` duties at most, and has their facts ready in memory:
to read a document takes the embedded database 0.1 ms or more. Nothing is written before the instant.
"""

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaProducer

from shared.ids import partition_of
from shared.mongo import connect
from tests.bench.peers.contestant import DATABASE, TOPIC, Day, fact

PAGE, WINDOW = 1_000, 100_000


async def load(day: Day) -> None:
    """Insert a document for each duty, indexed by the moment that it is due."""
    due = connect(day.mongo)[DATABASE]["due"]
    await due.create_index([("due_at", 1)])
    duties = day.duties()
    for first in range(0, len(duties), PAGE):
        await due.insert_many([{"_id": d, "due_at": day.moment} for d in duties[first : first + PAGE]])


async def work(day: Day) -> None:
    """Fire what is due, page by page: one is inserted while the one before is sent."""
    database = connect(day.mongo)[DATABASE]
    pages = await database.create_collection("pages", write_concern=day.concern)
    producer = AIOKafkaProducer(bootstrap_servers=day.kafka, acks="all", max_batch_size=1024 * 1024)
    await producer.start()
    due = database["due"].find({"due_at": {"$lte": day.moment}}).sort("due_at", 1).batch_size(PAGE)
    window = await _ahead(due, day)
    await asyncio.sleep(max(0.0, day.due_at - time.time()))
    sending: asyncio.Future[Any] = asyncio.gather()
    while window:
        page, window = window[:PAGE], window[PAGE:] or await _ahead(due, day)
        await pages.insert_one({"duties": [d for _, d, _ in page], "facts": [v for *_, v in page]})
        sending = asyncio.gather(sending, _send(producer, page, day.partitions))
    await sending
    await asyncio.Event().wait()  # its CPU is read while it is there


async def _ahead(due: Any, day: Day) -> list[tuple[int, bytes, bytes]]:
    said = f"{day.moment:%Y-%m-%dT%H:%M:%S.%fZ}"
    ids = [document["_id"] for document in await due.to_list(WINDOW)]
    return [(partition_of(d, day.partitions), d.encode(), fact(d, said)) for d in ids]


async def _send(producer: Any, page: list[tuple[int, bytes, bytes]], partitions: int) -> None:
    batches = [producer.create_batch() for _ in range(partitions)]
    for partition, key, value in page:
        batches[partition].append(timestamp=None, key=key, value=value)
    sent = [
        await producer.send_batch(b, TOPIC, partition=n) for n, b in enumerate(batches) if b.record_count()
    ]
    await asyncio.gather(*sent)
