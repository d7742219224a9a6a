"""What the directory keeps of each unit and post, and what it can be asked to do."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from contracts.directory import (
    PostDefined,
    PostPlan,
    TenureEnded,
    TenureStarted,
    UnitClosed,
    UnitMoved,
    UnitPlaced,
    UnitRenamed,
)
from contracts.envelope import Fact
from contracts.refusal import Refusal

MAX_NAME = 200
CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
"""Codes become parts of ids, between ``/``, ``@``, ``.`` and ``:``."""
PERSON = re.compile(r"[0-9A-Za-z][0-9A-Za-z/_.:-]{0,127}")
"""An identifier, never a name."""
DEFAULT_ZONE = "Asia/Shanghai"

FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (UnitPlaced, UnitRenamed, UnitMoved, UnitClosed, PostDefined, TenureStarted, TenureEnded)
}
"""Every type that may stand in the directory's ledger."""


def is_printable(name: str) -> bool:
    """Tell whether a name has no control characters; a private one is a rare character of some register."""
    return all(c.isprintable() or unicodedata.category(c) == "Co" for c in name)


@dataclass(frozen=True, slots=True)
class PlaceUnit:
    unit: str
    name: str
    kind: str
    parent: str | None
    same_level: str | None = None
    level: str = ""
    zone: str = DEFAULT_ZONE
    posts: tuple[PostPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class RenameUnit:
    unit: str
    name: str


@dataclass(frozen=True, slots=True)
class MoveUnit:
    unit: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class CloseUnit:
    unit: str


@dataclass(frozen=True, slots=True)
class DefinePost:
    post: str
    unit: str
    role: str
    rank_class: str
    portfolio: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StartTenure:
    post: str
    person: str
    from_at: datetime


@dataclass(frozen=True, slots=True)
class EndTenure:
    post: str
    person: str
    until_at: datetime


UnitCommand = PlaceUnit | RenameUnit | MoveUnit | CloseUnit
PostCommand = DefinePost | StartTenure | EndTenure
Command = UnitCommand | PostCommand
Decision = Sequence[Fact] | Refusal


class Status(StrEnum):
    ABSENT = "absent"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class UnitState:
    code: str
    status: Status = Status.ABSENT
    name: str = ""
    kind: str = ""
    parent: str | None = None
    same_level: str | None = None
    level: str = ""
    zone: str = DEFAULT_ZONE
    posts: tuple[PostPlan, ...] = ()
    state: Literal["unit"] = "unit"


@dataclass(frozen=True, slots=True)
class Tenure:
    """Who holds a post, in the half-open ``[from_at, until_at)``."""

    person: str
    from_at: datetime
    until_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PostState:
    """A post without a unit was not defined by a fact of its own; it may have come with its unit."""

    code: str
    unit: str | None = None
    role: str = ""
    rank_class: str = ""
    portfolio: tuple[str, ...] = ()
    tenures: tuple[Tenure, ...] = ()
    state: Literal["post"] = "post"


State = UnitState | PostState


def stream_of(command: Command) -> str:
    """Return the stream that a command is for."""
    match command:
        case DefinePost() | StartTenure() | EndTenure():
            return f"post:{command.post}"
        case _:
            return f"unit:{command.unit}"


def unit_of(command: Command) -> str:
    """Return the unit that a command is about: a post's code begins with its unit's."""
    match command:
        case DefinePost() | StartTenure() | EndTenure():
            return command.post.rpartition("/")[0]
        case _:
            return command.unit


def initial(stream: str) -> State:
    """Return the state of a stream that nobody has heard of."""
    prefix, _, code = stream.partition(":")
    if prefix == "unit":
        return UnitState(code)
    if prefix == "post":
        return PostState(code)
    raise ValueError(f"neither a unit nor a post: {stream!r}")
