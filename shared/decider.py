"""What a service brings to the shell: a pure rule; and what goes into it and comes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from contracts.envelope import Fact
from contracts.refusal import Refusal as Refusal
from shared.state import Inbound, Shape, TextErased

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decider(Generic[S]):
    """A service's rule and the shape of what it decides on."""

    decide: Callable[[S, Any, datetime], Sequence[Fact] | Refusal]
    """Return the facts that a command makes true, none if it changes nothing; pure."""
    shape: Shape[S]
    brief: Callable[[Fact], Any] = lambda _: None
    """Return what a caller wants to know of a fact; to hold the facts of a whole burst slows it down."""
    ahead: Callable[[str, S], "Ahead | None"] | None = None
    """Return what a stream of this state will be asked at its moment; None if that cannot be told."""


@dataclass(frozen=True, slots=True)
class Park:
    """The wish to keep a record that cannot be read or applied; what follows on its stream joins it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replay:
    """The wish of an operator to take the first dead letter of a stream out and to apply it, in one entry."""

    read: Callable[[Inbound], "Request | None"]
    """Returns what the record asks for; None takes it out and does nothing."""


@dataclass(frozen=True, slots=True)
class Erase:
    """The wish to say that words of people were erased; a stream with dead letters takes it as well."""

    fact: TextErased


class Request(NamedTuple):
    """One command for one stream."""

    stream: str
    command: Any
    cause: str
    """The identity of the fact or request behind it."""
    correlation: str = ""
    """The story it belongs to; the stream's own is kept once it has one."""
    source: tuple[str, int] | None = None
    """The stream and sequence of the fact heard; such a request is remembered and done once."""
    record: Inbound | None = None
    """The record it came from, so that it can be parked."""
    is_ours: bool = False
    """The record is a fact that a service of ours has said: as a dead letter, a topic may carry it again."""


class Ahead(NamedTuple):
    """What a stream will be asked at its moment, and what it comes to if nothing changes before."""

    request: Request
    facts: Sequence[Fact]
    holds: Callable[[datetime], bool]
    """Tell whether *decide* would return the same facts at this moment, on the same state."""


class Outcome(NamedTuple):
    """What became of a request."""

    result: str
    """applied, nothing, duplicate, refused, failed, dead_letter or parked (behind a dead letter)."""
    briefs: tuple[Any, ...] = ()
    """What the decider's ``brief`` tells of each fact that was decided."""
    refusal: Refusal | None = None
    error: Exception | None = None
    state: Any = None
