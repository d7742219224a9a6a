"""The directory alone: files are imported, and it says what has become of the tree."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.directory import TenureStarted, UnitMoved, UnitPlaced, UnitRenamed
from contracts.escalations import EscalationRaised
from contracts.tree import Tree
from services.directory.app import build
from services.directory.entrypoints.files import XLSX
from services.directory.entrypoints.http import BOOK
from services.reminders.app import build as build_reminders
from tests.support.hierarchy import divisions
from tests.support.kit import pages
from tests.support.reminders import a_duty, at
from tests.support.running import Running
from tests.support.workbook import a_workbook

NOW = datetime(2026, 1, 5, tzinfo=UTC)
COUNTY, TOWNSHIP, VILLAGE = "330305", "330305001", "330305001200"
HEADER = "code,name,parent,level"
ROWS = {
    "33": "33,浙江省,,province",
    "3303": "3303,温州市,33,city",
    COUNTY: "330305,洞头区,3303,county",
    TOWNSHIP: "330305001,北岙街道,330305,township",
    "330305002": "330305002,东屏街道,330305,township",
    VILLAGE: "330305001200,小三盘村委会,330305001,village",
}


def a_file(**changes: str) -> str:
    """Return the file, its rows changed as told; the keywords are ``u`` and the code."""
    rows = ROWS | {code[1:]: row for code, row in changes.items()}
    return "\n".join([HEADER, *rows.values()])


async def directory(tmp_path: Path, text: str = "") -> Running:
    """Return the directory with a file imported."""
    running = await Running("directory", build, tmp_path, NOW).start()
    if text:
        assert (await imports(running, text))["done"]
    return running


async def imports(running: Running, text: str, **query: Any) -> dict[str, Any]:
    answer = await post(running, text, **query)
    assert answer.is_success, answer.text
    await running.says()
    found: dict[str, Any] = answer.json()
    return found


async def post(running: Running, text: str, kind: str = "units", role: str = "operator", **query: Any) -> Any:
    headers = running.token(role, unit="33")
    return await running.http.post(
        f"/v1/imports/{kind}", content=text.encode(), headers=headers, params=query
    )


async def unit(running: Running, code: str, root: str = "33") -> dict[str, Any]:
    answer = await running.get(f"/v1/units/{code}", unit=root)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def tree(running: Running) -> list[dict[str, Any]]:
    """Return every unit with its posts, as people are shown them."""
    answer = await running.get("/v1/units", unit="33", root="33", limit=1000)
    return [await unit(running, one["unit"]) for one in answer.json()["items"]]


def said_tree(running: Running) -> list[tuple[str, str, str | None, str | None]]:
    """Return the tree as whoever hears the topic knows it."""
    heard = Tree()
    for envelope, fact in running.envelopes():
        heard.apply(fact, envelope.sequence)
    return sorted((u.code, u.name, u.parent, u.same_level) for u in heard.units.values())


async def test_a_dry_run_tells_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    running = await directory(tmp_path)
    before = len(await pages(running.service.store, BOOK))  # type: ignore[arg-type]

    answer = await imports(running, a_file(), dry_run=True)

    assert (answer["added"], answer["posts"], answer["done"]) == (12, 36, 0)
    assert len(await pages(running.service.store, BOOK)) == before  # type: ignore[arg-type]
    assert running.said() == []
    assert (await running.get("/v1/units/33", unit="33")).status_code == 404


async def test_a_county_is_imported_and_the_second_time_changes_nothing(tmp_path: Path) -> None:
    running = await directory(tmp_path, divisions())
    said = len(running.said())

    again = await imports(running, divisions())

    assert len(running.said(UnitPlaced)) == 2 * 105
    assert (again["changes"], again["done"], again["unchanged"]) == (0, 0, 105)
    assert len(running.said()) == said


async def test_each_territory_is_two_units_on_two_lines_with_posts_that_nobody_holds_yet(
    tmp_path: Path,
) -> None:
    running = await directory(tmp_path, a_file())

    committee, discipline = await unit(running, VILLAGE), await unit(running, f"{VILLAGE}-dc")

    assert (committee["parent"], committee["same_level"]) == (TOWNSHIP, None)
    assert (discipline["parent"], discipline["same_level"]) == (f"{TOWNSHIP}-dc", VILLAGE)
    assert {post["role"]: post["person"] for post in committee["posts"]} == {
        "head": None,
        "leader_in_charge": None,
        "handler": None,
    }


async def test_who_holds_a_post_is_imported_and_a_new_holder_ends_the_tenure_before(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())
    post_of = f"{VILLAGE}/head"
    tenures = f"post,person,from\n{post_of},p-1,2020-01-01\n"

    await imports(running, tenures, kind="tenures")
    again = await imports(running, tenures, kind="tenures")
    assert {post["post"]: post["person"] for post in (await unit(running, VILLAGE))["posts"]}[
        post_of
    ] == "p-1"
    assert again["done"] == 0

    await imports(running, f"post,person,from\n{post_of},p-2,2026-01-01\n", kind="tenures")
    assert {post["post"]: post["person"] for post in (await unit(running, VILLAGE))["posts"]}[
        post_of
    ] == "p-2"


async def test_a_unit_of_another_name_is_renamed_on_both_lines(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())

    answer = await imports(running, a_file(u330305002=ROWS["330305002"].replace("东屏", "元觉")))

    assert (answer["changes"], answer["done"]) == (2, 2)
    assert {fact.unit: fact.name for fact in running.said(UnitRenamed)} == {
        "330305002": "中共元觉街道委员会",
        "330305002-dc": "中共元觉街道纪律检查委员会",
    }
    assert (await unit(running, "330305002"))["name"] == "中共元觉街道委员会"


async def test_a_unit_in_another_place_moves_with_its_discipline_committee(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())

    await imports(running, a_file(u330305001200=ROWS[VILLAGE].replace(TOWNSHIP + ",", "330305002,")))

    assert {fact.unit: fact.parent for fact in running.said(UnitMoved)} == {
        VILLAGE: "330305002",
        f"{VILLAGE}-dc": "330305002-dc",
    }
    assert (await running.get(f"/v1/units/{VILLAGE}", unit=TOWNSHIP)).status_code == 404
    assert (await unit(running, VILLAGE, root="330305002"))["parent"] == "330305002"


@pytest.mark.parametrize("dry_run", [False, True])
async def test_every_error_is_told_by_line_and_field_in_both_languages_and_nothing_is_done(
    tmp_path: Path, *, dry_run: bool
) -> None:
    running = await directory(tmp_path)
    bad = "\n".join(
        [HEADER, *ROWS.values(), "330305003,,330305,township", "330305004,大门镇,nowhere,township"]
    )

    answer = await post(running, bad, dry_run=dry_run)

    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert [(error["line"], error["field"], error["word"]) for error in errors] == [
        (8, "name", "empty_name"),
        (9, "parent", "unknown_parent"),
    ]
    for error in errors:
        assert error["reason"].isascii()
        assert not error["reason_zh"].isascii()
    await running.says()
    assert running.said() == []


async def test_a_unit_below_itself_is_refused(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())
    before = await tree(running)

    answer = await post(running, f"{HEADER}\n{COUNTY},洞头区,{VILLAGE},county\n")

    assert answer.status_code == 422
    assert [(e["line"], e["field"], e["word"]) for e in answer.json()["errors"]] == [(2, "parent", "cycle")]
    assert await tree(running) == before


async def test_after_a_restart_the_tree_is_exactly_what_it_was_and_what_was_said(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())
    await imports(running, f"post,person,from\n{VILLAGE}/head,p-1,2020-01-01\n", kind="tenures")
    moved = ROWS[VILLAGE].replace(TOWNSHIP + ",", "330305002,").replace("小", "大")
    await imports(running, a_file(u330305001200=moved))
    before = await tree(running)

    running = await running.again()

    assert await tree(running) == before
    assert [(u["unit"], u["name"], u["parent"], u["same_level"]) for u in before] == said_tree(running)
    assert (await imports(running, a_file(u330305001200=moved)))["done"] == 0


async def test_an_xlsx_file_is_imported_like_csv_by_what_it_is_and_by_what_it_says(tmp_path: Path) -> None:
    header, *rows = [line.split(",") for line in a_file().splitlines()]
    units = a_workbook(
        [header, *([int(c), name, int(up) if up else None, level] for c, name, up, level in rows)]
    )
    tenures = a_workbook([["post", "person", "from"], ["33/head", "p-1", date(2025, 1, 1)]])
    running = await directory(tmp_path)

    for kind, content, media_type in (("units", units, ""), ("tenures", tenures, XLSX + "; charset=binary")):
        headers = running.token("operator", unit="33") | {"Content-Type": media_type}
        answer = await running.http.post(f"/v1/imports/{kind}", content=content, headers=headers)
        assert answer.is_success, answer.text

    await running.says()
    assert (await imports(running, a_file()))["unchanged"] == len(ROWS)
    (started,) = running.said(TenureStarted)
    assert (started.person, started.from_at) == ("p-1", datetime(2024, 12, 31, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("media_type", "content", "word"),
    [("", b"PK\x03\x04", "not_xlsx"), (XLSX, b"code", "not_xlsx"), ("text/csv", b"\xff\xfe", "not_utf8")],
)
@pytest.mark.parametrize("kind", ["units", "tenures"])
async def test_a_file_that_cannot_be_read_is_a_bad_request(
    tmp_path: Path, kind: str, media_type: str, content: bytes, word: str
) -> None:
    running = await directory(tmp_path)
    headers = running.token("operator", unit="33") | {"Content-Type": media_type, "Accept-Language": "zh"}
    answer = await running.http.post(f"/v1/imports/{kind}", content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, f"urn:zeren:problem:{word}")
    assert not answer.json()["detail"].isascii()


async def test_an_error_in_a_workbook_is_told_by_its_line_and_field(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())
    workbook = a_workbook(
        [HEADER.split(","), [], [330305003, None, 330305, "township"], [3.5, "镇", 33, "x"]]
    )
    answer = await running.http.post(
        "/v1/imports/units", content=workbook, headers=running.token("operator", unit="33")
    )
    assert [(e["line"], e["field"], e["word"]) for e in answer.json()["errors"]] == [
        (3, "name", "empty_name"),
        (4, "code", "bad_code"),
    ]


async def test_rows_that_only_lead_to_the_others_are_not_counted(tmp_path: Path) -> None:
    running = await directory(tmp_path)
    answer = await imports(running, a_file(), dry_run=True, leading=4)
    assert (answer["added"], answer["posts"], answer["renames"], answer["moves"]) == (4, 12, 0, 0)
    assert (await post(running, a_file(), leading=-1)).status_code == 422


async def test_f2_a_unit_imported_under_another_parent_climbs_to_its_new_superior_with_no_policy_edit(
    tmp_path: Path,
) -> None:
    running = await directory(tmp_path, a_file())
    held = [
        f"{post['post']},p-{n},2020-01-01"
        for n, post in enumerate(post for one in await tree(running) for post in one["posts"])
    ]
    await imports(running, "\n".join(["post,person,from", *held]), kind="tenures")
    reminders = await Running("reminders", build_reminders, tmp_path / "reminders", NOW).start()
    await reminders.hears(*running.said())
    await reminders.hears(a_duty(unit=VILLAGE))
    await reminders.until(at("2026-02-04 09:00"))
    told = {fact.post for fact in reminders.said(EscalationRaised)}
    assert {post.rpartition("/")[0].removesuffix("-dc") for post in told} == {VILLAGE}

    await imports(running, f"{HEADER}\n{VILLAGE},小三盘村委会,330305002,village\n")
    await reminders.hears(*running.said(UnitMoved))
    await reminders.until(at("2026-02-06 09:00"))

    assert {fact.post for fact in reminders.said(EscalationRaised)} - told == {
        "330305002/head",
        "330305002-dc/discipline_head",
    }


async def test_a_tree_of_several_probes_of_pages_is_whole_after_a_restart(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())
    for n in range(150):
        await imports(running, f"{HEADER}\n{VILLAGE},第{n}村委会,{TOWNSHIP},village\n")

    running = await running.again()

    assert (await unit(running, VILLAGE))["name"] == "中共第149村支部委员会"
    assert len(await tree(running)) == 12


async def test_a_unit_outside_ones_subtree_looks_as_if_it_did_not_exist(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())

    outside = await running.get(f"/v1/units/{COUNTY}", "operator", unit=TOWNSHIP)
    nowhere = await running.get("/v1/units/nowhere", "operator", unit=TOWNSHIP)

    assert outside.status_code == nowhere.status_code == 404
    assert outside.json()["detail"].replace(COUNTY, "nowhere") == nowhere.json()["detail"]
    assert (await unit(running, VILLAGE, root=TOWNSHIP))["unit"] == VILLAGE


async def test_a_replica_that_does_not_write_the_tree_judges_no_file_by_its_own(tmp_path: Path) -> None:
    running = await directory(tmp_path, a_file())
    await running.service.shelf.close_all({BOOK})

    answers = [
        await post(running, f"{HEADER}\n330305009,新镇,330305,township\n"),
        await post(running, "post,person,from\n33/head,p-1,2025-01-01\n", kind="tenures"),
        await running.get("/v1/units/33", unit="33"),
    ]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert (await running.http.get("/v1/units/33")).status_code == 401

    await running.service.shelf.open_all({BOOK})
    assert (await imports(running, a_file()))["unchanged"] == len(ROWS)


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_page_of_no_units_is_told_to_be_invalid(tmp_path: Path, limit: int) -> None:
    running = await directory(tmp_path, a_file())

    answer = await running.get("/v1/units", unit="33", root="33", limit=limit)

    assert answer.status_code == 422


async def test_only_an_operator_imports(tmp_path: Path) -> None:
    running = await directory(tmp_path)

    answers = [
        await post(running, a_file(), role="filer"),
        await post(running, "", kind="tenures", role="filer"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert (await running.get("/v1/units/33", unit="33")).status_code == 404
