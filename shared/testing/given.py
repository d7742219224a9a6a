"""Given facts, when a command comes, then these facts: how the tests of a rule read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from contracts.envelope import Fact
from shared.decider import Decider, Refusal

S = TypeVar("S")


@dataclass(frozen=True)
class Scene(Generic[S]):
    """One decider and the stream on which it is asked."""

    decider: Decider[S]
    stream: str = "stream"

    def given(self, *facts: Fact) -> "Given[S]":
        """Let *facts* have happened."""
        state = self.decider.shape.initial(self.stream)
        for fact in facts:
            state = self.decider.shape.evolve(state, fact)
        return Given(self.decider, state)


@dataclass(frozen=True)
class Given(Generic[S]):
    """What has happened so far."""

    decider: Decider[S]
    state: S

    def when(self, command: object, *, at: datetime) -> "Then[S]":
        """Ask for *command* at a moment."""
        return Then(self.decider, self.state, self.decider.decide(self.state, command, at))


@dataclass(frozen=True)
class Then(Generic[S]):
    """What the rule has decided."""

    decider: Decider[S]
    before: S
    decided: Any

    @property
    def state(self) -> S:
        """Return the state that the decision leads to."""
        state = self.before
        for fact in () if isinstance(self.decided, Refusal) else self.decided:
            state = self.decider.shape.evolve(state, fact)
        return state

    def then(self, *facts: Fact) -> "Then[S]":
        """Expect exactly these facts, in this order."""
        if isinstance(self.decided, Refusal):
            raise AssertionError(f"refused: {self.decided}")  # noqa: TRY004 it is an expectation
        decided, expected = tuple(self.decided), facts
        assert decided == expected, f"decided {decided}, expected {expected}"
        return self

    def then_nothing(self) -> "Then[S]":
        """Expect that nothing changes."""
        return self.then()

    def then_refused(self, word: str) -> "Then[S]":
        """Expect that the business says no, by this word."""
        if not isinstance(self.decided, Refusal):
            raise AssertionError(f"not refused: {tuple(self.decided)}")  # noqa: TRY004 it is an expectation
        assert self.decided.word == word, f"refused by {self.decided.word}, expected {word}"
        return self

    def given(self) -> Given[S]:
        """Go on from here."""
        return Given(self.decider, self.state)
