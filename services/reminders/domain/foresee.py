"""What a watch will say at its moment, decided before that comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import NamedTuple

from contracts.duties import DutyOpened
from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.tree import Seat, Tree
from services.reminders.domain.decide import decide
from services.reminders.domain.evolve import needs_owner
from services.reminders.domain.ladder import MICROSECOND, POLICIES, Calendar, reminder_at, rung_at
from services.reminders.domain.model import Wake, Watch


@dataclass(frozen=True, slots=True)
class _Asking:
    """The tree, and what was asked of it."""

    tree: Tree
    answers: dict[tuple[str, str], Seat] = field(default_factory=dict)

    def seat(self, code: str, role: str, at: datetime) -> Seat:
        answer = self.answers[code, role] = self.tree.seat(code, role, at)
        return answer


class Foreseen(NamedTuple):
    """The facts of a watch's next moment, and all that they rest on besides its state."""

    facts: Sequence[Fact]
    at: datetime
    until: datetime
    """Before it nothing else of the watch's own plan comes due."""
    answers: Sequence[tuple[tuple[str, str], Seat]]
    tree: Tree
    edition: object
    """The tree's, when it was asked."""

    def holds(self, now: datetime) -> bool:
        """Tell whether to wake the watch now says the same: who had to answer then still does.

        Raises:
            KeyError: the tree has lost a unit.
        """
        if not self.at <= now < self.until:
            return False
        return self.tree.is_settled(self.edition, self.at) or all(
            self.tree.seat(code, role, now) == seat for (code, role), seat in self.answers
        )


def foresee(watch: Watch, *, tree: Tree, workdays: Calendar) -> Foreseen | None:
    """Return what a watch will say at its next moment, None if it waits for others.

    Raises:
        KeyError: the unit, one above it or the policy is not known.
    """
    opened, at = watch.opened, watch.next_at
    if opened is None or at is None:
        return None
    asking = _Asking(tree)
    facts = decide(watch, Wake(), at, tree=asking, workdays=workdays)
    if isinstance(facts, Refusal):
        return None
    until = _until(watch, opened, at, workdays)
    return Foreseen(facts, at, until, tuple(asking.answers.items()), tree, tree.edition)


def _until(watch: Watch, opened: DutyOpened, at: datetime, workdays: Calendar) -> datetime:
    """Return when, after a moment, the next rung or reminder is due, or the duty has been."""
    policy, due_at = POLICIES[opened.policy], opened.due_at
    if needs_owner(watch):
        rungs = (rung_at(policy, k, due_at, watch.delay, workdays) for k in count(watch.rung + 1))
        return next(moment for moment in rungs if moment > at)
    reminders = (reminder_at(policy, days, due_at, workdays) for days in policy.reminders_before)
    return min((moment for moment in reminders if moment > at), default=due_at + MICROSECOND)
