"""The command that imports a file of any size: in parts, resumed, idempotent, told by line and field."""

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from contracts.directory import UnitPlaced
from deploy.importing import __main__ as command
from deploy.importing.run import BAD_FILE, DONE, FAILED, STOPPED, WRONG_ROWS, Options
from deploy.importing.sources import TENURES
from services.directory.app import build
from services.directory.entrypoints.http import BOOK
from tests.support.hierarchy import divisions
from tests.support.importing import Deliver, Ran, a_file, run
from tests.support.kit import pages
from tests.support.running import Running
from tests.support.workbook import a_workbook

NOW = datetime(2026, 1, 5, tzinfo=UTC)
COUNTY = divisions()
ROWS = len(COUNTY.splitlines()) - 1
HEADER = "code,name,parent,level"
PACKAGE = {
    "villages.csv": "code,name,streetCode,provinceCode,cityCode,areaCode\n"
    '330305001200,"小三盘村委会",330305001,33,3303,330305\n',
    "streets.csv": 'code,name,areaCode,provinceCode,cityCode\n330305001,"北岙街道",330305,33,3303\n',
    "areas.csv": 'code,name,cityCode,provinceCode\n330305,"洞头区",3303,33\n',
    "cities.csv": 'code,name,provinceCode\n3303,"温州市",33\n',
    "provinces.csv": 'code,name\n11,"北京市"\n33,"浙江省"\n',
}


@pytest.fixture
async def running(tmp_path: Path) -> Running:
    """Return an empty directory."""
    return await Running("directory", build, tmp_path, NOW).start()


async def tree(running: Running, root: str = "33") -> list[tuple[str, str, str | None]]:
    """Return every unit."""
    answer = await running.get("/v1/units", unit=root, root=root, limit=1000)
    return [(unit["unit"], unit["name"], unit["parent"]) for unit in answer.json()["items"]]


async def facts(running: Running) -> int:
    """Return how many facts the ledger holds."""
    book = await pages(running.service.store, BOOK)  # type: ignore[arg-type]
    return sum(len(entry.events) for page in book for entry in page.entries)


def count(ran: Ran, word: str) -> int:
    """Return the number that the summary gives beside a word."""
    (line,) = [line for line in ran.lines if f"  {word} · " in line]
    return int(line.split()[0].replace(",", ""))


def files(folder: Path) -> list[Path]:
    """Return the files in a folder, the keys of tokens left out."""
    return [path for path in folder.iterdir() if path.suffix != ".pem"]


def a_package(folder: Path) -> Path:
    """Return the package as it is downloaded."""
    path = folder / "china-division-0.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"README.md": "x", **PACKAGE}.items():
            place = f"package/dist/{name}" if name in PACKAGE else f"package/{name}"
            member = tarfile.TarInfo(place)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


async def test_a_file_is_imported_in_parts_superiors_first_whatever_its_order(
    running: Running, tmp_path: Path
) -> None:
    header, *rows = COUNTY.splitlines()
    path = a_file(tmp_path, "\n".join([header, *reversed(rows)]))

    ran = await run(running, Options(path, part=10))

    assert (ran.status, len(ran.bridge.posted)) == (DONE, -(-ROWS // 10))
    assert len(await tree(running)) == count(ran, "units added") == 2 * ROWS
    assert count(ran, "posts added") == 6 * ROWS
    assert await facts(running) == 2 * ROWS
    assert f"{ROWS}  rows in " in ran.lines[-1]
    assert [path.name for path in files(tmp_path)] == ["units.csv"]


async def test_a_second_import_sends_all_and_changes_nothing(running: Running, tmp_path: Path) -> None:
    path = a_file(tmp_path, COUNTY)
    await run(running, Options(path, part=10))
    head = len(await pages(running.service.store, BOOK))  # type: ignore[arg-type]

    again = await run(running, Options(path, part=10))

    assert again.status == DONE
    assert count(again, "rows unchanged") == ROWS
    assert "changes in all" not in again.text
    assert len(await pages(running.service.store, BOOK)) == head  # type: ignore[arg-type]


@pytest.mark.parametrize("is_done", [True, False])
async def test_after_a_kill_between_two_parts_the_next_run_goes_on_with_no_duplicate_and_no_loss(
    running: Running, tmp_path: Path, *, is_done: bool
) -> None:
    path = a_file(tmp_path, COUNTY)

    def killed(number: int, deliver: Deliver) -> None:
        if number == 4:
            if is_done:
                deliver()
            raise KeyboardInterrupt

    first = await run(running, Options(path, part=10), meddle=killed)
    assert (first.status, json.loads((tmp_path / "units.csv.import.json").read_text())["confirmed"]) == (
        STOPPED,
        30,
    )

    running = await running.again()
    second = await run(running, Options(path, part=10))

    assert second.status == DONE
    assert any("going on after 30 rows" in line for line in second.lines)
    assert len(second.bridge.posted) == -(-ROWS // 10) - 3
    await running.says()
    placed = [fact.unit for fact in running.said(UnitPlaced)]
    assert len(placed) == len(set(placed)) == await facts(running) == 2 * ROWS
    assert f"{ROWS}  rows in " in second.lines[-1]


async def test_a_directory_that_was_emptied_meanwhile_is_filled_from_the_first_row(
    running: Running, tmp_path: Path
) -> None:
    path = a_file(tmp_path, COUNTY)

    def killed(number: int, deliver: Deliver) -> None:
        if number == 4:
            raise KeyboardInterrupt

    await run(running, Options(path, part=10), meddle=killed)
    other = await Running("directory", build, tmp_path, NOW).start()

    ran = await run(other, Options(path, part=10))

    assert ran.status == DONE
    assert len(await tree(other)) == 2 * ROWS


async def test_another_file_under_the_same_name_begins_anew(running: Running, tmp_path: Path) -> None:
    def killed(number: int, deliver: Deliver) -> None:
        if number == 4:
            raise KeyboardInterrupt

    await run(running, Options(a_file(tmp_path, COUNTY), part=10), meddle=killed)

    renamed = COUNTY.replace("浙江省", "之江省")
    ran = await run(running, Options(a_file(tmp_path, renamed), part=10))

    assert len(ran.bridge.posted) == -(-ROWS // 10)
    assert count(ran, "units renamed") == 2
    assert ("33", "中共之江省委员会", None) in await tree(running)


async def test_a_part_whose_answer_was_lost_is_sent_again(running: Running, tmp_path: Path) -> None:
    def lost(number: int, deliver: Deliver) -> httpx.Response | None:
        if number == 2:
            deliver()
            raise httpx.ReadTimeout("lost")
        return httpx.Response(503) if number == 4 else None

    path = a_file(tmp_path, COUNTY)
    ran = await run(running, Options(path, part=50), meddle=lost)

    assert ran.status == DONE
    assert [len(await tree(running)), await facts(running)] == [2 * ROWS, 2 * ROWS]


async def test_a_directory_that_stays_away_ends_the_run_which_can_be_resumed(
    running: Running, tmp_path: Path
) -> None:
    path = a_file(tmp_path, COUNTY)

    def away(number: int, deliver: Deliver) -> None:
        if number > 1:
            raise httpx.ConnectError("away")

    ran = await run(running, Options(path, part=50, patience=timedelta(seconds=0.2)), meddle=away)

    assert ran.status == FAILED
    assert (await run(running, Options(path, part=50))).status == DONE
    assert len(await tree(running)) == 2 * ROWS


async def test_who_may_not_import_is_told_so(running: Running, tmp_path: Path) -> None:
    await run(running, Options(a_file(tmp_path, COUNTY)))
    ran = await run(running, Options(a_file(tmp_path, COUNTY.replace("浙江", "之江"))), unit="330305001")
    assert ran.status == FAILED
    assert "403" in ran.text


async def test_a_dry_run_tells_the_difference_in_numbers_also_of_a_tree_that_is_not_there_yet(
    running: Running, tmp_path: Path
) -> None:
    path = a_file(tmp_path, COUNTY)

    ran = await run(running, Options(path, part=10, dry_run=True))

    assert (ran.status, await facts(running)) == (DONE, 0)
    assert (count(ran, "units added"), count(ran, "posts added")) == (2 * ROWS, 6 * ROWS)

    await run(running, Options(path))
    changed = COUNTY.replace("大门镇", "小门镇").replace("330305202,鹿西乡,330305,", "330305202,鹿西乡,3303,")
    ran = await run(running, Options(a_file(tmp_path, changed, "changed.csv"), part=10, dry_run=True))
    assert [count(ran, word) for word in ("units renamed", "units moved", "changes in all")] == [2, 2, 4]
    assert count(ran, "rows unchanged") == ROWS - 2


async def test_what_is_wrong_is_told_by_file_line_and_field_and_what_stood_before_stays(
    running: Running, tmp_path: Path
) -> None:
    lines = COUNTY.splitlines()
    lines[60] = lines[60].split(",")[0] + ',"多\n行",nowhere,township'
    lines.append('330305999,"' + "长" * 250 + '",330305,township')
    path = a_file(tmp_path, "\n".join(lines))

    dry = await run(running, Options(path, part=200, dry_run=True))
    ran = await run(running, Options(path, part=60))

    for one in (dry, ran):
        assert one.status == WRONG_ROWS
        assert any(line.startswith("units.csv:61:parent  ") and "nowhere" in line for line in one.lines)
    assert any(line.startswith("units.csv:61:name  ") for line in dry.lines)
    assert any(line.startswith(f"units.csv:{ROWS + 3}:name  ") for line in dry.lines)
    assert await facts(running) == 0

    mended = await run(running, Options(a_file(tmp_path, COUNTY), part=60))
    assert mended.status == DONE
    assert len(await tree(running)) == 2 * ROWS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{HEADER}\na,甲,,x\na,乙,,x\n", "units.csv:3:code"),
        (f"{HEADER}\na,甲,b,x\nb,乙,a,x\n", "units.csv:2:parent"),
        (f"{HEADER}\n,甲,,x\n", "units.csv:2:code"),
        (f"{HEADER}\na,甲,x\n", "units.csv:2  "),
        ("code,name,level\na,甲,x\n", "units.csv:1:parent"),
        (f'{HEADER}\na,"甲,,x\n', "units.csv:2  "),
    ],
)
async def test_what_no_part_alone_could_show_is_found_before_anything_is_sent(
    running: Running, tmp_path: Path, text: str, told: str
) -> None:
    ran = await run(running, Options(a_file(tmp_path, text), part=1))
    assert ran.status == WRONG_ROWS
    assert any(line.startswith(told) for line in ran.lines)
    assert ran.bridge.requests == []


async def test_the_package_is_imported_below_one_root(running: Running, tmp_path: Path) -> None:
    package = a_package(tmp_path)
    folder = tmp_path / "unpacked"
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")

    ran = await run(running, Options(package))
    again = await run(running, Options(folder))

    assert (ran.status, count(ran, "units added"), count(again, "rows unchanged")) == (DONE, 14, 7)
    assert ("330305001200", "中共小三盘村支部委员会", "330305001") in await tree(running, "CN")
    assert ("33", "中共浙江省委员会", "CN") in await tree(running, "CN")
    assert ("CN-dc", "中共中央纪律检查委员会", None) in await tree(running, "CN")


async def test_the_lines_of_a_package_are_named_by_its_files(running: Running, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text.replace("北岙街道", ""), "utf-8")

    ran = await run(running, Options(folder))

    assert ran.status == WRONG_ROWS
    assert any(line.startswith("streets.csv:2:name") for line in ran.lines)


async def test_xlsx_equals_csv_codes_kept_as_numbers_included(running: Running, tmp_path: Path) -> None:
    header, *rows = [line.split(",") for line in COUNTY.splitlines()]
    path = tmp_path / "units.xlsx"
    path.write_bytes(
        a_workbook([header, *([int(c), name, int(up) if up else None, level] for c, name, up, level in rows)])
    )

    ran = await run(running, Options(path, part=50))
    again = await run(running, Options(a_file(tmp_path, COUNTY)))

    assert (ran.status, count(ran, "units added"), count(again, "rows unchanged")) == (DONE, 2 * ROWS, ROWS)


async def test_tenures_of_one_post_stay_in_one_part(running: Running, tmp_path: Path) -> None:
    await run(running, Options(a_file(tmp_path, COUNTY)))
    rows = ["33/head,p-2,2025-07-01", "3303/head,p-3,2025-01-01", "33/head,p-1,2025-01-01"]
    path = a_file(tmp_path, "\n".join(["post,person,from", *rows]), "tenures.csv")

    ran = await run(running, Options(path, kind=TENURES, part=1), unit="33")
    again = await run(running, Options(path, kind=TENURES, part=1), unit="33")

    assert (ran.status, len(ran.bridge.posted), count(ran, "changes in all")) == (DONE, 2, 4)
    assert count(again, "rows unchanged") == 3
    held = (await running.get("/v1/units/33", unit="33")).json()["posts"]
    assert {post["post"]: post["person"] for post in held}["33/head"] == "p-2"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.xlsx", b"PK\x03\x04"),
        ("x.csv", "代码".encode("gb18030")),
        ("x.tgz", b"no archive"),
    ],
)
async def test_a_file_that_is_not_what_it_says_is_told(
    running: Running, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    ran = await run(running, Options(tmp_path / name))
    assert ran.status == BAD_FILE
    assert any(line.startswith(f"{name}  ") for line in ran.lines)


async def test_a_package_that_lacks_a_file_is_none(running: Running, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "provinces.csv").write_text(PACKAGE["provinces.csv"], "utf-8")
    ran = await run(running, Options(folder))
    assert ran.status == BAD_FILE
    assert "villages.csv" in ran.text


@pytest.mark.parametrize(
    "arguments", [["nowhere.csv"], ["{file}", "--kind", "posts"], ["{file}", "--kind", "tenures"], ["{file}"]]
)
def test_a_mistake_on_the_command_line_is_status_2(tmp_path: Path, arguments: list[str]) -> None:
    app = typer.Typer()
    app.command()(command.main)
    path = a_file(tmp_path, COUNTY)
    called = [*(one.format(file=path) for one in arguments), "--data", str(tmp_path / "none")]
    assert CliRunner().invoke(app, called).exit_code == 2
