"""Keep a to-do list of escalations that survives `kill -9` at any instant; needs aiokafka with zstd only.

What a fact does, and that it was done, is one transaction; only then is the offset committed.
"""

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import CommitFailedError, IllegalStateError

TABLES = """
create table if not exists seen (source text, id text, primary key (source, id));
create table if not exists todo (number integer primary key, duty text, rung integer, post text, state text);
create table if not exists unread (partition integer, offset integer, reason text,
                                   primary key (partition, offset));
"""
ENDED = {
    "escalations.escalation-resolved.v1": "done late",
    "escalations.escalation-withdrawn.v1": "withdrawn",
    "escalations.duty-miss-withdrawn.v1": "withdrawn",
}
RAISED = "escalations.escalation-raised.v1"


def opened(path: str) -> sqlite3.Connection:
    """Return the database, with its tables."""
    database = sqlite3.connect(path)
    database.executescript("pragma journal_mode = wal;" + TABLES)
    return database


def apply(database: sqlite3.Connection, records: Iterable[ConsumerRecord]) -> None:
    """Do what *records* ask for, each fact once, all or none."""
    with database:
        for record in records:
            try:
                fact = json.loads(record.value)
                wanted = fact["type"] == RAISED or fact["type"] in ENDED
                if wanted and _is_new(database, fact):
                    _act(database, fact["type"], fact["data"])
            except (ValueError, KeyError, TypeError) as error:  # one bad record must not stop the others
                place = (record.partition, record.offset, type(error).__name__)
                database.execute("insert or ignore into unread values (?, ?, ?)", place)


def _is_new(database: sqlite3.Connection, fact: dict[str, Any]) -> bool:
    """Only of types that are acted on: a newer version of a type comes first, with the same id."""
    key = (fact["source"], fact["id"])
    return database.execute("insert or ignore into seen values (?, ?)", key).rowcount == 1


def _act(database: sqlite3.Connection, kind: str, data: dict[str, Any]) -> None:
    if kind == RAISED:
        row = (data["duty"], data["rung"], data["post"])
        database.execute("insert into todo (duty, rung, post, state) values (?, ?, ?, 'open')", row)
        return
    ended = (ENDED[kind], data["duty"])
    database.execute("update todo set state = ? where duty = ? and state = 'open'", ended)


async def subscribe(broker: str, group: str, path: str, session_ms: int) -> None:
    """Apply what comes, for ever."""
    database = opened(path)
    consumer = AIOKafkaConsumer(
        "escalations",
        bootstrap_servers=broker,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 3,
    )
    async with consumer:
        while True:
            batches = await consumer.getmany(timeout_ms=1000, max_records=500)
            if not batches:
                continue
            apply(database, (record for batch in batches.values() for record in batch))
            offsets = {partition: batch[-1].offset + 1 for partition, batch in batches.items()}
            with suppress(CommitFailedError, IllegalStateError):  # the partition has moved: it comes again
                await consumer.commit(offsets)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", default="localhost:9092", help="host:port / 消息服务器地址")
    parser.add_argument("--group", default="my-team-todo", help="your consumer group / 消费组名称")
    parser.add_argument("--database", default="escalations.sqlite", help="your file / 数据文件")
    parser.add_argument("--session-ms", type=int, default=10_000, help="session timeout / 会话超时（毫秒）")
    asked = parser.parse_args()
    asyncio.run(subscribe(asked.broker, asked.group, asked.database, asked.session_ms))


if __name__ == "__main__":
    main()
