"""What may happen to a unit or a post."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from contracts.directory import (
    PostDefined,
    TenureEnded,
    TenureStarted,
    UnitClosed,
    UnitMoved,
    UnitPlaced,
    UnitRenamed,
)
from contracts.refusal import Refusal
from services.directory.domain.decide import decide, evolve
from services.directory.domain.model import (
    CloseUnit,
    Command,
    Decision,
    DefinePost,
    EndTenure,
    MoveUnit,
    PlaceUnit,
    RenameUnit,
    StartTenure,
    State,
    initial,
)
from tests.support.hierarchy import NOW, Directory, a_mixed_tree, placed

HEAD = DefinePost("town/head", "town", "head", "principal")
FIRST = StartTenure("town/head", "p-town/head", datetime(2025, 1, 1, tzinfo=UTC))
MICROSECOND = timedelta(microseconds=1)


def a_county() -> Directory:
    """Return county > town > village, with a discipline committee for the county and the town."""
    return Directory().done(
        placed("county", None),
        placed("county-dc", None, "discipline_committee", "county"),
        placed("town", "county"),
        placed("town-dc", "county-dc", "discipline_committee", "town"),
        placed("village", "town"),
    )


def word(decision: Decision) -> str:
    """Return the word of a refusal."""
    assert isinstance(decision, Refusal), decision
    assert decision.reason
    assert decision.reason_zh
    return decision.word


def test_a_unit_is_placed_under_a_known_parent() -> None:
    (fact,) = Directory().done(placed("county", None)).done().do(placed("town", "county"))  # type: ignore[misc]
    assert fact == UnitPlaced(
        unit="town", name="单位town", kind="party_committee", parent="county", level="party_committee"
    )


@pytest.mark.parametrize(
    "command",
    [
        placed("town", "county"),
        RenameUnit("town", "单位town"),
        MoveUnit("town", "county"),
        HEAD,
        FIRST,
        replace(FIRST, from_at=FIRST.from_at + MICROSECOND),
    ],
)
def test_what_is_so_already_is_nothing_new(command: Command) -> None:
    assert a_county().done(HEAD, FIRST).do(command) == ()


def test_every_command_says_its_fact_and_said_again_says_nothing() -> None:
    directory = a_county()
    until = FIRST.from_at + timedelta(days=1)
    for command, fact in (
        (RenameUnit("town", "新名"), UnitRenamed(unit="town", name="新名")),
        (MoveUnit("village", "county"), UnitMoved(unit="village", parent="county")),
        (HEAD, PostDefined(post="town/head", unit="town", role="head", rank_class="principal")),
        (FIRST, TenureStarted(post="town/head", unit="town", person="p-town/head", from_at=FIRST.from_at)),
        (
            EndTenure("town/head", "p-town/head", until),
            TenureEnded(post="town/head", unit="town", person="p-town/head", until_at=until),
        ),
        (CloseUnit("village"), UnitClosed(unit="village")),
    ):
        assert directory.do(command) == (fact,)
        assert directory.do(command) == ()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (placed("town", None), "already_placed"),
        (placed("new", "nowhere"), "unknown_parent"),
        (placed("new", "new"), "cycle"),
        (placed("new", "county-dc"), "other_line"),
        (placed("new-dc", "county", "discipline_committee", "village"), "other_line"),
        (placed("new-dc", "county-dc", "discipline_committee", "town"), "discipline_taken"),
        (placed("new-dc", "county-dc", "discipline_committee", "nowhere"), "unknown_unit"),
        (placed("a/b", "county"), "bad_code"),
        (placed("x" * 65, "county"), "bad_code"),
        (PlaceUnit("new", " ", "department", "county"), "bad_name"),
        (PlaceUnit("new", "名\n", "department", "county"), "bad_name"),
        (PlaceUnit("new", "名" * 201, "department", "county"), "bad_name"),
        (PlaceUnit("new", "名", "department", "county", zone="Asia/Nowhere"), "unknown_zone"),
        (PlaceUnit("new", "名", "department", "county", zone="../etc"), "unknown_zone"),
        (RenameUnit("nowhere", "名"), "unknown_unit"),
        (RenameUnit("town", ""), "bad_name"),
        (MoveUnit("nowhere", "county"), "unknown_unit"),
        (MoveUnit("town", "nowhere"), "unknown_parent"),
        (MoveUnit("town", "town"), "cycle"),
        (MoveUnit("county", "village"), "cycle"),
        (MoveUnit("county-dc", "town-dc"), "cycle"),
        (MoveUnit("town-dc", "county"), "other_line"),
        (CloseUnit("nowhere"), "unknown_unit"),
        (CloseUnit("county"), "has_open_units"),
        (DefinePost("nowhere/head", "nowhere", "head", "principal"), "unknown_unit"),
        (DefinePost("head", "town", "head", "principal"), "bad_post"),
        (DefinePost("county/head", "town", "head", "principal"), "bad_post"),
        (DefinePost("town/head", "town", "superior.head", "principal"), "bad_role"),
        (DefinePost("town/head", "town", "书记", "principal"), "bad_role"),
        (StartTenure("town/nothing", "p-1", NOW), "unknown_post"),
        (EndTenure("town/nothing", "p-1", NOW), "unknown_post"),
    ],
)
def test_the_directory_says_no(command: Command, reason: str) -> None:
    directory = a_county()
    before = directory.shape()
    assert word(directory.do(command)) == reason
    assert directory.shape() == before


def test_a_closed_unit_stays_closed_and_takes_nobody_in() -> None:
    directory = a_county().done(
        DefinePost("village/head", "village", "head", "principal"), CloseUnit("village")
    )
    assert word(directory.do(placed("village", "town"))) == "closed"
    assert word(directory.do(RenameUnit("village", "名"))) == "closed"
    assert word(directory.do(MoveUnit("village", "county"))) == "closed"
    assert word(directory.do(placed("new", "village"))) == "closed_parent"
    assert word(directory.do(MoveUnit("town", "village"))) == "cycle"
    assert (
        word(directory.do(placed("new-dc", "town-dc", "discipline_committee", "village"))) == "unknown_unit"
    )
    assert (
        word(directory.do(DefinePost("village/handler", "village", "handler", "ordinary_cadre"))) == "closed"
    )
    assert word(directory.do(StartTenure("village/head", "p-1", NOW))) == "closed"


def test_a_unit_closes_after_what_hangs_on_it() -> None:
    directory = a_county().done(CloseUnit("village"))
    assert word(directory.do(CloseUnit("town"))) == "has_open_units"
    directory.done(CloseUnit("town-dc"), CloseUnit("town"))


def test_a_post_changes_its_portfolio_but_not_its_role() -> None:
    directory = a_county().done(HEAD, FIRST)
    (fact,) = directory.do(replace(HEAD, portfolio=("discipline",)))  # type: ignore[misc]
    assert isinstance(fact, PostDefined)
    assert directory.tree.posts["town/head"].holder(NOW) == "p-town/head"
    assert word(directory.do(replace(HEAD, role="handler"))) == "already_defined"


def test_a_second_post_does_not_take_a_role_away() -> None:
    directory = a_county().done(HEAD)
    assert word(directory.do(replace(HEAD, post="town/secretary"))) == "role_taken"
    directory.done(replace(HEAD, post="village/head", unit="village"))


def test_a_held_post_is_not_taken_by_another_person() -> None:
    directory = a_county().done(HEAD, FIRST)
    assert word(directory.do(StartTenure("town/head", "p-2", NOW))) == "held"


def test_a_person_is_an_identifier_never_a_name() -> None:
    decision = a_county().done(HEAD).do(StartTenure("town/head", "某某", NOW))
    assert word(decision) == "bad_person"
    assert isinstance(decision, Refusal)
    assert "某某" not in decision.reason + decision.reason_zh


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        (FIRST.from_at - MICROSECOND, "ends_before_start"),
        (FIRST.from_at, "ends_before_start"),
        (FIRST.from_at + MICROSECOND, None),
    ],
)
def test_a_tenure_ends_after_it_starts(until: datetime, reason: str | None) -> None:
    decision = a_county().done(HEAD, FIRST).do(EndTenure("town/head", "p-town/head", until))
    assert (decision.word if isinstance(decision, Refusal) else None) == reason


@pytest.mark.parametrize(
    ("late_by", "reason"), [(-MICROSECOND, "overlap"), (timedelta(0), None), (MICROSECOND, None)]
)
def test_the_next_tenure_begins_when_the_last_has_ended(late_by: timedelta, reason: str | None) -> None:
    directory = a_county().done(HEAD, FIRST, EndTenure("town/head", "p-town/head", NOW))
    decision = directory.do(StartTenure("town/head", "p-2", NOW + late_by))
    assert (decision.word if isinstance(decision, Refusal) else None) == reason


def test_only_who_holds_a_post_leaves_it() -> None:
    directory = a_county().done(HEAD)
    assert word(directory.do(EndTenure("town/head", "p-town/head", NOW))) == "not_held"
    directory.done(FIRST)
    assert word(directory.do(EndTenure("town/head", "p-2", NOW))) == "not_held"
    directory.done(EndTenure("town/head", "p-town/head", NOW))
    assert word(directory.do(EndTenure("town/head", "p-town/head", NOW + MICROSECOND))) == "not_held"
    assert directory.do(FIRST) == ()


def test_f4_seven_levels_of_many_kinds_stand_in_one_tree() -> None:
    tree = a_mixed_tree().tree
    assert tree.superior("bank-outlet", 6) == "33"
    assert tree.superior("bank-outlet", 7) is None
    assert {"department", "second_level_unit", "bank_branch"} < {unit.kind for unit in tree.units.values()}
    assert tree.is_within("bank-branch-dc", "330305-office")
    assert len(list(tree.subtree("33"))) == len(tree.units)


def test_every_state_is_kept_and_read_back() -> None:
    adapter: TypeAdapter[State] = TypeAdapter(State)
    directory = a_county().done(HEAD, FIRST, CloseUnit("village"))
    for state in [*directory.states.values(), initial("unit:x"), initial("post:x")]:
        assert adapter.validate_json(adapter.dump_json(state)) == state


def test_a_command_for_another_kind_of_stream_is_a_mistake_of_ours() -> None:
    tree = a_county().tree
    with pytest.raises(TypeError):
        decide(initial("unit:town"), HEAD, NOW, tree=tree)
    with pytest.raises(TypeError):
        decide(initial("post:town/head"), CloseUnit("town"), NOW, tree=tree)
    with pytest.raises(TypeError):
        evolve(initial("unit:town"), TenureEnded(post="p", unit="u", person="x", until_at=NOW))
    with pytest.raises(TypeError):
        evolve(initial("post:town/head"), UnitClosed(unit="town"))
    with pytest.raises(ValueError, match="neither"):
        initial("town")
