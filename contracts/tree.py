"""How to read the topic ``directory``: a table of units, posts and tenures, and who is whose superior.

Everybody who hears ``directory`` keeps this table. It is guarded by sequence, so duplicates do no harm.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from contracts.directory import (
    PostDefined,
    TenureEnded,
    TenureStarted,
    UnitClosed,
    UnitMoved,
    UnitPlaced,
    UnitRenamed,
)
from contracts.envelope import Fact

_ROLE = re.compile(r"(?:superior(?:\((\d+)\))?\.)?([a-z_]+)")


@dataclass(slots=True)
class Unit:
    """One unit as the facts tell it."""

    code: str
    name: str
    kind: str
    parent: str | None
    same_level: str | None
    level: str
    zone: str
    is_closed: bool = False


@dataclass(slots=True)
class Tenure:
    """Who holds a post, in the half-open ``[from_at, until_at)``."""

    person: str
    from_at: datetime
    until_at: datetime | None = None


@dataclass(slots=True)
class Post:
    """One post and everybody who ever held it."""

    code: str
    unit: str
    role: str
    rank_class: str
    portfolio: tuple[str, ...]
    tenures: list[Tenure] = field(default_factory=list)

    def holder(self, at: datetime) -> str | None:
        """Return who holds the post at a moment, None if it is vacant."""
        for tenure in self.tenures:
            if tenure.from_at <= at and (tenure.until_at is None or at < tenure.until_at):
                return tenure.person
        return None


@dataclass(frozen=True, slots=True)
class Seat:
    """What a role resolves to at a moment; ``unit`` is None above the root, ``person`` if vacant."""

    level: int
    unit: str | None
    post: str | None
    person: str | None


def parse_role(role: str) -> tuple[int, str]:
    """Return how many levels up a role lies and its name there; raise ValueError if it is not one."""
    match = _ROLE.fullmatch(role)
    if match is None:
        raise ValueError(f"not a role: {role!r}")
    up = int(match[1] or 1) if role.startswith("superior") else 0
    return up, match[2]


class Tree:
    """The table; ``apply`` is its only writer."""

    def __init__(self) -> None:
        """Begin with an empty table."""
        self.units: dict[str, Unit] = {}
        self.posts: dict[str, Post] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._discipline: dict[str, str] = {}
        self._seats: dict[tuple[str, str], str] = {}
        self._versions: dict[str, int] = {}

    def apply(self, fact: Fact, sequence: int) -> None:
        """Take a fact of the topic in; one that is not newer than its stream is known already."""
        if sequence <= self._versions.get(fact.subject, 0):
            return
        self._versions[fact.subject] = sequence
        if isinstance(fact, PostDefined | TenureStarted | TenureEnded):
            self._apply_to_post(fact)
            return
        match fact:
            case UnitPlaced():
                self._place(fact)
            case UnitMoved():
                self._move(self.units[fact.unit], fact.parent)
            case UnitRenamed():
                self.units[fact.unit].name = fact.name
            case UnitClosed():
                self.units[fact.unit].is_closed = True
            case _:
                return

    def _apply_to_post(self, fact: PostDefined | TenureStarted | TenureEnded) -> None:
        match fact:
            case PostDefined():
                tenures = self.posts[fact.post].tenures if fact.post in self.posts else []
                self.posts[fact.post] = Post(
                    fact.post, fact.unit, fact.role, fact.rank_class, fact.portfolio, tenures
                )
                self._seats[fact.unit, fact.role] = fact.post
            case TenureStarted():
                self.posts[fact.post].tenures.append(Tenure(fact.person, fact.from_at))
            case TenureEnded():
                for tenure in self.posts[fact.post].tenures:
                    if tenure.person == fact.person and tenure.until_at is None:
                        tenure.until_at = fact.until_at

    def _place(self, fact: UnitPlaced) -> None:
        known = self.units.get(fact.unit)
        if known is not None and known.parent is not None:
            self._children[known.parent].pop(fact.unit, None)
        self.units[fact.unit] = Unit(
            fact.unit, fact.name, fact.kind, fact.parent, fact.same_level, fact.level, fact.zone
        )
        if fact.parent is not None:
            self._children.setdefault(fact.parent, {})[fact.unit] = None
        if fact.same_level is not None:
            self._discipline[fact.same_level] = fact.unit

    def _move(self, unit: Unit, parent: str | None) -> None:
        if unit.parent is not None:
            self._children[unit.parent].pop(unit.code, None)
        unit.parent = parent
        if parent is not None:
            self._children.setdefault(parent, {})[unit.code] = None

    def superior(self, code: str | None, levels: int = 1) -> str | None:
        """Return the unit so many levels above on its own line, None above the root."""
        for _ in range(levels):
            if code is None or code not in self.units:
                return None
            code = self.units[code].parent
        return code

    def committee_of(self, code: str) -> str:
        """Return the Party committee of a unit's level: the unit itself, or its same-level committee."""
        return self.units[code].same_level or code

    def discipline_of(self, code: str) -> str | None:
        """Return the discipline committee of a unit's level, None if there is none."""
        return code if self.units[code].same_level else self._discipline.get(code)

    def below(self, code: str) -> tuple[str, ...]:
        """Return the units directly below a unit on its own line, closed ones included."""
        return tuple(self._children.get(code, ()))

    def subtree(self, root: str) -> Iterator[Unit]:
        """Yield the open units at and below a Party committee, each followed by its discipline committee."""
        stack = [root]
        while stack:
            code = stack.pop()
            unit = self.units[code]
            if not unit.is_closed:
                yield unit
            discipline = self._discipline.get(code)
            if discipline is not None and not self.units[discipline].is_closed:
                yield self.units[discipline]
            stack.extend(reversed(self._children.get(code, {})))

    def is_within(self, code: str, root: str) -> bool:
        """Tell whether a unit, or its same-level committee, stands at or below *root*."""
        at: str | None = self.committee_of(code) if code in self.units else None
        root = self.committee_of(root) if root in self.units else root
        while at is not None:
            if at == root:
                return True
            at = self.units[at].parent if at in self.units else None
        return False

    def seat(self, code: str, role: str, at: datetime) -> Seat:
        """Return who answers for a role, seen from a unit, at a moment (architecture, "The ladder").

        Raises:
            KeyError: the unit, or one above it, is not known.
            ValueError: the role does not parse.
        """
        up, name = parse_role(role)
        if up or name == "discipline_head":
            start = self.discipline_of(code) if name == "discipline_head" else self.committee_of(code)
            unit = self.superior(start, up)
        else:
            unit = code
        if unit is None:
            return Seat(up, None, None, None)
        own = self.units[unit]
        if name == "head" and own.same_level is not None:
            name = "discipline_head"
        post = self._seats.get((unit, name))
        return Seat(up, unit, post, self.posts[post].holder(at) if post else None)
