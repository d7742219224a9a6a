"""The import command against a directory inside the test."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from deploy.importing.run import Options, import_file
from deploy.importing.view import View
from tests.support.running import Running

Deliver = Callable[[], httpx.Response]
Meddle = Callable[[int, Deliver], httpx.Response | None]
"""Comes between a request, told by its number, and the directory: may answer, raise, deliver or let pass."""


class Bridge(httpx.BaseTransport):
    """Hands the requests of a program in another thread to a service in the test's loop."""

    def __init__(self, running: Running, meddle: Meddle | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._running = running
        self._meddle = meddle
        self._loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # type: ignore[explicit-override]
        self.requests.append(request)
        deliver = partial(self._deliver, request)
        return (self._meddle and self._meddle(len(self.requests), deliver)) or deliver()

    def _deliver(self, request: httpx.Request) -> httpx.Response:
        """Let the directory answer."""
        answering = self._running.http.request(
            request.method, str(request.url), content=request.read(), headers=request.headers
        )
        answer = asyncio.run_coroutine_threadsafe(answering, self._loop).result(30)
        return httpx.Response(answer.status_code, content=answer.content)

    @property
    def posted(self) -> list[httpx.Request]:
        """Return the parts that were sent."""
        return [request for request in self.requests if request.method == "POST"]


@dataclass
class Ran:
    """What came of one run of the command."""

    status: int
    text: str
    bridge: Bridge = field(repr=False)

    @property
    def lines(self) -> list[str]:
        """Return what was printed, line by line."""
        return self.text.splitlines()


async def run(running: Running, options: Options, *, meddle: Meddle | None = None, unit: str = "") -> Ran:
    """Run the command to its end."""
    text, bridge = io.StringIO(), Bridge(running, meddle)

    def connect(root: str) -> httpx.Client:
        headers = running.token("operator", unit=unit or root)
        return httpx.Client(transport=bridge, base_url="http://directory", headers=headers)

    def work() -> int:
        with View(Console(file=text, width=500)) as view:
            return import_file(options, connect, view)

    return Ran(await asyncio.to_thread(work), text.getvalue(), bridge)


def a_file(folder: Path, text: str, name: str = "units.csv") -> Path:
    """Return a file of its own."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path
