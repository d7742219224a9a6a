"""How much was done of what was due."""

from datetime import timedelta
from fractions import Fraction

import pytest

from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived
from services.scoring.app import SHAPE
from services.scoring.domain.decide import decide
from services.scoring.domain.heat import gap, heat
from services.scoring.domain.model import Command, FulfilRow, OpenRow, Row, WaiveRow
from services.scoring.domain.outcome import Outcome, outcome, returns, score
from services.scoring.domain.rate import Rate, percent
from tests.support.scoring import DAY, a_duty, done

MICROSECOND = timedelta(microseconds=1)
DUTY = a_duty()
WAIVED = DutyWaived(duty="d", unit="p", waived_at=DUTY.due_at + DAY)


Heard = DutyOpened | DutyFulfilled | DutyWaived


def wish(fact: Heard, name: str) -> Command:
    """Return what a fact asks of its row."""
    match fact:
        case DutyOpened():
            return OpenRow(fact, name)
        case DutyWaived():
            return WaiveRow(fact.waived_at, name)
        case DutyFulfilled():
            return FulfilRow(fact.fulfilled_at, name)


def a_row(*facts: Heard, duty: str = "d") -> Row:
    """Return the row that facts lead to."""
    state = SHAPE.initial(duty)
    for n, fact in enumerate(facts, start=1):
        for one in decide(state, wish(fact, f"duty:{duty}/{n}"), DUTY.due_at):
            state = SHAPE.evolve(state, one)
    assert isinstance(state, Row)
    return state


def test_k6_nothing_due_is_no_data_and_neither_nothing_nor_everything() -> None:
    nothing = Rate()

    assert (nothing.text(is_chinese=False), nothing.text(is_chinese=True)) == ("no data", "无数据")
    assert (nothing.is_empty, heat(nothing), gap(nothing, Rate(1, 1)), gap(Rate(1, 1), nothing)) == (
        True,
        None,
        None,
        None,
    )
    assert score([], {}) == nothing


def test_k6_nothing_done_of_what_was_due_is_a_rate() -> None:
    assert Rate(0, 4).text(is_chinese=False) == "0 of 4 in time (0.0 %)"
    assert Rate(3, 4).text(is_chinese=True) == "应办4项，按期3项（75.0 %）"
    assert (Rate(0, 4).is_empty, heat(Rate(0, 4))) == (False, Fraction(0))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Fraction(1), "100.0 %"),
        (Fraction(99_999, 100_000), "99.9 %"),
        (Fraction(-1, 3), "-33.3 %"),
        (Fraction(0), "0.0 %"),
    ],
)
def test_what_is_not_whole_is_never_shown_as_whole(share: Fraction, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("late", "what"),
    [(-MICROSECOND, Outcome.ON_TIME), (timedelta(), Outcome.ON_TIME), (MICROSECOND, Outcome.LATE)],
)
def test_k6_the_due_moment_itself_is_in_time_and_the_next_microsecond_is_late(
    late: timedelta, what: Outcome
) -> None:
    row = a_row(DUTY, done(DUTY, late))

    assert outcome(row) is what
    assert score([row], {}) == (Rate(1, 1) if what is Outcome.ON_TIME else Rate(0, 1, late=1))


def test_late_counts_half_for_heat_and_nothing_for_the_rate() -> None:
    rate = Rate(on_time=1, due=4, late=1)

    assert (heat(rate), rate.text(is_chinese=False)) == (Fraction(3, 8), "1 of 4 in time (25.0 %)")


def test_what_was_not_done_counts_as_due_and_as_nothing_else() -> None:
    assert score([a_row(DUTY)], {}) == Rate(0, 1)


def test_a_waived_duty_leaves_the_denominator_whatever_was_done() -> None:
    assert score([a_row(DUTY, WAIVED)], {}) == score([a_row(DUTY, done(DUTY), WAIVED)], {}) == Rate()


@pytest.mark.parametrize("late", [timedelta(), DAY])
def test_work_that_came_back_was_not_accepted_and_what_goes_on_counts_for_itself(late: timedelta) -> None:
    again = a_duty("d/2", due_at=DUTY.due_at + DAY, continues="d")
    first, second = a_row(DUTY, done(DUTY, late)), a_row(again, done(again), duty="d/2")
    rows = [first, second]

    assert returns(rows) == {("p", "d"): "duty:d/2/1"}
    assert score(rows, returns(rows)) == Rate(1, 2)
    assert outcome(first, is_returned=True) is Outcome.RETURNED


def test_a_duty_of_another_unit_sends_no_work_back() -> None:
    stranger = a_row(a_duty("x", "elsewhere", continues="d"), duty="x")
    rows = [a_row(DUTY, done(DUTY)), stranger]

    assert score(rows, returns(rows)) == Rate(1, 2)
    assert score(rows[:1], returns(rows)) == Rate(1, 1)


def test_every_fact_behind_a_row_is_named() -> None:
    assert a_row(DUTY, done(DUTY), WAIVED).facts == ("duty:d/1", "duty:d/2", "duty:d/3")
