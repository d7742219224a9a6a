"""A post comes with its unit, or is defined later; who holds it does not care."""

from datetime import UTC, datetime

import pytest

from contracts.directory import PostDefined, PostPlan, TenureEnded, TenureStarted, UnitPlaced
from contracts.refusal import Refusal
from contracts.tree import Tree
from services.directory.domain.model import DefinePost, EndTenure, PlaceUnit, StartTenure
from tests.support.hierarchy import NOW, Directory, import_units

UNITS = "code,name,parent,level\n33,浙江省,,province\n3303,温州市,33,city\n"
SINCE, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
HEAD = PostPlan(role="head", rank_class="principal")
TOWN = PlaceUnit("town", "镇", "department", None, posts=(HEAD,))
SAME_HEAD = DefinePost("town/head", "town", "head", "principal")


def a_town() -> Directory:
    """Return a unit that came with one post."""
    return Directory().done(TOWN)


def an_old_ledger() -> Directory:
    """Return the tree of a ledger from when each post was a fact of its own."""
    directory = Directory()
    for command in import_units(UNITS, directory.tree).additions:
        placed = UnitPlaced(
            unit=command.unit,
            name=command.name,
            kind=command.kind,
            parent=command.parent,
            same_level=command.same_level,
            level=command.level,
        )
        directory.apply(f"unit:{command.unit}", [placed])
        for plan in command.posts:
            code = f"{command.unit}/{plan.role}"
            defined = PostDefined(post=code, unit=command.unit, **plan.model_dump())
            directory.apply(f"post:{code}", [defined])
    return directory


def test_a_territory_is_two_facts_and_six_posts() -> None:
    plan = import_units(UNITS, Directory().tree)
    assert plan.commands == plan.additions
    assert (len(plan.commands), len(plan.posts)) == (4, 12)


def test_a_post_that_came_with_its_unit_is_held_and_left_like_any_other() -> None:
    directory = a_town()
    start, end = StartTenure("town/head", "p-1", SINCE), EndTenure("town/head", "p-1", UNTIL)
    for command, fact in (
        (start, TenureStarted(post="town/head", unit="town", person="p-1", from_at=SINCE)),
        (end, TenureEnded(post="town/head", unit="town", person="p-1", until_at=UNTIL)),
    ):
        assert directory.do(command) == (fact,)
        assert directory.do(command) == ()
    assert directory.tree.posts["town/head"].holder(SINCE) == "p-1"
    assert directory.tree.posts["town/head"].holder(UNTIL) is None
    assert directory.tree.seat("town", "head", SINCE).person == "p-1"


def test_a_post_that_did_not_come_with_its_unit_is_unknown() -> None:
    decision = a_town().do(StartTenure("town/handler", "p-1", SINCE))
    assert isinstance(decision, Refusal)
    assert decision.word == "unknown_post"


def test_a_post_that_came_with_its_unit_is_not_defined_again_until_it_is_another() -> None:
    directory = a_town().done(StartTenure("town/head", "p-1", SINCE))
    assert directory.do(SAME_HEAD) == ()
    other = DefinePost("town/head", "town", "head", "principal", ("discipline",))
    assert directory.do(other) == (
        PostDefined(
            post="town/head", unit="town", role="head", rank_class="principal", portfolio=("discipline",)
        ),
    )
    post = directory.tree.posts["town/head"]
    assert (post.portfolio, post.holder(NOW)) == (("discipline",), "p-1")
    assert (
        [one.code for one in directory.tree.posts_of("town")] == list(directory.tree.posts) == ["town/head"]
    )


def test_another_post_cannot_take_a_role_that_came_with_the_unit() -> None:
    for post, word in (("town/secretary", "role_taken"), ("town/head", "already_defined")):
        role = "head" if post == "town/secretary" else "handler"
        decision = a_town().do(DefinePost(post, "town", role, "principal"))
        assert isinstance(decision, Refusal)
        assert decision.word == word


@pytest.mark.parametrize(
    ("posts", "word"),
    [
        ((PostPlan(role="superior.head", rank_class="principal"),), "bad_role"),
        ((PostPlan(role="书记", rank_class="principal"),), "bad_role"),
        ((HEAD, HEAD), "role_taken"),
    ],
)
def test_a_unit_does_not_come_with_posts_that_could_not_be_defined(
    posts: tuple[PostPlan, ...], word: str
) -> None:
    directory = Directory()
    decision = directory.do(PlaceUnit("town", "镇", "department", None, posts=posts))
    assert isinstance(decision, Refusal)
    assert decision.word == word
    assert not directory.tree.units


def test_a_unit_placed_again_with_other_posts_is_refused() -> None:
    directory = a_town()
    assert directory.do(TOWN) == ()
    decision = directory.do(PlaceUnit("town", "镇", "department", None))
    assert isinstance(decision, Refusal)
    assert decision.word == "already_placed"


def test_an_old_ledger_says_the_same_tree_and_an_import_over_it_changes_nothing() -> None:
    old = an_old_ledger()
    assert old.shape() == Directory().imported(UNITS).shape()
    assert import_units(UNITS, old.tree).waves == ()
    assert old.do(StartTenure("33/head", "p-1", SINCE)) != ()
    assert old.tree.seat("33", "head", SINCE).person == "p-1"


def test_a_unit_of_an_old_ledger_that_lacks_posts_gets_them_by_the_next_import() -> None:
    directory = Directory().done(
        PlaceUnit("33", "中共浙江省委员会", "party_committee", None, level="province")
    )
    plan = import_units("code,name,parent,level\n33,浙江省,,province\n", directory.tree)
    assert [post.role for post in plan.commands if isinstance(post, DefinePost)] == [
        "head",
        "leader_in_charge",
        "handler",
    ]
    assert directory.carry_out(plan).shape() == Directory().imported(UNITS.rsplit("\n", 2)[0]).shape()


def test_a_tenure_may_be_heard_before_the_unit_with_which_its_post_came() -> None:
    placed = UnitPlaced(unit="town", name="镇", kind="department", parent=None, posts=(HEAD,))
    started = TenureStarted(post="town/head", unit="town", person="p-1", from_at=SINCE)
    tree = Tree()
    tree.apply(started, 1)
    assert "town/head" not in tree.posts
    tree.apply(placed, 1)
    assert tree.seat("town", "head", SINCE).person == "p-1"


def test_what_came_with_a_unit_never_undoes_what_was_defined_later() -> None:
    placed = UnitPlaced(unit="town", name="镇", kind="department", parent=None, posts=(HEAD,))
    defined = PostDefined(post="town/head", unit="town", role="head", rank_class="team_member")
    for facts in ((placed, defined), (defined, placed)):
        tree = Tree()
        for fact in facts:
            tree.apply(fact, 1)
        assert tree.posts["town/head"].rank_class == "team_member"
        assert (len(tree.posts), len(tree.posts_of("town"))) == (1, 1)


def test_units_with_the_same_posts_keep_them_once() -> None:
    units = Directory().imported(UNITS).tree.units
    assert units["33"].posts is units["3303"].posts
    assert units["33"].posts is not units["33-dc"].posts
    assert units["3303"].parent is units["33"].code


def test_a_fact_heard_twice_changes_nothing() -> None:
    directory = Directory().imported(UNITS)
    before = directory.shape()
    unit = directory.tree.units["33"]
    again = UnitPlaced(unit="33", name="旧名", kind=unit.kind, parent="3303")
    directory.tree.apply(again, 1)
    assert directory.shape() == before
