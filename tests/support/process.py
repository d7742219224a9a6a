"""Services that run inside the test as they would in processes of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import structlog

from deploy.embedded.keys import make_keys
from deploy.embedded.servers import HOST, free_port
from shared.service import Plan, Service
from shared.settings import Settings
from tests.support.eventually import eventually

Build = Callable[[Service[Any]], Plan[Any]]
S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], folder: Path, *, broker_address: str, mongo_uri: str, **more: Any) -> S:
    """Return the settings of a service on these servers, with its key in *folder*."""
    return kind(
        mongo_uri=mongo_uri,
        kafka_address=broker_address,
        kafka_session=timedelta(seconds=3),
        http_host=HOST,
        http_port=free_port(),
        public_key=make_keys(folder),
        said_every=timedelta(milliseconds=50),
        said_soon=timedelta(milliseconds=5),
        log_json=True,
        **more,
    )


class Process:
    """A running service and the way to it."""

    def __init__(self, service: Service[Any], build: Build) -> None:
        self.service = service
        self.plan = build(service)
        self.task: asyncio.Task[None] = asyncio.create_task(service.run(self.plan))
        address = f"http://{service.settings.http_host}:{service.settings.http_port}"
        self.http = httpx.AsyncClient(base_url=address, timeout=20)

    async def until_ready(self) -> "Process":
        """Wait until the service answers that it can do its work."""
        await eventually(self.is_ready, every=0.1)
        return self

    async def is_ready(self) -> bool:
        """Tell whether the service answers that it can do its work; raise what it died of."""
        if self.task.done():
            self.task.result()
        try:
            return (await self.http.get("/ready")).is_success
        except httpx.TransportError:
            return False

    async def stop(self) -> None:
        """Ask the service to stop and wait until it has; raise what it died of."""
        self.service.stop()
        try:
            await self.task
        finally:
            await self.http.aclose()
            structlog.reset_defaults()


@asynccontextmanager
async def running(service: Service[Any], build: Build) -> AsyncIterator[Process]:
    """Keep a service up inside the block."""
    process = Process(service, build)
    try:
        yield await process.until_ready()
    finally:
        await process.stop()
