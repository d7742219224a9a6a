"""Bring a duty from outside and see it escalate: `.venv/bin/python -m deploy.embedded.foreign_duty`.

It wants a `make run` whose story is over; of the services it knows HTTP, one topic and its token.
"""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer

from deploy.embedded.keys import make_token
from shared.access import Identity


async def main(data: Path = Path(".data")) -> None:
    """Open a duty that is due in five seconds, fulfil it never, and print who is told."""
    at = json.loads((data / "addresses.json").read_text())
    me = Identity(sub="training", unit="330305", roles=("duties:lesson",))
    headers = {"Authorization": f"Bearer {make_token(data / 'keys', me)}"}
    async with (
        AIOKafkaConsumer("escalations", bootstrap_servers=at["broker"]) as consumer,
        httpx.AsyncClient(base_url=at["reporting"], headers=headers, timeout=60) as http,
    ):
        now = (await http.get("/v1/progress")).json()["now"]  # microseconds of business time
        due_at = datetime.fromtimestamp(now / 1e6 + 5, UTC)
        lesson = {"id": f"lesson-{now}", "kind": "lesson", "line": "main", "period": "2026"}
        who = {"unit": "330305101", "recipient": "330305", "due_at": due_at.isoformat()}
        answer = (await http.post("/v1/duties", json=lesson | who)).raise_for_status().json()
        print(answer["duty"], "due", answer["due_at"])
        async with asyncio.timeout(30):
            async for record in consumer:
                fact = json.loads(record.value)
                if fact["data"].get("duty") == answer["duty"]:
                    print(fact["time"], fact["type"], fact["data"].get("post", ""))
                    if fact["type"] == "escalations.escalation-raised.v1":
                        return


if __name__ == "__main__":
    asyncio.run(main())
