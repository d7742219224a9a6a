"""What may happen to a unit."""

from dataclasses import replace
from typing import assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.directory import UnitClosed, UnitMoved, UnitPlaced, UnitRenamed
from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.tree import Tree, parse_role
from services.directory.domain import refusals
from services.directory.domain.model import (
    CODE,
    MAX_NAME,
    CloseUnit,
    Decision,
    MoveUnit,
    PlaceUnit,
    RenameUnit,
    Status,
    UnitCommand,
    UnitState,
    is_printable,
)


def decide_unit(state: UnitState, command: UnitCommand, tree: Tree) -> Decision:
    match command:
        case PlaceUnit():
            return _place(state, command, tree)
        case RenameUnit():
            return _absence(state) or _rename(state, command)
        case MoveUnit():
            return _absence(state) or _move(state, command, tree)
        case CloseUnit():
            return () if state.status is Status.CLOSED else _absence(state) or _close(state, command, tree)
        case _:
            assert_never(command)


def _absence(state: UnitState) -> Refusal | None:
    """Return why nothing can be done to a unit, None if it stands."""
    if state.status is Status.OPEN:
        return None
    return refusals.unknown_unit(state.code) if state.status is Status.ABSENT else refusals.closed(state.code)


def _place(state: UnitState, command: PlaceUnit, tree: Tree) -> Decision:
    if state.status is Status.CLOSED:
        return refusals.closed(state.code)
    if not _is_zone(command.zone):
        return refusals.unknown_zone(command.zone)
    fact = UnitPlaced(
        unit=command.unit,
        name=command.name,
        kind=command.kind,
        parent=command.parent,
        same_level=command.same_level,
        level=command.level,
        zone=command.zone,
        posts=command.posts,
    )
    if state.status is Status.OPEN:
        return () if evolve_unit(state, fact) == state else refusals.already_placed(state.code)
    return _malformed(command) or _bad_place(command, tree) or (fact,)


def _malformed(command: PlaceUnit) -> Refusal | None:
    if CODE.fullmatch(command.unit) is None:
        return refusals.bad_code(command.unit)
    return _bad_name(command.name) or _bad_posts(command)


def _bad_posts(command: PlaceUnit) -> Refusal | None:
    seen: set[str] = set()
    for post in command.posts:
        if not is_role(post.role):
            return refusals.bad_role(post.role)
        if post.role in seen:
            return refusals.role_taken(command.unit, post.role)
        seen.add(post.role)
    return None


def is_role(role: str) -> bool:
    """Tell whether a word is a role in a unit itself."""
    try:
        return parse_role(role) == (0, role)
    except ValueError:
        return False


def _bad_name(name: str) -> Refusal | None:
    is_good = name.strip() and len(name) <= MAX_NAME and is_printable(name)
    return None if is_good else refusals.bad_name(MAX_NAME)


def _is_zone(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _bad_place(command: PlaceUnit, tree: Tree) -> Refusal | None:
    same_level = command.same_level
    if same_level is not None:
        if same_level not in tree.units or tree.units[same_level].is_closed:
            return refusals.unknown_unit(same_level)
        if tree.discipline_of(same_level) is not None:
            return refusals.discipline_taken(same_level)
    return _bad_parent(command.unit, command.parent, tree, is_discipline=same_level is not None)


def _bad_parent(code: str, parent: str | None, tree: Tree, *, is_discipline: bool) -> Refusal | None:
    if parent is None:
        return None
    if parent == code or _is_below(parent, code, tree):
        return refusals.cycle(code, parent)
    if parent not in tree.units:
        return refusals.unknown_parent(parent)
    if tree.units[parent].is_closed:
        return refusals.closed_parent(parent)
    if (tree.units[parent].same_level is not None) != is_discipline:
        return refusals.other_line(code, parent)
    return None


def _is_below(code: str | None, top: str, tree: Tree) -> bool:
    """Tell whether a unit stands at or below another on its own line."""
    while code is not None and code != top:
        code = tree.superior(code)
    return code == top


def _rename(state: UnitState, command: RenameUnit) -> Decision:
    if command.name == state.name:
        return ()
    return _bad_name(command.name) or (UnitRenamed(unit=command.unit, name=command.name),)


def _move(state: UnitState, command: MoveUnit, tree: Tree) -> Decision:
    if command.parent == state.parent:
        return ()
    refusal = _bad_parent(state.code, command.parent, tree, is_discipline=state.same_level is not None)
    return refusal or (UnitMoved(unit=command.unit, parent=command.parent),)


def _close(state: UnitState, command: CloseUnit, tree: Tree) -> Decision:
    below = [unit for unit in tree.children(state.code) if not unit.is_closed]
    discipline = tree.discipline_of(state.code)
    if discipline not in (None, state.code) and not tree.units[discipline].is_closed:
        below.append(tree.units[discipline])
    return refusals.has_open_units(state.code, below[0].code) if below else (UnitClosed(unit=command.unit),)


def evolve_unit(state: UnitState, fact: Fact) -> UnitState:
    match fact:
        case UnitPlaced():
            return UnitState(
                fact.unit,
                Status.OPEN,
                fact.name,
                fact.kind,
                fact.parent,
                fact.same_level,
                fact.level,
                fact.zone,
                fact.posts,
            )
        case UnitRenamed():
            return replace(state, name=fact.name)
        case UnitMoved():
            return replace(state, parent=fact.parent)
        case UnitClosed():
            return replace(state, status=Status.CLOSED)
        case _:
            raise TypeError(f"{fact.type} is not about a unit")
