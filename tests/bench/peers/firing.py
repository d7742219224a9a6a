"""How a task of a peer fires one duty: a row, then its fact, and it is done once that is acknowledged."""

import threading
from typing import Any

from confluent_kafka import Producer
from pymongo import MongoClient

from tests.bench.peers.contestant import DATABASE, TOPIC, Day, fact


class Firing:
    """One database client and one producer for all threads of a worker process."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._time = f"{day.moment:%Y-%m-%dT%H:%M:%S.%fZ}"

    def connect(self) -> None:
        """Connect, before the instant: who only lays tasks down need not."""
        client: MongoClient[Any] = MongoClient(self._day.mongo)
        client.admin.command("ping")
        self._rows = client[DATABASE].get_collection("rows", write_concern=self._day.concern)
        options = {
            "bootstrap.servers": self._day.kafka,
            "acks": "all",
            "linger.ms": 1,  # what threads say within a millisecond goes out together
            "partitioner": "murmur2_random",  # the contract's
        }
        self._producer = Producer(options)
        self._producer.list_topics(TOPIC)
        threading.Thread(target=self._hear, daemon=True).start()

    def fire(self, duty: str) -> None:
        """Insert the duty's row and publish its fact."""
        value = fact(duty, self._time)
        self._rows.insert_one({"_id": duty, "fact": value})
        said, errors = threading.Event(), []

        def on_delivery(error: Any, _: Any) -> None:
            if error is not None:
                errors.append(error)
            said.set()

        self._producer.produce(TOPIC, value, duty, on_delivery=on_delivery)
        said.wait()
        if errors:
            raise RuntimeError(str(errors[0]))

    def _hear(self) -> None:
        while True:
            self._producer.poll(1.0)
