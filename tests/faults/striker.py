"""Strikes one process or several while the story runs, and measures how long the stack needs to recover."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from deploy.embedded.client import StuckError
from deploy.embedded.servers import GLANCE, Server
from deploy.embedded.story import Story
from deploy.embedded.supervisor import Stack
from shared.clock import monotonic, real_now
from shared.kafka import read_incarnation
from tests.faults.strikes import Blow, Kind, Strike


@dataclass(slots=True)
class Record:
    """What has struck, and how long it took until all was well again."""

    strikes: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    volleys: Counter[int] = field(default_factory=Counter)
    """How often so many were killed before anybody had recovered."""
    longest: float = 0.0
    longest_after: str = ""

    def note(self, strike: Strike, seconds: float) -> None:
        """Count a strike from which the stack has recovered."""
        self.strikes.update(strike.struck)
        if strike.then:
            self.volleys[len(strike.struck)] += 1
        if seconds > self.longest:
            self.longest, self.longest_after = seconds, told(strike)


class Striker:
    """The one who strikes; the supervisor starts again what he has killed."""

    def __init__(
        self,
        stack: Stack,
        story: Story,
        strikes: Iterator[Strike],
        record: Record,
        *,
        is_restless: bool = False,
    ) -> None:
        """Strike *stack* while *story* runs, and note it in *record*; who is restless lets it not settle."""
        self._is_restless = is_restless
        self._stack, self._story, self._strikes, self._record = stack, story, strikes, record
        self._held: list[Strike] = []
        self.may_lose_records = asyncio.Event()
        """Set once the broker may die: till then it alone holds what a foreign system has brought."""
        self.is_ended = False

    async def run(self) -> None:
        """Strike until there is nothing left to strike with, or until told to end."""
        while not self.is_ended and (strike := await self._next()) is not None:
            await asyncio.sleep(strike.after)
            self._write(f"{real_now().isoformat()} {told(strike)}, {strike.seconds:.1f} s")
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
        blows, began = strike.then, monotonic()
        match strike.kind:
            case Kind.KILL:
                blows = (Blow(strike.victim), *blows)
            case Kind.STOP:
                began = await self._stop(self._stack.children[strike.victim], strike.seconds)
            case Kind.JOIN_AND_LEAVE | Kind.JOIN_AND_KILL:
                began = await self._join(strike)
        return await self._recovered(await self._kill(blows) if blows else began)

    async def _kill(self, blows: Sequence[Blow]) -> float:
        """Kill one after another, each while it runs, and see them run again; return when the last died."""
        struck: dict[str, int | None] = {}
        for blow in blows:
            child = self._stack.children[blow.victim]
            await self._until_runs(child, struck)
            await asyncio.sleep(blow.pause)
            await self._until_runs(child, struck)
            struck[child.name] = child.pid
            child.kill()
        began = monotonic()
        for name in struck:
            await self._until_runs(self._stack.children[name], struck)
        if "broker" in struck:
            # One that has lost its records is heard from its beginning: who has not noticed is not well.
            await self._until(self._is_heard, "somebody still hears the broker that was killed")
        return began

    async def _until_runs(self, child: Server, struck: dict[str, int | None]) -> None:
        async def runs() -> bool:
            return child.is_running and child.pid != struck.get(child.name)

        await self._until(runs, f"{child.name} is not started again")

    async def _stop(self, child: Server, seconds: float) -> float:
        """Let a process stand still; return when it went on."""
        child.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            child.resume()
        return monotonic()

    async def _join(self, strike: Strike) -> float:
        """Let another process join and leave; return when it was told to leave, or killed."""
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
        return began

    async def _recovered(self, began: float) -> float:
        """Wait until all are ready and, unless restless, the story has settled; return the seconds."""
        for server in (self._stack.broker, self._stack.database):
            await self._until(server.answers, f"{server.name} does not come back")
        await self._story.client.until_ready()
        ready_at = monotonic()
        if self._is_restless:
            return ready_at - began
        # How long that may take is the story's to say: it knows whether anything still moves.
        while self._story.clock.settled_at < ready_at:  # noqa: ASYNC110 - the clock sets no event
            await asyncio.sleep(GLANCE.total_seconds())
        return self._story.clock.settled_at - began

    async def _is_heard(self) -> bool:
        """Tell whether every service hears what the broker holds now."""
        if not await self._stack.broker.answers():
            return False
        try:
            held = await read_incarnation(self._stack.broker.address)
        except KafkaError:
            return False
        told = (await self._story.client.progress()).values()
        return held is not None and all(one is not None and one["incarnation"] == held for one in told)

    async def _until(self, condition: Callable[[], Awaitable[bool]], complaint: str) -> None:
        began = monotonic()
        while not await condition():
            if monotonic() - began > 2 * self._story.client.patience:
                raise StuckError(complaint)
            await asyncio.sleep(GLANCE.total_seconds())


def told(strike: Strike) -> str:
    """Return who is struck in words."""
    kills = "".join(f", then {blow.victim} +{blow.pause:.1f} s" for blow in strike.then)
    return f"{strike.kind} {strike.victim}{kills}"
