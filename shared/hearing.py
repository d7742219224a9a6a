"""What a process hears with: subscribers to one incarnation of the broker's data, made anew for the next."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from shared.consumer import Heard
from shared.kafka import LOOKED_EVERY
from shared.relay import BrokerUnavailableError, NoTopicsError

log = structlog.get_logger()


class Ears(Protocol):
    """Subscribers that hear one incarnation; once put down they are not used again."""

    async def start(self) -> None:
        """Begin to hear."""

    async def stop(self) -> None:
        """End, with the batch at hand."""

    async def rewind(self) -> None:
        """Go back to the beginning of a partition that ends before what was read of it."""

    async def lag(self) -> Mapping[str, int]:
        """Return how many records of each topic are not read yet, as of the last fetch."""


class Hearing:
    """Hears a broker for as long as the process lives, whatever becomes of the broker's data."""

    def __init__(
        self,
        heard: Heard,
        *,
        looks: Callable[[], Awaitable[str]],
        make_topics: Callable[[], Awaitable[str]],
        listen: Callable[[], Ears],
        on_replaced: Callable[[], Awaitable[None]],
    ) -> None:
        """Hear through what *listen* makes; *looks* asks which incarnation the broker holds.

        ``heard`` bears the incarnation that is heard.
        *on_replaced* is called when nothing of the old one is at hand any more, before the new one is heard.
        """
        self._heard = heard
        self._looks = looks
        self._make_topics = make_topics
        self._listen = listen
        self._on_replaced = on_replaced
        self._ears: Ears | None = None
        self._is_wanted = False
        self._turn = asyncio.Lock()

    @property
    def is_up(self) -> bool:
        """Tell whether the broker is heard."""
        return self._ears is not None

    async def start(self) -> None:
        """Begin to hear; if the broker is away, as soon as it is back."""
        async with self._turn:
            self._is_wanted = True
            with suppress(BrokerUnavailableError):
                await self._put_up()

    async def stop(self) -> None:
        """Hear no more."""
        async with self._turn:
            self._is_wanted = False
            await self._put_down()

    async def lag(self) -> Mapping[str, int]:
        """Return how many records of each topic are not read yet; of none while the broker is not heard."""
        return {} if self._ears is None else await self._ears.lag()

    async def watch(self) -> None:
        """Look every so often what the broker holds, until cancelled."""
        while True:
            await asyncio.sleep(LOOKED_EVERY)
            with suppress(BrokerUnavailableError):
                await self.look()

    async def look(self) -> None:
        """If the broker holds other data, or none, hear what it holds now from its beginning.

        Raises:
            BrokerUnavailableError: it is away; what could not be done is done at the next look.
            TopicMismatchError: somebody else made one of our topics meanwhile, and not as agreed.
        """
        async with self._turn:
            found: str | None = None
            with suppress(NoTopicsError):
                found = await self._looks()
            if found is None or found != self._heard.incarnation:
                found = await self._make_topics()
            if found != self._heard.incarnation:
                log.warning("broker_replaced", before=self._heard.incarnation, now=found)
                await self._put_down()
                await self._on_replaced()
                self._heard.begin(found)
            if self._ears is not None:
                await self._ears.rewind()
            elif self._is_wanted:
                await self._put_up()

    async def _put_up(self) -> None:
        ears = self._listen()
        try:
            await ears.start()
        except BrokerUnavailableError:
            await ears.stop()
            raise
        self._ears = ears

    async def _put_down(self) -> None:
        ears, self._ears = self._ears, None
        if ears is not None:
            await ears.stop()
