"""A row is the same, however often and in whatever order its facts come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.scoring.app import SHAPE
from services.scoring.domain.decide import decide
from services.scoring.domain.model import (
    HEAT,
    BeginHeat,
    Command,
    FulfilRow,
    Heat,
    OpenRow,
    Row,
    RowFulfilled,
    RowOpened,
    State,
    WaiveRow,
    initial,
)
from services.scoring.domain.outcome import Outcome, outcome
from services.scoring.domain.view import view
from services.scoring.entrypoints.topics import row_of
from shared.decider import Decider
from shared.testing.given import Scene
from tests.support.scoring import DAY, a_duty

DUTY = a_duty()
NOW = DUTY.due_at
OPEN = OpenRow(DUTY, "duty:d/1")
FULFIL, WAIVE = FulfilRow(DUTY.due_at, "duty:d/2"), WaiveRow(DUTY.due_at + DAY, "duty:d/3")
LATER = FulfilRow(DUTY.due_at + DAY, "duty:d/4")
STATES: TypeAdapter[State] = TypeAdapter(State)
ROW = Scene(Decider(decide, SHAPE), "d")

OPENED = RowOpened(
    duty="d",
    fact="duty:d/1",
    unit="p",
    kind="double-report",
    line=DUTY.line,
    period="2025",
    occurrence="d",
    due_at=DUTY.due_at,
    continues=None,
)
FULFILLED = RowFulfilled(duty="d", fact="duty:d/2", fulfilled_at=DUTY.due_at)


def after(commands: list[Command]) -> Row:
    """Return the row that commands lead to, each decided on the state read back from its bytes."""
    state = initial("d")
    for command in commands:
        state = STATES.validate_json(STATES.dump_json(state))
        for fact in decide(state, command, NOW):
            state = SHAPE.evolve(state, fact)
    assert isinstance(state, Row)
    return state


WISHES: list[Command] = [OPEN, FULFIL, WAIVE, LATER]
shuffled = st.lists(st.sampled_from(WISHES), max_size=6).flatmap(
    lambda more: st.permutations([*WISHES, *more])
)


@given(shuffled)
def test_duplicates_in_any_order_give_the_same_row(commands: list[Command]) -> None:
    assert after(commands) == after(WISHES)


def test_a_duty_is_opened_and_fulfilled_once() -> None:
    ROW.given().when(OPEN, at=NOW).then(OPENED).given().when(OPEN, at=NOW).then_nothing()
    ROW.given(OPENED).when(FULFIL, at=NOW).then(FULFILLED).given().when(FULFIL, at=NOW).then_nothing()


def test_an_end_that_is_heard_before_its_opening_is_kept() -> None:
    ROW.given().when(FULFIL, at=NOW).then(FULFILLED)

    row = after([FULFIL, OPEN])
    assert (outcome(row), row.facts) == (Outcome.ON_TIME, ("duty:d/1", "duty:d/2"))


def test_what_was_done_in_time_and_said_late_counts_in_time_from_then_on() -> None:
    assert outcome(after([OPEN, LATER])) is Outcome.LATE
    assert outcome(after([OPEN, LATER, FULFIL])) is Outcome.ON_TIME


def test_what_is_not_opened_is_not_found_by_any_query() -> None:
    assert view(after([FULFIL])) == view(Heat("2026-01")) == {}


@pytest.mark.parametrize(
    ("commands", "summed"),
    [
        ([OPEN], (0, 1, 0)),
        ([OPEN, FULFIL], (1, 1, 0)),
        ([OPEN, LATER], (0, 1, 1)),
        ([OPEN, FULFIL, WAIVE], (0, 0, 0)),
    ],
)
def test_a_view_holds_what_a_row_adds(commands: list[Command], summed: tuple[int, int, int]) -> None:
    shown = view(after(commands))

    assert (shown["on_time"], shown["due"], shown["late"]) == summed
    assert (shown["unit"], shown["kind"], shown["line"]) == ("p", "double-report", "main")
    assert shown["due_at"] == int(DUTY.due_at.timestamp()) * 10**6


def test_heat_and_rows_are_told_apart_when_they_are_read_again() -> None:
    for state in (initial(HEAT), initial("d"), after([OPEN]), Heat("2026-01", {"p": ("2025-12", "2026-01")})):
        assert STATES.validate_json(STATES.dump_json(state)) == state


@pytest.mark.parametrize("key", ["duty:", "duty:heat", "report:d", "d"])
def test_what_is_no_key_of_a_duty_leads_to_no_row(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a duty"):
        row_of(key)
    assert row_of("duty:d") == "d"


def test_a_command_for_the_other_kind_of_stream_is_a_mistake() -> None:
    with pytest.raises(TypeError):
        decide(initial(HEAT), OPEN, NOW)
    with pytest.raises(TypeError):
        decide(initial("d"), BeginHeat("2026-01"), NOW)
