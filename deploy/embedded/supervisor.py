"""A small supervisor: the two embedded servers and every service as a process of its own."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from contracts.topics import PARTITIONS
from deploy.embedded.keys import make_keys
from deploy.embedded.servers import (
    HOST,
    PortTakenError,
    Server,
    ServerDiedError,
    broker,
    database,
    free_port,
    is_free,
    mongo_uri,
)
from shared.kafka import make_topics
from shared.relay import BrokerUnavailableError
from shared.service import topics
from shared.tasks import end

SERVICES = {"directory": 8101, "reporting": 8102, "reminders": 8103, "inspection": 8104, "scoring": 8105}
"""Each service and the port on which it likes to be found."""
_HTTP_GREETING = b"GET /live HTTP/1.0\r\n\r\n"
RESTARTS = 20
LOOKED_EVERY = 0.2
"""Seconds."""


class Stack:
    """Broker, database and services, with their data and logs in one folder."""

    def __init__(
        self, folder: Path, *, clock: str = "story", restarts: int = RESTARTS, other: Server | None = None
    ) -> None:
        """Prepare the stack in *folder*, with the embedded broker or another; nothing is started yet.

        Who has ended more than *restarts* times is not started again.
        """
        self.folder = folder
        self.keys = folder / "keys"
        self.heads = folder / "heads"
        self.broker = other or broker(folder / "logs")
        self.database = database(folder)
        self.database.log = folder / "logs" / "database.log"
        self.services: dict[str, Server] = {}
        self.restarts: dict[str, int] = {}
        self._clock = clock
        self._allowed = restarts
        self._watch: list[asyncio.Task[None]] = []

    @property
    def children(self) -> dict[str, Server]:
        """Return everything that is kept up, by name."""
        return {self.broker.name: self.broker, self.database.name: self.database, **self.services}

    @property
    def mongo_uri(self) -> str:
        """Return the address of the database."""
        return mongo_uri(self.database)

    async def start_servers(self) -> None:
        """Start broker and database and make the topics."""
        for folder in (self.folder, self.heads):
            folder.mkdir(parents=True, exist_ok=True)
        make_keys(self.keys)
        await asyncio.gather(self.broker.start(), self.database.start())
        await make_topics(self.broker.address, topics(), PARTITIONS)

    async def start_services(self) -> None:
        """Start every service; from now on servers and services are kept up."""
        for name, port in SERVICES.items():
            self.services[name] = self._service(name, port if is_free(port) else free_port())
        await asyncio.gather(*(service.start() for service in self.services.values()))
        addresses = {"broker": self.broker.address, "database": self.mongo_uri} | {
            name: f"http://{service.address}" for name, service in self.services.items()
        }
        (self.folder / "addresses.json").write_text(json.dumps(addresses, indent=2) + "\n")
        self._watch = [asyncio.create_task(self._keep_up(child)) for child in self.children.values()]

    def replica(self, name: str) -> Server:
        """Return another process of a service, which nobody keeps up."""
        return self._service(name, free_port())

    def _service(self, name: str, port: int) -> Server:
        settings: Mapping[str, str] = {
            "MONGO_URI": self.mongo_uri,
            "KAFKA_ADDRESS": self.broker.address,
            "KAFKA_SESSION": "PT3S",
            "HTTP_HOST": HOST,
            "HTTP_PORT": str(port),
            "PUBLIC_KEY": str((self.keys / "public.pem").resolve()),
            "HEADS": str((self.heads / name).resolve()),
            "CLOCK": self._clock,
            # Said comes at each jump and after what follows from it; besides, each one slows the broker down.
            "SAID_EVERY": "PT2S",
            "SAID_SOON": "PT0.03S",
            "LOG_JSON": "true",
        }
        environment = {f"{name.upper()}_{key}": value for key, value in settings.items()}
        command = [sys.executable, "-m", f"services.{name}"]
        return Server(name, port, command, _HTTP_GREETING, self.folder / "logs" / f"{name}.log", environment)

    async def _keep_up(self, child: Server) -> None:
        """Start a child again that has ended; give up on one that keeps ending."""
        while self.restarts.get(child.name, 0) < self._allowed:
            await asyncio.sleep(LOOKED_EVERY)
            if not child.is_running:
                self.restarts[child.name] = self.restarts.get(child.name, 0) + 1
                with suppress(ServerDiedError, PortTakenError, BrokerUnavailableError):
                    await self._start_again(child)

    async def _start_again(self, child: Server) -> None:
        """Start a child that has ended; a broker has its topics before the services see that it is back.

        What a producer still had under way for a topic that is not there would spoil its partition.
        """
        await child.start()
        if child is self.broker:
            await make_topics(self.broker.address, topics(), PARTITIONS)

    async def stop_services(self) -> None:
        """Stop the services: each says what it has to say, writes its states and ends."""
        await end(self._watch)
        await asyncio.gather(*(service.stop() for service in self.services.values()))

    async def stop(self) -> None:
        """Stop the services, then the servers."""
        await self.stop_services()
        await asyncio.gather(self.broker.stop(), self.database.stop())
