"""What may happen to a unit or a post; the tree tells what the others are."""

from datetime import datetime

from contracts.envelope import Fact
from contracts.tree import Tree
from services.directory.domain.model import (
    Command,
    Decision,
    PostCommand,
    PostState,
    State,
    UnitCommand,
    UnitState,
)
from services.directory.domain.posts import decide_post, evolve_post
from services.directory.domain.units import decide_unit, evolve_unit


def decide(state: State, command: Command, now: datetime, *, tree: Tree) -> Decision:
    """Return the facts that *command* makes true, none if it changes nothing.

    ``tree`` holds everything decided before; of its own stream only ``state`` is asked.
    """
    if isinstance(state, UnitState) and isinstance(command, UnitCommand):
        return decide_unit(state, command, tree)
    if isinstance(state, PostState) and isinstance(command, PostCommand):
        return decide_post(state, command, now, tree)
    raise TypeError(f"{type(command).__name__} is not for a {state.state}")


def evolve(state: State, fact: Fact) -> State:
    """Return what a stream has come to after a fact."""
    return evolve_unit(state, fact) if isinstance(state, UnitState) else evolve_post(state, fact)
