"""What a file of territories would change in the tree."""

import io
import random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.directory.domain import importing
from services.directory.domain.chart import SUFFIX
from services.directory.domain.importing import ImportPlan
from services.directory.domain.model import CloseUnit, MoveUnit, RenameUnit
from services.directory.domain.rows import read_csv
from tests.support.hierarchy import DIVISIONS, Directory, a_mixed_tree, divisions, import_units, placed

HEADER = "code,name,parent,level"
COUNTY = f"{HEADER}\n33,浙江省,,province\n3303,温州市,33,city\n330305,洞头区,3303,county\n"


def found(plan: ImportPlan) -> list[tuple[int, str, str]]:
    """Return where and what the errors of a plan are."""
    assert plan.errors
    assert plan.commands == ()
    assert all(error.reason and error.reason_zh for error in plan.errors)
    return [(error.line, error.field, error.word) for error in plan.errors]


def errors_of(*lines: str, tree: Directory | None = None) -> list[tuple[int, str, str]]:
    """Return the errors of a file."""
    return found(import_units("\n".join([HEADER, *lines]), (tree or Directory()).tree))


def test_each_territory_becomes_two_units_on_two_lines() -> None:
    tree = Directory().imported(COUNTY).tree
    committee, discipline = tree.units["330305"], tree.units["330305-dc"]
    assert (committee.name, committee.kind, committee.level) == (
        "中共洞头区委员会",
        "party_committee",
        "county",
    )
    assert (committee.parent, committee.same_level) == ("3303", None)
    assert (discipline.name, discipline.kind) == ("中共洞头区纪律检查委员会", "discipline_committee")
    assert (discipline.parent, discipline.same_level) == ("3303-dc", "330305")
    assert tree.units["33"].parent is None
    assert tree.units["33-dc"].parent is None


def test_each_unit_gets_its_posts() -> None:
    posts = Directory().imported(COUNTY).tree.posts
    assert {
        (post.code, post.role, post.rank_class, post.portfolio)
        for post in posts.values()
        if post.unit in {"330305", "330305-dc"}
    } == {
        ("330305/head", "head", "principal", ()),
        ("330305/leader_in_charge", "leader_in_charge", "team_member", ("discipline",)),
        ("330305/handler", "handler", "ordinary_cadre", ()),
        ("330305-dc/discipline_head", "discipline_head", "principal", ()),
        ("330305-dc/leader_in_charge", "leader_in_charge", "team_member", ()),
        ("330305-dc/handler", "handler", "ordinary_cadre", ()),
    }


@pytest.mark.parametrize(
    ("listed", "called"),
    [
        ("城中社区", "中共城中社区支部委员会"),
        ("小三盘村委会", "中共小三盘村支部委员会"),
        ("小朴社区居委会", "中共小朴社区支部委员会"),
        ("居委会", "中共居委会支部委员会"),
    ],
)
def test_a_village_has_a_branch_named_after_the_village(listed: str, called: str) -> None:
    tree = Directory().imported(f"{COUNTY}v,{listed},330305,village").tree
    assert tree.units["v"].name == called
    assert tree.units["v-dc"].name == called.removesuffix("委员会") + "纪律检查委员"


def test_a_unit_of_another_name_or_place_is_renamed_or_moved_with_its_discipline_committee() -> None:
    directory = Directory().imported(f"{COUNTY}t,镇,330305,township\nv,村,t,village")
    text = f"{HEADER}\nt,新镇,330305,township\nv,村,3303,village"
    plan = import_units(text, directory.tree)
    assert not plan.additions + plan.posts
    assert not plan.unchanged
    assert plan.renames == (RenameUnit("t", "中共新镇委员会"), RenameUnit("t-dc", "中共新镇纪律检查委员会"))
    assert plan.moves == (MoveUnit("v", "3303"), MoveUnit("v-dc", "3303-dc"))
    directory.carry_out(plan)
    assert directory.tree.superior("v-dc") == "3303-dc"
    assert import_units(text, directory.tree) == ImportPlan(unchanged=("t", "v"))


def test_two_units_may_change_places() -> None:
    directory = Directory().imported(f"{COUNTY}a,甲,330305,township\nb,乙,a,village\nc,丙,b,village")
    directory.imported(f"{HEADER}\na,甲,b,township\nb,乙,330305,village")
    assert (directory.tree.superior("a"), directory.tree.superior("b")) == ("b", "330305")
    assert directory.tree.superior("c-dc") == "b-dc"


def test_a_new_root_may_rise_above_the_old_one() -> None:
    directory = Directory().imported(f"{HEADER}\n3303,温州市,,city").imported(COUNTY)
    assert directory.tree.superior("3303") == "33"
    assert directory.tree.superior("3303-dc") == "33-dc"


def test_a_row_that_is_missing_closes_nothing() -> None:
    directory = Directory().imported(COUNTY)
    plan = import_units(f"{HEADER}\n33,浙江省,,province\n", directory.tree)
    assert plan == ImportPlan(unchanged=("33",))


def test_an_import_that_stopped_halfway_is_completed_by_the_next() -> None:
    whole = Directory().imported(COUNTY)
    plan = import_units(COUNTY, Directory().tree)
    for stop in range(len(plan.commands)):
        assert Directory().done(*plan.commands[:stop]).imported(COUNTY).shape() == whole.shape()


def test_what_a_part_of_the_tree_stands_under_may_be_of_any_kind() -> None:
    directory = a_mixed_tree()
    directory.imported(f"{HEADER}\nv,村,330305-office-archive,village\nw,村,bank-outlet,village")
    assert directory.tree.superior("v-dc") == "330305-dc"
    assert directory.tree.superior("w-dc") == "bank-branch-dc"


def test_a_closed_discipline_committee_is_neither_a_superior_nor_placed_anew() -> None:
    directory = Directory().imported(COUNTY).done(CloseUnit("330305-dc"))
    directory.imported(f"{COUNTY}t,镇,330305,township")
    assert directory.tree.units["330305-dc"].is_closed
    assert directory.tree.superior("t-dc") == "3303-dc"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (",镇,330305,township", ("code", "missing_code")),
        ("a b,镇,330305,township", ("code", "bad_code")),
        ("x" * 64 + ",镇,330305,township", ("code", "bad_code")),
        ("x-dc,镇,330305,township", ("code", "reserved_code")),
        ("t,,330305,township", ("name", "empty_name")),
        ("t," + "名" * 200 + ",330305,township", ("name", "too_long")),
        ("t,镇\u200b,330305,township", ("name", "bad_name")),
        ("t,镇,330305," + "l" * 65, ("level", "too_long")),
        ("t,镇,nowhere,township", ("parent", "unknown_parent")),
        ("t,镇,330305-dc,township", ("parent", "other_line")),
        ("t,镇,t,township", ("parent", "cycle")),
        ("t,镇,,township", ("parent", "two_roots")),
        ("3303,温州市,330305,city", ("parent", "cycle")),
        ("3303,温州市,33,county", ("level", "already_placed")),
        ("old,镇,330305,township", ("code", "closed")),
        ("t,镇,old,township", ("parent", "closed_parent")),
        ("office,镇,330305,township", ("code", "already_placed")),
        ("t,镇,330305", ("", "wrong_width")),
        ("t,镇,330305,township,more", ("", "wrong_width")),
        ('t,"镇,330305,township', ("", "bad_csv")),
    ],
)
def test_an_error_tells_line_field_and_reason(line: str, error: tuple[str, str]) -> None:
    directory = (
        Directory().imported(COUNTY).done(placed("old", "330305"), placed("office", "330305", "department"))
    )
    assert errors_of("33,浙江省,,province", line, tree=directory.done(CloseUnit("old"))) == [(3, *error)]


def test_all_errors_are_told_at_once_and_nothing_is_done() -> None:
    assert errors_of("a,甲,,x", "b,乙,c,x", "c,丙,b,x", "a,丁,a,x", "e,戊,,x", ",,f,x") == [
        (3, "parent", "cycle"),
        (4, "parent", "cycle"),
        (5, "code", "duplicate_code"),
        (6, "parent", "two_roots"),
        (7, "code", "missing_code"),
        (7, "name", "empty_name"),
        (7, "parent", "unknown_parent"),
    ]


def test_who_stands_above_a_cycle_is_not_blamed_for_it() -> None:
    assert errors_of("b,乙,c,x", "c,丙,b,x", "d,丁,b,x") == [(2, "parent", "cycle"), (3, "parent", "cycle")]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", ["code", "name", "parent", "level"]),
        ("code,name,level\n", ["parent"]),
        (f"{HEADER},code\n", ["code"]),
    ],
)
def test_a_header_must_name_each_column_once(text: str, fields: list[str]) -> None:
    errors = import_units(text, Directory().tree).errors
    assert [(e.line, e.field) for e in errors] == [(1, field) for field in fields]


def test_columns_stand_in_any_order_beside_others_and_blank_lines_count() -> None:
    directory = Directory().imported(
        "\ufefflevel,remark,parent, name ,code\r\n\r\nprovince,,, 浙江省 ,33\r\n"
    )
    assert directory.tree.units["33"].name == "中共浙江省委员会"
    plan = import_units(f'{HEADER},remark\n\n33,浙江省,,province,"two\nlines"\n\n,,x,,\n', Directory().tree)
    assert {error.line for error in plan.errors} == {6}


def test_a_county_with_its_city_and_province_is_imported_and_the_second_time_changes_nothing() -> None:
    text = divisions()
    directory = Directory().imported(text)
    rows = len(text.splitlines()) - 1
    assert rows == 103 + 2
    assert len(directory.tree.units) == 2 * rows
    assert len(directory.tree.posts) == 6 * rows
    plan = import_units(text, directory.tree)
    assert plan.waves == ()
    assert len(plan.unchanged) == rows


def test_a_whole_city_is_planned_in_a_moment() -> None:
    text = DIVISIONS.read_text("utf-8")
    started = process_time()
    plan = import_units(text, Directory().tree)
    assert process_time() - started < 1
    assert len(plan.additions) == 2 * 3_890
    assert len(plan.posts) == 6 * 3_890


def test_rows_that_only_lead_to_the_others_are_read_and_not_planned() -> None:
    text = f"{HEADER}\n33,浙江省,,province\n3303,温州市,33,city\n330305,洞头区,3303,county\n"
    table = read_csv(io.StringIO(text))
    plan = importing.import_units(table, Directory().tree, leading=2)
    assert [unit.unit for unit in plan.additions] == ["330305", "330305-dc"]
    assert plan.additions[1].parent == "3303-dc"
    known = Directory().imported(text).tree
    assert importing.import_units(read_csv(io.StringIO(text)), known, leading=2).unchanged == ("330305",)


def test_a_rare_character_of_a_register_is_part_of_a_name_and_a_control_character_is_not() -> None:
    assert Directory().imported(f"{HEADER}\n33,高\ue170村委会,,village\n").tree.units["33"].name == (
        "中共高\ue170村支部委员会"
    )
    for name in ("高\u200b村", "高\x07村", "高\ud800村"):
        assert errors_of(f"33,{name},,village") == [(2, "name", "bad_name")]


@st.composite
def files(draw: st.DrawFn, codes: str = "abcdefgh") -> list[str]:
    """Draw the rows of a tree, in any order; some of its units are left out."""
    size = draw(st.integers(1, len(codes)))
    order = draw(st.permutations(codes[:size]))
    rows = []
    for place, code in enumerate(order):
        parent = draw(st.sampled_from(order[:place])) if place else ""
        rows.append(f"{code},{draw(st.sampled_from('甲乙'))},{parent},{'village' if parent else 'town'}")
    return draw(st.permutations(rows))


@settings(max_examples=60, deadline=None)
@given(files(), st.randoms(use_true_random=False))
def test_rows_in_any_order_give_the_same_plan(rows: list[str], order: random.Random) -> None:
    plan = import_units("\n".join([HEADER, *rows]), Directory().tree)
    shuffled = order.sample(rows, len(rows))
    assert import_units("\n".join([HEADER, *shuffled]), Directory().tree) == plan


@settings(max_examples=60, deadline=None)
@given(files(), files())
def test_a_second_import_of_the_same_file_is_a_no_op(before: list[str], after: list[str]) -> None:
    directory = Directory().imported("\n".join([HEADER, *before]))
    text = "\n".join([HEADER, *after])
    plan = import_units(text, directory.tree)
    if not plan.errors:
        directory.carry_out(plan)
        assert import_units(text, directory.tree).waves == ()
        for unit in directory.tree.units.values():
            if unit.same_level is not None and unit.parent is not None:
                assert unit.parent == f"{directory.tree.superior(unit.same_level)}{SUFFIX}"
