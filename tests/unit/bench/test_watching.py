"""What arrivals on a topic come to: early, lost, doubled."""

import os
import sys
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.bench import watching
from tests.bench.watching import Drained, Gapless, cpu, first_said, reckon, table

INSTANT = 1_000.0
DUTIES = ("a", "b", "c", "d")


def after(*latenesses: timedelta, rows: tuple[str, ...] = DUTIES) -> Drained:
    """Return what it comes to if the facts of the four duties arrive so long after the instant."""
    arrivals = zip(DUTIES, (INSTANT + lateness.total_seconds() for lateness in latenesses), strict=False)
    return reckon(arrivals, rows, instant=INSTANT, expected=len(DUTIES))


def test_duties_are_drained_from_the_instant_to_the_last_arrival() -> None:
    drained = after(*(timedelta(seconds=seconds) for seconds in (2, 0.5, 1, 1.5)))

    assert drained.per_second == 2
    assert [late for _, late in drained.arrived] == [at for at, _ in drained.arrived] == [0.5, 1, 1.5, 2]
    assert drained.late(0.75) == timedelta(seconds=1.5)
    assert drained.longest_pause == timedelta(seconds=0.5)
    assert (drained.earliest, drained.latest) == (timedelta(seconds=0.5), timedelta(seconds=2))
    assert drained.is_correct


@pytest.mark.parametrize(
    ("early", "is_correct"), [(timedelta(milliseconds=1), True), (timedelta(microseconds=1_001), False)]
)
def test_who_is_more_than_a_millisecond_early_is_not_correct(early: timedelta, is_correct: bool) -> None:
    drained = after(timedelta(seconds=1), -early, timedelta(seconds=1), timedelta(seconds=1))

    assert drained.earliest == -early
    assert drained.is_correct is is_correct


def test_a_fact_that_never_came_is_lost() -> None:
    drained = after(*3 * [timedelta(seconds=1)])

    assert (drained.facts, drained.rows, drained.lost) == (3, 4, 1)
    assert not drained.is_same
    assert not drained.is_correct


def test_a_row_that_is_not_there_is_lost_though_its_fact_came() -> None:
    drained = after(*4 * [timedelta(seconds=1)], rows=DUTIES[1:])

    assert (drained.facts, drained.rows, drained.lost) == (4, 3, 1)
    assert not drained.is_correct


def test_as_many_rows_as_facts_are_not_enough_if_they_are_of_other_duties() -> None:
    drained = after(*3 * [timedelta(seconds=1)], rows=DUTIES[1:])

    assert (drained.facts, drained.rows, drained.lost) == (3, 3, 2)
    assert not drained.is_same


def test_a_fact_that_comes_twice_is_doubled_and_counts_from_its_first_arrival() -> None:
    arrivals = [(duty, INSTANT + 1) for duty in DUTIES] + [("a", INSTANT + 9), ("a", INSTANT + 5)]

    drained = reckon(arrivals, DUTIES, instant=INSTANT, expected=4)

    assert (drained.doubled, drained.lost, drained.latest) == (2, 0, timedelta(seconds=1))
    assert not drained.is_correct


def test_a_fact_that_is_said_again_as_it_was_is_not_doubled() -> None:
    seen: dict[str, int] = {}

    assert first_said([("a", b"one"), ("b", b"one"), ("a", b"one")], seen) == ["a", "b"]
    assert first_said([("b", b"one"), ("a", b"two"), ("c", b"one"), ("a", b"one")], seen) == ["a", "c"]
    again = reckon([(d, INSTANT + 1) for d in DUTIES], DUTIES, instant=INSTANT, expected=4, said_again=3)
    assert (again.said_again, again.doubled, again.is_correct) == (3, 0, True)


def test_each_duty_may_have_a_moment_of_its_own_and_one_from_which_it_is_late() -> None:
    due = {duty: INSTANT + n for n, duty in enumerate(DUTIES)}
    arrivals = [(duty, moment + 0.5) for duty, moment in due.items()]

    late = reckon(arrivals, DUTIES, instant=INSTANT, expected=4, due=due.__getitem__)
    waited = reckon(
        arrivals,
        DUTIES,
        instant=INSTANT,
        expected=4,
        due=due.__getitem__,
        since=lambda duty: due[duty] + 0.25,
    )

    assert list(late.arrived) == [(0.5, 0.5), (1.5, 0.5), (2.5, 0.5), (3.5, 0.5)]
    assert (late.earliest, late.latest, late.longest_pause) == tuple(
        timedelta(seconds=seconds) for seconds in (0.5, 0.5, 1)
    )
    assert (waited.earliest, waited.latest) == (timedelta(seconds=0.5), timedelta(seconds=0.25))


def test_a_duty_that_has_two_rows_is_not_the_same_as_its_fact() -> None:
    drained = after(*4 * [timedelta(seconds=1)], rows=(*DUTIES, "a"))

    assert (drained.rows, drained.lost, drained.doubled) == (5, 0, 0)
    assert not drained.is_same
    assert not drained.is_correct


def test_nothing_that_came_is_no_figure_but_all_lost() -> None:
    drained = after(rows=())

    assert (drained.lost, drained.per_second, drained.arrived) == (4, 0, ())
    assert (drained.earliest, drained.latest, drained.longest_pause) == 3 * (timedelta(),)
    assert not drained.is_correct


def test_the_table_tells_medians_but_the_worst_of_all_rounds_as_to_faults() -> None:
    good = [reckon([(d, INSTANT + s) for d in DUTIES], DUTIES, instant=INSTANT, expected=4) for s in (1, 2)]
    bad = after(*3 * [timedelta(seconds=4)])

    head, line = table({"floor": [*good, bad]})

    assert head.split()[:2] == ["drained/s", "earliest"]
    assert line.split() == [
        "floor",
        "2",
        "1,000.0",
        "2,000",
        "1",
        "0",
        "0",
        "no",
        "not",
        "read",
        "not",
        "correct",
    ]


@dataclass
class Partition:
    """A consumer's partition, and where it was told to go on from."""

    sought: list[int] = field(default_factory=list)

    def seek(self, place: str, offset: int) -> None:
        self.sought.append(offset)


@dataclass(frozen=True)
class Record:
    offset: int


def test_a_record_that_was_passed_over_is_read_again_and_what_lies_behind_it_counts_once() -> None:
    partition = Partition()
    gapless = Gapless(partition)

    before = gapless.take("p", [Record(0), Record(1), Record(3)])
    still = gapless.take("p", [Record(3)])
    after = gapless.take("p", [Record(2), Record(3), Record(4)])

    assert [record.offset for part in (before, still, after) for record in part] == [0, 1, 2, 3, 4]
    assert partition.sought == [2, 2]


def test_a_hole_that_stays_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "HOLE", timedelta())

    assert Gapless(Partition()).take("p", [Record(5), Record(6)]) == [Record(5), Record(6)]


@pytest.mark.skipif(sys.platform != "linux", reason="read from Linux")
def test_the_cpu_of_a_process_is_read_and_one_that_is_gone_is_left_out() -> None:
    used = cpu([os.getpid(), 2**22 + 1])

    assert used[os.getpid()] > 0
    assert 2**22 + 1 not in used
