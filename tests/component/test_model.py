"""The kit under everything that can go wrong, by seed: the invariants of the architecture, 1 to 6."""

import os

import pytest
import stamina

from shared import book, deadletter, relay, timer
from tests.support import truth
from tests.support.world import BOOKS, World

SEEDS = int(os.environ.get("MODEL_SEEDS", "60"))  # noqa: TID251 how long to look is the tester's choice
FIRST = int(os.environ.get("MODEL_FIRST", "0"))  # noqa: TID251


async def story(seed: int, steps: int = 3_000) -> World:
    """Let a world go wrong for a while and come to rest."""
    world = World(seed)
    stamina.instrumentation.set_on_retry_hooks([])
    with pytest.MonkeyPatch.context() as patch, stamina.set_testing(True, attempts=3):
        for module in (relay, timer):
            patch.setattr(module, "monotonic", lambda: 1.0 + world.steps / 100)
        patch.setattr(relay, "TOLD_AT_ONCE", 2)
        patch.setattr(book, "DECIDED_AT_ONCE", 1)
        patch.setattr(deadletter, "AT_ONCE", 4)
        try:
            await world.run(steps)
            await world.drain()
        finally:
            await world.end()
    return world


def check(world: World) -> None:
    """See that what must be true is true."""
    for kind in "ab":
        facts = world.truth[kind]
        facts.learn()
        truth.check_chain(facts, BOOKS[kind], world.broker, kind)
        truth.check_counts(facts)
        truth.check_states(facts, BOOKS[kind], world.last(kind).decider)
        truth.check_rings(facts)
        truth.check_said(facts, world.broker, kind, world.strays)
        truth.check_told(facts, world.told)
    truth.check_heard_once(world.truth["a"], world.truth["b"], world.strays)
    truth.check_callers(world.asked, world.truth["a"])


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
async def test_whatever_goes_wrong_nothing_is_lost_or_done_twice_or_said_too_soon(seed: int) -> None:
    check(await story(seed))
