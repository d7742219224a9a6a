"""Tasks that end when they are told to."""

import asyncio
from collections.abc import Sequence
from typing import Any

CANCELLED_AGAIN_AFTER = 0.5
"""Seconds of real time."""


async def end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel tasks until they have ended; what they raise stays with them.

    Once is not enough: Motor may take a cancellation for a lost connection, and aiokafka's ``close`` swallows
    one that reaches it while it waits for a task of its own.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCELLED_AGAIN_AFTER)
