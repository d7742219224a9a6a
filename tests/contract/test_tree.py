"""The table of the directory, whatever comes on its topic and in whichever order."""

from itertools import permutations

import pytest
from pydantic import ValidationError

from contracts.directory import UnitClosed, UnitMoved, UnitPlaced, UnitRenamed
from contracts.envelope import Fact
from contracts.tree import Tree

ROOT, LEFT, RIGHT = "root", "left", "right"


def placed(unit: str, parent: str | None) -> UnitPlaced:
    return UnitPlaced(unit=unit, name=unit, kind="department", parent=parent)


def told(*streams: list[Fact]) -> Tree:
    """Return the table of streams that are heard one after the other."""
    tree = Tree()
    for facts in streams:
        for sequence, fact in enumerate(facts, start=1):
            tree.apply(fact, sequence)
    return tree


STREAMS: dict[str, list[Fact]] = {
    ROOT: [placed(ROOT, None)],
    LEFT: [placed(LEFT, ROOT), UnitMoved(unit=LEFT, parent=RIGHT)],
    RIGHT: [placed(RIGHT, LEFT), UnitMoved(unit=RIGHT, parent=ROOT)],
}


@pytest.mark.parametrize("order", list(permutations(STREAMS)))
def test_two_units_that_change_places_may_be_heard_in_any_order(order: tuple[str, ...]) -> None:
    tree = told(*(STREAMS[unit] for unit in order))

    assert [tree.units[unit].parent for unit in (ROOT, LEFT, RIGHT)] == [None, RIGHT, ROOT]
    assert tree.is_within(LEFT, RIGHT)
    assert tree.is_within(LEFT, ROOT)
    assert not tree.is_within(RIGHT, LEFT)
    assert [unit.code for unit in tree.subtree(ROOT)] == [ROOT, RIGHT, LEFT]


def test_a_move_that_would_close_a_circle_waits_and_the_tree_stays_one() -> None:
    tree = told(STREAMS[ROOT], STREAMS[LEFT][:1], STREAMS[RIGHT][:1], STREAMS[LEFT])

    assert [tree.units[unit].parent for unit in (LEFT, RIGHT)] == [ROOT, LEFT]
    assert not tree.is_within(LEFT, "elsewhere")
    assert [unit.code for unit in tree.subtree(ROOT)] == [ROOT, LEFT, RIGHT]


def test_a_unit_is_never_put_below_itself() -> None:
    tree = told([placed(LEFT, LEFT)], [placed(RIGHT, LEFT), UnitMoved(unit=RIGHT, parent=RIGHT)])

    assert not tree.is_within(LEFT, ROOT)
    assert [unit.code for unit in tree.subtree(LEFT)] == [LEFT, RIGHT]


@pytest.mark.parametrize(
    "fact", [UnitMoved(unit=LEFT, parent=ROOT), UnitRenamed(unit=LEFT, name="x"), UnitClosed(unit=LEFT)]
)
def test_what_is_said_of_a_unit_whose_placing_could_not_be_read_is_passed_over(fact: Fact) -> None:
    assert told([placed(ROOT, None)], [fact]).units.keys() == {ROOT}


@pytest.mark.parametrize("zone", ["Asia/Nowhere", "../etc", "", "\0", "x" * 9999])
def test_a_unit_in_a_time_zone_that_does_not_exist_cannot_be_read(zone: str) -> None:
    with pytest.raises(ValidationError):
        UnitPlaced(unit=LEFT, name=LEFT, kind="department", parent=None, zone=zone)
