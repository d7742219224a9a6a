"""Strikes one process at a time while the story runs, and measures how long the stack needs to recover."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from deploy.embedded.client import PATIENCE, StuckError
from deploy.embedded.servers import GLANCE, Server
from deploy.embedded.story import Story
from deploy.embedded.supervisor import Stack
from shared.clock import monotonic, real_now
from shared.kafka import read_incarnation
from tests.faults.strikes import Kind, Strike


@dataclass(slots=True)
class Record:
    """What has struck, and how long it took until all was well again."""

    strikes: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    longest: float = 0.0
    longest_after: str = ""

    def note(self, strike: Strike, seconds: float) -> None:
        """Count a strike from which the stack has recovered."""
        self.strikes[strike.kind, strike.victim] += 1
        if seconds > self.longest:
            self.longest, self.longest_after = seconds, f"{strike.kind} {strike.victim}"

    def count(self, *kinds: Kind) -> int:
        """Return how many strikes there were of some kinds."""
        return sum(count for (kind, _), count in self.strikes.items() if kind in kinds)


class Striker:
    """The one who strikes; the supervisor starts again what he has killed."""

    def __init__(self, stack: Stack, story: Story, strikes: Iterator[Strike], record: Record) -> None:
        """Strike *stack* while *story* runs, and note it in *record*."""
        self._stack, self._story, self._strikes, self._record = stack, story, strikes, record
        self._held: list[Strike] = []
        self.may_lose_records = asyncio.Event()
        """Set once the broker may die: till then it alone holds what a foreign system has brought."""
        self.is_ended = False

    async def run(self) -> None:
        """Strike until there is nothing left to strike with, or until told to end."""
        while not self.is_ended and (strike := await self._next()) is not None:
            await asyncio.sleep(strike.after)
            self._write(f"{real_now().isoformat()} {strike.kind} {strike.victim} {strike.seconds:.1f} s")
            seconds = await self._strike(strike)
            self._write(f"  well again after {seconds:.1f} s")
            self._record.note(strike, seconds)

    def _write(self, line: str) -> None:
        """Leave a trace beside the logs of the services."""
        with (self._stack.folder / "logs" / "strikes.log").open("a") as file:
            file.write(f"{line}\n")

    async def _next(self) -> Strike | None:
        if self._held and self.may_lose_records.is_set():
            return self._held.pop(0)
        for strike in self._strikes:
            if not strike.needs_records or self.may_lose_records.is_set():
                return strike
            self._held.append(strike)
        if not self._held:
            return None
        await self.may_lose_records.wait()
        return self._held.pop(0)

    async def _strike(self, strike: Strike) -> float:
        """Do it, wait until all is well again, and return the seconds from when it was over until then."""
        match strike.kind:
            case Kind.KILL:
                return await self._kill(strike.victim)
            case Kind.STOP:
                return await self._stop(self._stack.children[strike.victim], strike.seconds)
            case Kind.JOIN_AND_LEAVE | Kind.JOIN_AND_KILL:
                return await self._join(strike)

    async def _kill(self, name: str) -> float:
        child = self._stack.children[name]
        began, before = monotonic(), child.pid
        child.kill()
        while child.pid == before:
            self._bear(began, f"{name} is not started again")
            await asyncio.sleep(GLANCE.total_seconds())
        # A broker that has lost its records is heard from its beginning: who has not noticed is not well.
        while name == "broker" and not await self._is_heard():
            self._bear(began, "somebody still hears the broker that was killed")
            await asyncio.sleep(GLANCE.total_seconds())
        return await self._recovered(began)

    async def _stop(self, child: Server, seconds: float) -> float:
        child.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            child.resume()
        return await self._recovered(monotonic())

    async def _join(self, strike: Strike) -> float:
        name = f"another {strike.victim}"
        client, replica = self._story.client, self._stack.replica(strike.victim)
        try:
            await replica.start()
            client.add(name, replica.address)
            await client.until_ready(name)
            await asyncio.sleep(strike.seconds)
        finally:
            began = monotonic()
            if strike.kind is Kind.JOIN_AND_LEAVE:
                await replica.stop()
            replica.kill()
            if name in client.services:
                await client.remove(name)
        return await self._recovered(began)

    async def _recovered(self, began: float) -> float:
        """Wait until all are ready and the story has settled; return the seconds since *began*."""
        for server in (self._stack.broker, self._stack.database):
            while not await server.answers():
                self._bear(began, f"{server.name} does not come back")
        await self._story.client.until_ready()
        ready_at = monotonic()
        while self._story.clock.settled_at < ready_at:
            self._bear(began, "the story does not settle")
            await asyncio.sleep(GLANCE.total_seconds())
        return self._story.clock.settled_at - began

    async def _is_heard(self) -> bool:
        """Tell whether every service hears what the broker holds now."""
        try:
            held = await read_incarnation(self._stack.broker.address)
        except KafkaError:
            return False
        told = (await self._story.client.progress()).values()
        return held is not None and all(one is not None and one["incarnation"] == held for one in told)

    @staticmethod
    def _bear(began: float, complaint: str) -> None:
        if monotonic() - began > 2 * PATIENCE:
            raise StuckError(complaint)
