"""Runs in a container, as a subscriber: print the types of the facts about a duty, to the last wanted."""

import asyncio
import json
import sys
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from shared.cluster import Cluster, reached

SECRETS = Path("/run/secrets")


async def main(topic: str, duty: str, last: str, within: float) -> None:
    """Read *topic* from its beginning."""
    cluster = Cluster("kafka:9092", "subscriber", SECRETS / "kafka_password", SECRETS / "ca.pem")
    options = {"auto_offset_reset": "earliest", "group_id": f"subscriber.{duty}", "enable_auto_commit": False}
    async with asyncio.timeout(within), AIOKafkaConsumer(topic, **reached(cluster), **options) as consumer:
        async for record in consumer:
            fact = json.loads(record.value)
            if fact.get("data", {}).get("duty") == duty:
                print(fact["type"], flush=True)
                if fact["type"] == last:
                    return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
