"""How to read the topic ``directory``: a table of units, posts and tenures, and who is whose superior.

Everybody who hears ``directory`` keeps this table. It is guarded by sequence, so duplicates do no harm.
A unit and a post are two streams: a tenure may be heard before the unit that its post came with.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from contracts.directory import (
    PostDefined,
    PostPlan,
    TenureEnded,
    TenureStarted,
    UnitClosed,
    UnitFact,
    UnitMoved,
    UnitPlaced,
    UnitRenamed,
)
from contracts.envelope import Fact
from contracts.personal import shown

_ROLE = re.compile(r"(?:superior(?:\((\d+)\))?\.)?([a-z_]+)")


class UnknownCodeError(KeyError):
    """The directory has not said anything of this code."""


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
    posts: tuple[PostPlan, ...] = ()
    """The posts that came with it; units with the same ones share them."""
    version: int = 0
    """The sequence of the newest fact about it."""


@dataclass(slots=True)
class Tenure:
    """Who holds a post, in the half-open ``[from_at, until_at)``."""

    person: str
    from_at: datetime
    until_at: datetime | None = None


@dataclass(slots=True)
class Post:
    """One post and everybody who ever held it; made when it is asked for."""

    code: str
    unit: str
    role: str
    rank_class: str
    portfolio: tuple[str, ...]
    tenures: list[Tenure] = field(default_factory=list)

    def holder(self, at: datetime) -> str | None:
        """Return who holds the post at a moment, None if it is vacant."""
        return _holder(self.tenures, at)


def _holder(tenures: Iterable[Tenure], at: datetime) -> str | None:
    for tenure in tenures:
        if tenure.from_at <= at and (tenure.until_at is None or at < tenure.until_at):
            return tenure.person
    return None


class Seat(NamedTuple):
    """What a role resolves to at a moment; ``unit`` is None above the root, ``person`` if vacant."""

    level: int
    unit: str | None
    post: str | None
    person: str | None


@lru_cache(maxsize=1024)
def parse_role(role: str) -> tuple[int, str]:
    """Return how many levels up a role lies and its name there; raise ValueError if it is not one."""
    match = _ROLE.fullmatch(role)
    if match is None:
        raise ValueError(f"not a role: {role!r}")
    up = int(match[1] or 1) if role.startswith("superior") else 0
    return up, match[2]


class _Definition(NamedTuple):
    """What ``PostDefined`` said of a post."""

    unit: str
    plan: PostPlan


class _Posts(Mapping[str, Post]):
    """Every post by its code: a post that came with its unit costs nothing until somebody holds it."""

    # typing has no override before 3.12.

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self.defined: dict[str, _Definition] = {}
        self.tenures: dict[str, list[Tenure]] = {}
        self._units = units

    def __getitem__(self, code: str) -> Post:  # type: ignore[explicit-override]
        found = self.defined.get(code) or self._planned(code)
        if found is None:
            raise UnknownCodeError(shown(code))
        unit, plan = found
        return Post(code, unit, plan.role, plan.rank_class, plan.portfolio, self.tenures.get(code, []))

    def _planned(self, code: str) -> _Definition | None:
        unit, _, role = code.rpartition("/")
        if unit in self._units:
            for plan in self._units[unit].posts:
                if plan.role == role:
                    return _Definition(unit, plan)
        return None

    def __iter__(self) -> Iterator[str]:  # type: ignore[explicit-override]
        yield from self.defined
        for unit in self._units.values():
            for plan in unit.posts:
                code = f"{unit.code}/{plan.role}"
                if code not in self.defined:
                    yield code

    def __len__(self) -> int:  # type: ignore[explicit-override]
        return sum(1 for _ in self)


class Tree:
    """The table; ``apply`` is its only writer."""

    def __init__(self) -> None:
        """Begin with an empty table."""
        self.units: dict[str, Unit] = {}
        self._posts = _Posts(self.units)
        self._children: dict[str | None, dict[str, None]] = {}
        self._discipline: dict[str, str] = {}
        self._roles: dict[str, dict[str, str]] = {}
        """Of each unit the roles whose post was defined by a fact of its own."""
        self._plans: dict[tuple[PostPlan, ...], tuple[PostPlan, ...]] = {(): ()}
        self._versions: dict[str, int] = {}
        self._waiting: dict[str, str] = {}
        """Units that are to stand below one that, as far as was heard, still stands below them."""
        self.edition = object()
        """Another one after each fact of the topic."""
        self._settled_at: datetime | None = None
        """The last moment at which a tenure begins or ends, as far as was heard."""

    @property
    def posts(self) -> Mapping[str, Post]:
        """Return the table of posts by their code."""
        return self._posts

    def apply(self, fact: Fact, sequence: int) -> None:
        """Take a fact of the topic in; one that is not newer than its stream is known already."""
        self.edition = object()
        match fact:
            case PostDefined() | TenureStarted() | TenureEnded():
                self._apply_to_post(fact, sequence)
            case UnitPlaced() | UnitMoved() | UnitRenamed() | UnitClosed():
                self._apply_to_unit(fact, sequence)
            case _:
                return

    def become(self, other: "Tree") -> None:
        """Hold what another table holds, which is not used any more."""
        vars(self).update(vars(other))

    def _apply_to_unit(self, fact: UnitFact, sequence: int) -> None:
        known = self.units.get(fact.unit)
        if sequence <= known.version if known is not None else not isinstance(fact, UnitPlaced):
            return
        match fact:
            case UnitPlaced():
                self._place(fact, known)
            case UnitMoved():
                self._move(self.units[fact.unit], fact.parent)
            case UnitRenamed():
                self.units[fact.unit].name = fact.name
            case _:
                self.units[fact.unit].is_closed = True
        self.units[fact.unit].version = sequence

    def _apply_to_post(self, fact: PostDefined | TenureStarted | TenureEnded, sequence: int) -> None:
        if sequence <= self._versions.get(fact.post, 0):
            return
        self._versions[fact.post] = sequence
        match fact:
            case PostDefined():
                plan = PostPlan(role=fact.role, rank_class=fact.rank_class, portfolio=fact.portfolio)
                self._posts.defined[fact.post] = _Definition(fact.unit, plan)
                self._roles.setdefault(fact.unit, {})[fact.role] = fact.post
            case TenureStarted():
                self._settle(fact.from_at)
                self._posts.tenures.setdefault(fact.post, []).append(Tenure(fact.person, fact.from_at))
            case TenureEnded():
                self._settle(fact.until_at)
                for tenure in self._posts.tenures.get(fact.post, ()):
                    if tenure.person == fact.person and tenure.until_at is None:
                        tenure.until_at = fact.until_at

    def _settle(self, at: datetime) -> None:
        self._settled_at = at if self._settled_at is None else max(self._settled_at, at)

    def _place(self, fact: UnitPlaced, known: Unit | None) -> None:
        """Place a unit; strings that many units share are kept once."""
        same_level = self._known_code(fact.same_level)
        self.units[fact.unit] = Unit(
            code=fact.unit,
            name=fact.name,
            kind=intern(fact.kind),
            parent=None if known is None else known.parent,
            same_level=same_level,
            level=intern(fact.level),
            zone=intern(fact.zone),
            posts=self._plans.setdefault(fact.posts, fact.posts),
        )
        self._move(self.units[fact.unit], fact.parent)
        if same_level is not None:
            self._discipline[same_level] = fact.unit

    def _known_code(self, code: str | None) -> str | None:
        """Return the same code, as its own unit holds it if that is known."""
        return self.units[code].code if code in self.units else code

    def _move(self, unit: Unit, parent: str | None) -> None:
        """Put a unit below another.

        Two moves may be heard the other way round: what would close a circle waits for the other one.
        """
        self._waiting.pop(unit.code, None)
        if parent is not None and self._is_below(parent, unit.code):
            self._waiting[unit.code] = parent
            parent = unit.parent
        self._children.get(unit.parent, {}).pop(unit.code, None)
        has_left = parent != unit.parent
        unit.parent = self._known_code(parent)
        self._children.setdefault(unit.parent, {})[unit.code] = None
        for code, above in list(self._waiting.items()) if has_left else ():
            self._move(self.units[code], above)

    def _is_below(self, code: str, top: str) -> bool:
        """Tell whether a unit is another one or stands below it."""
        if not self._children.get(top):
            return code == top
        at: str | None = code
        while at is not None and at != top:
            at = self.units[at].parent if at in self.units else None
        return at is not None

    def children(self, code: str | None) -> Iterator[Unit]:
        """Yield the units right below one on its own line, closed ones included; those of None are roots."""
        for child in self._children.get(code, ()):
            yield self.units[child]

    def post_in(self, unit: str, role: str) -> str | None:
        """Return the code of the post that bears a role in a unit, None if there is none."""
        defined = self._roles.get(unit)
        if defined is not None and role in defined:
            return defined[role]
        for plan in self.units[unit].posts:
            if plan.role == role:
                return f"{unit}/{role}"
        return None

    def posts_of(self, unit: str) -> list[Post]:
        """Return the posts of a unit, those that came with it first."""
        codes = [f"{unit}/{plan.role}" for plan in self.units[unit].posts]
        codes += self._roles.get(unit, {}).values()
        return [self._posts[code] for code in dict.fromkeys(codes)]

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

    def is_settled(self, edition: object, at: datetime) -> bool:
        """Tell whether every answer of *edition* as of a moment holds from then on, until a fact is heard."""
        return edition is self.edition and (self._settled_at is None or self._settled_at <= at)

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
        post = self.post_in(unit, name)
        return Seat(up, unit, post, _holder(self._posts.tenures.get(post, ()), at) if post else None)
