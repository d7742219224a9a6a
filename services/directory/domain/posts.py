"""What may happen to a post, and who holds it."""

from dataclasses import replace
from datetime import datetime

from contracts.directory import PostDefined, TenureEnded, TenureStarted
from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.tree import Tree
from services.directory.domain import refusals
from services.directory.domain.model import (
    CODE,
    PERSON,
    Decision,
    DefinePost,
    EndTenure,
    PostCommand,
    PostState,
    StartTenure,
    Tenure,
)
from services.directory.domain.units import is_role


def decide_post(state: PostState, command: PostCommand, now: datetime, tree: Tree) -> Decision:
    state = _known(state, tree)
    if isinstance(command, DefinePost):
        return _define(state, command, now, tree)
    if state.unit is None:
        return refusals.unknown_post(state.code)
    if isinstance(command, EndTenure):
        return _end(state, state.unit, command)
    return _start(state, state.unit, command, tree)


def _known(state: PostState, tree: Tree) -> PostState:
    """Return the state with its definition, which the tree has if the post came with its unit."""
    if state.unit is not None or state.code not in tree.posts:
        return state
    post = tree.posts[state.code]
    return replace(
        state, unit=post.unit, role=post.role, rank_class=post.rank_class, portfolio=post.portfolio
    )


def _define(state: PostState, command: DefinePost, now: datetime, tree: Tree) -> Decision:
    refusal = _bad_post(state, command, now, tree)
    if refusal is not None:
        return refusal
    fact = PostDefined(
        post=command.post,
        unit=command.unit,
        role=command.role,
        rank_class=command.rank_class,
        portfolio=command.portfolio,
    )
    return () if evolve_post(state, fact) == state else (fact,)


def _bad_post(state: PostState, command: DefinePost, now: datetime, tree: Tree) -> Refusal | None:
    if state.unit is not None and (state.unit, state.role) != (command.unit, command.role):
        return refusals.already_defined(state.code)
    unit, _, name = command.post.rpartition("/")
    if unit != command.unit or CODE.fullmatch(name) is None:
        return refusals.bad_post(command.post)
    if not is_role(command.role):
        return refusals.bad_role(command.role)
    refusal = _bad_unit(command.unit, tree)
    if refusal is not None:
        return refusal
    # A second post in the same role would take the seat from the first without a word.
    seat = tree.seat(command.unit, command.role, now)
    is_taken = seat.unit == command.unit and seat.post not in (None, command.post)
    return refusals.role_taken(command.unit, command.role) if is_taken else None


def _bad_unit(code: str, tree: Tree) -> Refusal | None:
    if code not in tree.units:
        return refusals.unknown_unit(code)
    return refusals.closed(code) if tree.units[code].is_closed else None


def _start(state: PostState, unit: str, command: StartTenure, tree: Tree) -> Decision:
    if any((held.person, held.from_at) == (command.person, command.from_at) for held in state.tenures):
        return ()
    last = state.tenures[-1] if state.tenures else None
    if last is not None and last.until_at is None:
        return () if last.person == command.person else refusals.held(state.code)
    if last is not None and last.until_at is not None and command.from_at < last.until_at:
        return refusals.overlap(state.code)
    if PERSON.fullmatch(command.person) is None:
        return refusals.bad_person()
    fact = TenureStarted(post=state.code, unit=unit, person=command.person, from_at=command.from_at)
    return _bad_unit(unit, tree) or (fact,)


def _end(state: PostState, unit: str, command: EndTenure) -> Decision:
    if any((held.person, held.until_at) == (command.person, command.until_at) for held in state.tenures):
        return ()
    last = state.tenures[-1] if state.tenures else None
    if last is None or last.person != command.person or last.until_at is not None:
        return refusals.not_held(state.code)
    if command.until_at <= last.from_at:
        return refusals.ends_before_start(state.code)
    return (TenureEnded(post=state.code, unit=unit, person=command.person, until_at=command.until_at),)


def evolve_post(state: PostState, fact: Fact) -> PostState:
    match fact:
        case PostDefined():
            return PostState(fact.post, fact.unit, fact.role, fact.rank_class, fact.portfolio, state.tenures)
        case TenureStarted():
            return replace(state, tenures=(*state.tenures, Tenure(fact.person, fact.from_at)))
        case TenureEnded():
            ended = replace(state.tenures[-1], until_at=fact.until_at)
            return replace(state, tenures=(*state.tenures[:-1], ended))
        case _:
            raise TypeError(f"{fact.type} is not about a post")
