"""Foreign duties: what other systems bring to be watched, and what of it is let in; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from contracts.duties import OURS, POLICIES, DutyFulfilled, DutyOpened, DutyRefused
from contracts.duties_in import DutyBrought
from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.tree import Tree
from services.reporting.domain import refusals

FOREIGN = "foreign:"
HORIZON = timedelta(days=3653)
"""How far ahead a duty may be due: calendars and ladders must be able to count there."""
LONGEST = {"period": 100, "occurrence": 200, "title": 200}
"""How many characters a text of a wish may have."""

# Without a dot in the owner, nobody's prefix begins another's; without "@", no duty is a report's.
_DUTY = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


class Found(StrEnum):
    """What the tree knows of a unit, seen from the subtree that a token reaches."""

    OPEN = "open"
    CLOSED = "closed"
    OUTSIDE = "outside"
    """Unknown, or outside the subtree: not told apart."""


@dataclass(frozen=True, slots=True)
class BringDuty:
    """A foreign system wishes its duty to be opened; who asks is its owner."""

    wish: DutyBrought
    kinds: tuple[str, ...]
    """The kinds that the token grants."""
    unit: Found
    is_recipient_known: bool
    record: str = ""
    """The identity of the record, if it came by topic: a refusal is said then, as nobody waits for one."""


@dataclass(frozen=True, slots=True)
class FinishDuty:
    """Its owner says that a foreign duty was fulfilled."""

    duty: str
    unit: str
    kinds: tuple[str, ...]
    found: Found
    done_at: datetime | None = None
    """None: now."""
    record: str = ""


@dataclass(frozen=True, slots=True)
class ForeignDuty:
    """One duty that is another system's."""

    duty: str
    opened: DutyOpened | None = None
    fulfilled_at: datetime | None = None
    state: Literal["foreign"] = "foreign"


def owner_of(duty: str) -> str | None:
    """Return whose duty it is, None if no foreign duty can be called so."""
    match = _DUTY.fullmatch(duty)
    return match[1] if match and match[1] not in OURS else None


def find(tree: Tree, unit: str, root: str) -> Found:
    """Return what the tree knows of a unit, seen from the subtree of *root*."""
    if unit not in tree.units or not tree.is_within(unit, root):
        return Found.OUTSIDE
    return Found.CLOSED if tree.units[unit].is_closed else Found.OPEN


def decide(state: ForeignDuty, command: BringDuty | FinishDuty, now: datetime) -> Sequence[Fact] | Refusal:
    """Return the facts that a wish makes true; *now* is the moment of its receipt."""
    wish = command.wish if isinstance(command, BringDuty) else command
    if wish.duty != state.duty:
        raise ValueError(f"{wish.duty} is not for the stream {state.duty}")
    decision = _bring(state, command, now) if isinstance(command, BringDuty) else _finish(state, command, now)
    if isinstance(decision, Refusal) and command.record:
        refused = DutyRefused(duty=wish.duty, unit=wish.unit, word=decision.word, request=command.record)
        return (refused,)
    return decision


def evolve(state: ForeignDuty, fact: Fact) -> ForeignDuty:
    """Return what a foreign duty has come to after a fact."""
    match fact:
        case DutyOpened():
            return replace(state, opened=fact)
        case DutyFulfilled():
            return replace(state, fulfilled_at=fact.fulfilled_at)
        case DutyRefused():
            return state
        case _:
            raise TypeError(f"{fact.type} is not about a foreign duty")


def _bring(state: ForeignDuty, command: BringDuty, now: datetime) -> Sequence[Fact] | Refusal:
    wish = command.wish
    if wish.kind not in command.kinds:
        return refusals.not_allowed(wish.kind)
    if command.unit is Found.OUTSIDE:
        return refusals.unknown_unit(wish.unit)
    opened = _opened(wish, now)
    if state.opened is not None:
        is_same = opened == state.opened.model_copy(update={"received_at": now})
        return () if is_same else refusals.opened_otherwise(wish.duty)
    return _objection(command, now) or (opened,)


def _objection(command: BringDuty, now: datetime) -> Refusal | None:
    """Return what speaks against opening a duty that is not open yet."""
    wish = command.wish
    if command.unit is Found.CLOSED:
        return refusals.unit_closed(wish.unit)
    if not command.is_recipient_known:
        return refusals.unknown_recipient(wish.recipient)
    if wish.policy not in POLICIES:
        return refusals.unknown_policy(wish.policy)
    if wish.due_at <= now:
        return refusals.DUE_IN_PAST
    if wish.due_at > now + HORIZON:
        return refusals.DUE_TOO_FAR
    if not wish.period.strip() or any(len(getattr(wish, name)) > most for name, most in LONGEST.items()):
        return refusals.BAD_TEXT
    return None


def _opened(wish: DutyBrought, now: datetime) -> DutyOpened:
    return DutyOpened(
        duty=wish.duty,
        unit=wish.unit,
        kind=wish.kind,
        line=wish.line,
        recipient=wish.recipient,
        period=wish.period,
        due_at=wish.due_at,
        policy=wish.policy,
        occurrence=wish.occurrence or wish.duty,
        title=wish.title,
        received_at=now,
    )


def _finish(state: ForeignDuty, command: FinishDuty, now: datetime) -> Sequence[Fact] | Refusal:
    opened = state.opened
    if opened is None:
        return refusals.unknown_duty(command.duty)
    if opened.kind not in command.kinds:
        return refusals.not_allowed(opened.kind)
    if command.unit != opened.unit:
        return refusals.opened_otherwise(command.duty)
    if command.found is Found.OUTSIDE:
        return refusals.unknown_unit(command.unit)
    if state.fulfilled_at is not None:
        return ()
    done_at = command.done_at or now
    if done_at > now:
        return refusals.DONE_IN_FUTURE
    return (DutyFulfilled(duty=command.duty, unit=opened.unit, fulfilled_at=done_at),)
