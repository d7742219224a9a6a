"""The embedded servers for as long as tests need them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.embedded.servers import Server

DRIVERS = ("motor", "pymongo")
"""The database drivers that a service can be told to use."""


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Keep *server* up inside the block."""
    # A loop of its own, never made current: pytest-asyncio keeps the current one for the tests.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(server.start())
        try:
            yield server
        finally:
            runner.run(server.stop())
