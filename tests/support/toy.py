"""A rule that is not idempotent: it counts whatever it is given, and rings at moments it has promised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from contracts.envelope import Envelope, Fact
from shared.book import FAR
from shared.clock import from_micros, to_micros
from shared.decider import Ahead, Decider, Refusal, Request
from shared.state import Inbound, Shape


class Counted(Fact, topic="a", prefix="a", key="name"):
    """The first service has counted a request."""

    name: str
    count: int
    heard: str
    rings_at: int | None = None


class Rang(Counted, topic="a", prefix="a", key="name"):
    """A promised moment came in the first service; ``rings_at`` tells which."""


class Noted(Counted, topic="b", prefix="b", key="name"):
    """The second service has counted a fact of the first."""


class Chimed(Counted, topic="b", prefix="b", key="name"):
    """A promised moment came in the second service."""


@dataclass(frozen=True)
class Toy:
    """How much was counted, and the moments at which to ring."""

    name: str
    count: int = 0
    rings: tuple[int, ...] = ()


@dataclass(frozen=True)
class Hear:
    """Something to be counted."""

    id: str
    number: int
    rings_in: int | None = None


@dataclass(frozen=True)
class Ring:
    """A moment that may have come."""


def evolve(state: Toy, fact: Fact) -> Toy:
    """Count the fact."""
    match fact:
        case Rang() | Chimed():
            rings = list(state.rings)
            rings.remove(fact.rings_at or 0)
            return replace(state, count=state.count + 1, rings=tuple(rings))
        case Counted(rings_at=None):
            return replace(state, count=state.count + 1)
        case Counted(rings_at=moment):
            return replace(state, count=state.count + 1, rings=(*state.rings, moment or 0))
        case _:
            raise TypeError(fact)


def ring_of(stream: str) -> Request:
    """Return the request that a stream ring, its moment having come."""
    return Request(stream, Ring(), f"ring:{stream}")


def toy(
    counted: type[Counted], rang: type[Counted], is_broken: Callable[[Hear], bool] = lambda _: False
) -> Decider[Toy]:
    """Return the rule, saying its facts as *counted* and *rang*; it fails where *is_broken*."""

    def decide(state: Toy, command: Hear | Ring, now: datetime) -> Sequence[Fact] | Refusal:
        if isinstance(command, Ring):
            due = [moment for moment in sorted(state.rings) if moment <= to_micros(now)]
            return [
                rang(name=state.name, count=state.count + n, heard="ring", rings_at=moment)
                for n, moment in enumerate(due, 1)
            ]
        if is_broken(command):
            raise ArithmeticError(command.id)
        if command.number % 5 == 1 and state.count % 2:
            return []
        if command.number % 5 == 2 and state.count % 2:
            return Refusal("odd", "The count is odd.", "计数为奇数。")
        rings_at = None if command.rings_in is None else to_micros(now) + command.rings_in
        told = [counted(name=state.name, count=state.count + 1, heard=command.id, rings_at=rings_at)]
        if command.number % 5 == 3:
            told.append(counted(name=state.name, count=state.count + 2, heard=command.id))
        return told

    def ahead(stream: str, state: Toy) -> Ahead | None:
        if not state.rings:
            return None
        first = min(state.rings)
        then = min((moment for moment in state.rings if moment > first), default=FAR)
        facts = decide(state, Ring(), from_micros(first))
        assert not isinstance(facts, Refusal)
        return Ahead(ring_of(stream), facts, lambda now: first <= to_micros(now) < then)

    shape = Shape(
        initial=lambda stream: Toy(stream.partition(":")[2]),
        evolve=evolve,
        adapter=TypeAdapter(Toy),
        facts={fact.type: fact for fact in (counted, rang)},
        wake_at=lambda state: min(state.rings, default=None),
        view=lambda state: {"count": state.count},
    )
    return Decider(decide, shape, lambda fact: fact, ahead)


def on_a(envelope: Envelope, fact: Fact, _: Inbound) -> Request | None:
    """Let the second service hear the first."""
    if not isinstance(fact, Counted):
        raise TypeError(fact)
    rings_in = {0: 400, 2: 9_000}.get(envelope.sequence % 4)
    return Request(
        f"b:{fact.name}", Hear(envelope.id, envelope.sequence, rings_in), envelope.id, envelope.correlationid
    )


def stream_of_a(key: str) -> str:
    """Return the stream of the second service that a key of the first speaks of."""
    return f"b:{key.partition(':')[2]}"
