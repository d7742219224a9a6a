"""Waiting for something that others do, never longer than is reasonable."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from shared.clock import monotonic

PATIENCE = 20.0
GLANCE = 0.02


async def eventually(condition: Callable[[], Any], *, within: float = PATIENCE, every: float = GLANCE) -> Any:
    """Return what *condition*, a function or a coroutine function, gives as soon as it is true."""
    until = monotonic() + within
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if monotonic() > until:
            raise AssertionError(f"not within {within} s: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(every)
