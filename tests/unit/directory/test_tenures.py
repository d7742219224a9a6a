"""What a file of tenures would change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.directory.domain.model import EndTenure, StartTenure
from services.directory.domain.tenures import TenurePlan
from tests.support.hierarchy import Directory, import_tenures, import_units

HEADER = "post,person,from"
UNITS = "code,name,parent,level\n33,浙江省,,province\n"
NEW_YEAR = datetime(2024, 12, 31, 16, tzinfo=UTC)
LATER = datetime(2025, 6, 30, 16, tzinfo=UTC)


def a_province() -> Directory:
    """Return a tree with nobody in it."""
    return Directory().imported(UNITS)


def planned(directory: Directory, *lines: str) -> TenurePlan:
    """Return the plan of a file."""
    return import_tenures("\n".join([HEADER, *lines]), directory.tree)


def test_a_bare_date_is_its_first_moment_in_the_zone_of_the_unit() -> None:
    plan = planned(
        a_province(), "33/head,p-33/head,2025-01-01", "33/handler,p-33/handler,2025-01-01T00:00:00Z"
    )
    assert plan.commands == (
        StartTenure("33/handler", "p-33/handler", datetime(2025, 1, 1, tzinfo=UTC)),
        StartTenure("33/head", "p-33/head", NEW_YEAR),
    )


def test_tenures_may_be_planned_together_with_their_posts() -> None:
    units = import_units(UNITS, Directory().tree)
    plan = import_tenures(f"{HEADER}\n33/head,p-33/head,2025-01-01", Directory().tree, units)
    assert plan.commands == (StartTenure("33/head", "p-33/head", NEW_YEAR),)


def test_a_post_without_a_row_stays_as_it_is() -> None:
    directory = a_province().done(StartTenure("33/head", "p-1", NEW_YEAR))
    assert planned(directory, "33/handler,p-2,2025-01-01").commands == (
        StartTenure("33/handler", "p-2", NEW_YEAR),
    )


def test_a_new_person_ends_the_old_tenure_at_that_moment() -> None:
    directory = a_province()
    lines = ("33/head,p-2,2025-07-01", "33/head,p-1,2025-01-01")
    plan = planned(directory, *lines)
    assert plan.commands == (
        StartTenure("33/head", "p-1", NEW_YEAR),
        EndTenure("33/head", "p-1", LATER),
        StartTenure("33/head", "p-2", LATER),
    )
    directory.done(*plan.commands)
    assert directory.tree.posts["33/head"].holder(LATER) == "p-2"
    assert planned(directory, *lines) == TenurePlan(unchanged=("33/head", "33/head"))


def test_a_person_may_come_back_to_a_post() -> None:
    lines = ("33/head,p-1,2025-01-01", "33/head,p-2,2025-07-01", "33/head,p-1,2025-08-01")
    directory = a_province()
    plan = planned(directory, *lines)
    assert [type(command) for command in plan.commands] == [
        StartTenure,
        EndTenure,
        StartTenure,
        EndTenure,
        StartTenure,
    ]
    holder = directory.done(*plan.commands).tree.posts["33/head"].holder
    assert (holder(LATER), holder(datetime(2025, 8, 1, tzinfo=UTC))) == ("p-2", "p-1")
    assert planned(directory, *lines).commands == ()


def test_a_tenure_that_has_ended_does_not_cover_its_last_moment() -> None:
    directory = a_province().done(StartTenure("33/head", "p-1", NEW_YEAR), EndTenure("33/head", "p-1", LATER))
    assert planned(directory, "33/head,p-1,2025-07-01").commands == (StartTenure("33/head", "p-1", LATER),)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (",p-1,2025-01-01", ("post", "missing_post")),
        ("33/nothing,p-1,2025-01-01", ("post", "unknown_post")),
        ("33/head,,2025-01-01", ("person", "missing_person")),
        ("33/head,某某,2025-01-01", ("person", "bad_person")),
        ("33/head,p-1,", ("from", "bad_moment")),
        ("33/head,p-1,2025-02-30", ("from", "bad_moment")),
        ("33/head,p-1,0001-01-01T00:00:00+08:00", ("from", "bad_moment")),
        ("33/head,p-1,0001-01-01", ("from", "bad_moment")),
        ("33/handler,p-9,2025-01-01", ("person", "two_holders")),
        ("33/leader_in_charge,p-1,2024-12-31", ("from", "overlap")),
        ("33/leader_in_charge,p-1,2025-01-01", ("from", "overlap")),
        ("33-dc/handler,p-1,2025-06-30", ("from", "overlap")),
        ("33/head,p-1", ("", "wrong_width")),
    ],
)
def test_an_error_tells_line_field_and_reason(line: str, error: tuple[str, str]) -> None:
    directory = a_province().done(
        StartTenure("33/leader_in_charge", "p-0", NEW_YEAR),
        StartTenure("33-dc/handler", "p-0", NEW_YEAR),
        EndTenure("33-dc/handler", "p-0", LATER),
    )
    plan = planned(directory, "33/handler,p-2,2025-01-01", line)
    assert [(e.line, e.field, e.word) for e in plan.errors] == [(3, *error)]
    assert plan.commands == ()
    assert all(e.reason and e.reason_zh for e in plan.errors)


ROW = st.tuples(st.sampled_from(["33/head", "33/handler"]), st.sampled_from("abc"), st.integers(1, 6))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=8))
def test_a_second_import_of_the_same_file_is_a_no_op(rows: list[tuple[str, str, int]]) -> None:
    directory = a_province()
    lines = [f"{post},p-{person},2025-0{month}-01" for post, person, month in rows]
    plan = planned(directory, *lines)
    if not plan.errors:
        assert planned(directory.done(*plan.commands), *lines).commands == ()
        assert planned(directory, *lines).errors == ()
