"""One process, killed exactly at one of its effects: before and after each, in hand-over and in take-over."""

import pytest

from tests.support import truth
from tests.support.instants import Fate, Instant, Replica, World, struck
from tests.support.kit import PARTITIONS

INSTANTS = {
    "before insert": Instant("ask", "insert_page"),
    "after insert, before the caller is told": Instant("ask", "page_inserted"),
    "before insert of what was heard": Instant("hear", "insert_page"),
    "after insert of what was heard": Instant("hear", "page_inserted"),
    "before state": Instant("keep", "write_state"),
    "between two states of a page": Instant("keep", "write_state", 2),
    "after state, before it is marked": Instant("keep", "states_written"),
    "before the mark of the states": Instant("keep", "set_marks"),
    "after the mark of the states": Instant("keep", "marks_set"),
    "before publish": Instant("say", "send"),
    "between two facts of a page": Instant("say", "send", 2),
    "after publish": Instant("say", "sent"),
    "before mark": Instant("say", "set_marks"),
    "between the marks of two books": Instant("say", "set_marks", 2),
    "after mark": Instant("say", "marks_set"),
    "before offset commit": Instant("commit", "commit"),
    "after offset commit": Instant("commit", "committed"),
    "in hand-over, before its states": Instant("hand-over", "write_state"),
    "in hand-over, between two states": Instant("hand-over", "write_state", 2),
    "in hand-over, before the mark": Instant("hand-over", "set_marks"),
    "in hand-over, after the mark": Instant("hand-over", "marks_set"),
    "in take-over, before the mark is read": Instant("take-over", "marks"),
    "in take-over, before the fold": Instant("take-over", "read_pages"),
    "in take-over, in the fold": Instant("take-over", "states_loaded"),
    "in take-over, before the fence": Instant("take-over", "insert_page"),
    "in take-over, after the fence": Instant("take-over", "page_inserted"),
}


async def after(world: World) -> Replica:
    """Let another process go on with what the dead one has left."""
    heir = Replica(world, Fate())
    await heir.finish()
    return heir


def check(world: World, heir: Replica) -> None:
    """What was told is kept, what was said is so, nothing is applied twice, no sequence has a gap."""
    a, b = truth.Truth(world.others), truth.Truth(world.database)
    a.learn()
    b.learn()
    truth.check_chain(b, PARTITIONS, world.broker, "b")
    truth.check_counts(b)
    truth.check_states(b, PARTITIONS, heir.decider)
    truth.check_said(b, world.broker, "b", set())
    truth.check_heard_once(a, b, set())
    truth.check_callers(world.asked, b)
    kept = {fact.value for fact in b.facts}
    said = [r for (topic, _), log in world.broker.logs.items() if topic == "b" for r in log if r.key]
    assert {record.value for record in said} == kept
    assert world.asked[-1].told == "applied"


async def effects() -> Fate:
    """Return all effects of a process that nobody kills."""
    async with struck() as (world, fate):
        check(world, await after(world))
    return fate


@pytest.mark.parametrize("instant", INSTANTS.values(), ids=INSTANTS.keys())
async def test_whoever_is_killed_at_an_instant_has_lost_and_doubled_nothing(instant: Instant) -> None:
    at = (await effects()).find(instant)

    async with struck(at) as (world, fate):
        assert fate.passed[-1] == (instant.step, instant.effect)
        check(world, await after(world))


async def test_whoever_is_killed_at_any_effect_at_all_has_lost_and_doubled_nothing() -> None:
    for at in range(len((await effects()).passed)):
        async with struck(at) as (world, fate):
            assert len(fate.passed) == at + 1
            try:
                check(world, await after(world))
            except AssertionError as error:
                raise AssertionError(f"killed at {fate.passed[-1]}, effect {at}") from error


async def test_an_answer_that_never_came_may_be_kept_or_not_by_the_instant_of_the_insert() -> None:
    kept = []
    for effect in ("insert_page", "page_inserted"):
        at = (await effects()).find(Instant("ask", effect))
        async with struck(at) as (world, _):
            await after(world)
            b = truth.Truth(world.database)
            b.learn()
            (asked,) = [one for one in world.asked if one.cause == "ask-victim-1"]
            assert asked.told == "unknown"
            kept.append(asked.cause in b.causes)

    assert kept == [False, True]
