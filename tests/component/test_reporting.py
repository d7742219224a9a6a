"""Reporting alone: it hears the directory, time passes, and units file."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.directory import UnitMoved
from contracts.duties import DutyFulfilled, DutyOpened
from contracts.envelope import Fact
from contracts.reports import ReportFiled, ReportHalfFiled
from services.reporting.app import build
from services.reporting.domain.model import YearOpened
from services.reporting.entrypoints.timer import BOOKS
from shared.clock import MICROSECOND
from tests.support.kit import entries
from tests.support.reminders import Places, a_village
from tests.support.running import Running

AUTUMN = datetime(2025, 10, 1, tzinfo=UTC)
NEW_YEAR, NEXT_YEAR = datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC)
JANUARY = datetime(2026, 1, 20, tzinfo=UTC)
DUE = datetime(2026, 1, 31, 16, tzinfo=UTC)
LATE = DUE + timedelta(days=2)
REPORT = "2025.main-responsibility.village"
AT_TOWN, AT_DISCIPLINE = f"{REPORT}@town", f"{REPORT}@town-dc"
SUBTREE = {"county", "county-dc", "town", "town-dc", "village", "village-dc"}


class CrashError(Exception):
    """The process is no more."""


class Crash:
    """A store that fails for good at one of the next pages."""

    def __init__(self) -> None:
        self.pages: int | None = None

    async def __call__(self, name: str) -> None:
        if name == "insert_page" and self.pages is not None:
            self.pages -= 1
            if self.pages < 0:
                raise CrashError


async def reporting(tmp_path: Path, made: Places | None = None, **options: Any) -> Running:
    """Return reporting that has read the directory and knows when the reports of a county are due."""
    running = await Running("reporting", build, tmp_path, AUTUMN, **options).start()
    await running.hears(*(made or a_village()).facts)
    answer = await running.post(
        "/v1/schedules/yearly", "operator", unit="county", json={"root": "county", "first_year": 2026}
    )
    assert answer.is_success, answer.text
    return running


async def opened(tmp_path: Path) -> Running:
    """Return reporting in the middle of January."""
    running = await reporting(tmp_path)
    await running.until(JANUARY)
    return running


async def filed(
    running: Running, *roles: str, unit: str = "county", report: str = REPORT, **body: Any
) -> Any:
    return await running.post(f"/v1/reports/{report}/filings", *(roles or ("filer",)), unit=unit, json=body)


async def shown(running: Running, report: str = REPORT) -> dict[str, Any]:
    answer = await running.get(f"/v1/reports/{report}", unit="county")
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def standings(running: Running) -> dict[str, str]:
    return {edge["recipient"]: edge["standing"] for edge in (await shown(running))["edges"]}


async def listed(running: Running, **query: str) -> list[str]:
    """Return the reports that a query of the county finds below the village."""
    params = {"unit": "village"} | query
    answer = await running.http.get("/v1/reports", params=params, headers=running.token(unit="county"))
    return [item["report"] for item in answer.json()["items"]]


def word_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def in_the_ledger(running: Running, kind: type[Fact]) -> Counter[str]:
    """Return how often facts of a kind were decided on each subject, in all books."""
    store: Any = running.service.store
    rows = [entry for book in range(BOOKS) for entry in await entries(store, book)]
    return Counter(event.key for row in rows for event in row.events if event.type == kind.type)


class TestAYearOpens:
    async def test_f1_every_report_of_the_subtree_opens_at_its_moment_with_nobody_asking(
        self, tmp_path: Path
    ) -> None:
        running = await reporting(tmp_path)

        await running.until(NEW_YEAR - MICROSECOND)
        assert running.said(DutyOpened) == []
        await running.until(NEW_YEAR)

        duties = running.said(DutyOpened)
        assert Counter(duty.unit for duty in duties) == {u: 2 if u.endswith("-dc") else 4 for u in SUBTREE}
        assert {(duty.period, duty.due_at) for duty in duties} == {("2025", DUE)}
        assert {envelope.time for envelope, _ in running.envelopes()} == {NEW_YEAR}

    async def test_f1_the_next_year_opens_of_itself_as_well_even_after_a_restart(
        self, tmp_path: Path
    ) -> None:
        running = await opened(tmp_path)
        first = {duty.duty for duty in running.said(DutyOpened)}

        running = await running.again()
        await running.until(NEXT_YEAR - MICROSECOND)
        assert {duty.duty for duty in running.said(DutyOpened)} == first
        await running.until(NEXT_YEAR)

        second = {duty.duty for duty in running.said(DutyOpened) if duty.period == "2026"}
        assert len(second) == len(first)
        assert second.isdisjoint(first)

    async def test_f1_a_year_slept_through_opens_when_the_service_wakes(self, tmp_path: Path) -> None:
        running = await reporting(tmp_path)

        await running.at(NEXT_YEAR)
        await running.at(NEXT_YEAR)

        assert {duty.period for duty in running.said(DutyOpened)} == {"2025", "2026"}

    @pytest.mark.parametrize("pages", range(8))
    async def test_f1_a_round_that_broke_off_in_a_crash_is_opened_exactly_once(
        self, tmp_path: Path, pages: int
    ) -> None:
        """The nine reports lie in seven books; with the eighth page the year would be over."""
        crash = Crash()
        running = await reporting(tmp_path, pause=crash)
        running.clock.moment = NEW_YEAR
        crash.pages = pages
        with pytest.raises(CrashError):
            await running.wakes()
        assert await in_the_ledger(running, YearOpened) == {}

        running = await running.again()
        await running.until(JANUARY)

        assert set((await in_the_ledger(running, DutyOpened)).values()) == {1}
        assert (await in_the_ledger(running, YearOpened)).total() == 1
        assert Counter(Counter(duty.duty for duty in running.said(DutyOpened)).values()) == {1: 18}

    async def test_a_year_waits_until_the_directory_is_read_beyond_its_moment(self, tmp_path: Path) -> None:
        running = await reporting(tmp_path)
        running.silent.add("directory")

        await running.at(NEW_YEAR)
        await running.hears_all_said("directory", NEW_YEAR)
        await running.at(NEW_YEAR)
        assert running.said(DutyOpened) == []

        running.silent.clear()
        await running.at(NEW_YEAR + timedelta(minutes=1))
        assert len(running.said(DutyOpened)) == 18

    async def test_the_tree_of_the_day_says_who_receives(self, tmp_path: Path) -> None:
        made = a_village()
        made.level("other-town", "county")
        running = await reporting(tmp_path, made)

        await running.hears(UnitMoved(unit="village", parent="other-town"))
        await running.until(NEW_YEAR)

        assert [edge["recipient"] for edge in (await shown(running))["edges"]] == [
            "other-town",
            "other-town-dc",
        ]

    async def test_only_an_operator_sets_a_schedule_and_only_in_his_subtree(self, tmp_path: Path) -> None:
        running = await reporting(tmp_path)
        body = {"root": "county", "first_year": 2026}

        answers = [
            await running.post("/v1/schedules/mine", "filer", unit="county", json=body),
            await running.post("/v1/schedules/mine", "operator", unit="town", json=body),
        ]

        assert [word_of(answer) for answer in answers] == [(403, "not_allowed"), (404, "unknown_unit")]


class TestFiling:
    async def test_r1_a_report_filed_with_one_recipient_is_half_filed_and_the_other_duty_stays_open(
        self, tmp_path: Path
    ) -> None:
        running = await opened(tmp_path)
        assert (await shown(running))["status"] == "open"

        answer = await filed(running, recipients=["town"])
        await running.says()

        assert (answer.json()["result"], answer.json()["status"]) == ("applied", "half_filed")
        assert await standings(running) == {"town": "on_time", "town-dc": "open"}
        assert [fact.duty for fact in running.said(DutyFulfilled)] == [AT_TOWN]
        assert [(f.recipient, f.missing) for f in running.said(ReportHalfFiled)] == [("town", ("town-dc",))]
        await running.until(LATE)
        assert await standings(running) == {"town": "on_time", "town-dc": "missing"}

        answer = await filed(running, recipients=["town-dc"])
        await running.says()
        assert answer.json()["status"] == "filed"
        assert await standings(running) == {"town": "on_time", "town-dc": "late"}
        assert [fact.duty for fact in running.said(DutyFulfilled)] == [AT_TOWN, AT_DISCIPLINE]
        assert [fact.recipients for fact in running.said(ReportFiled)] == [("town", "town-dc")]

    async def test_r1_filing_again_changes_nothing(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)
        first = await filed(running)

        await running.until(LATE)
        again = await filed(running)
        await running.says()

        assert again.json() == first.json() | {"result": "nothing"}
        assert len(running.said(DutyFulfilled)) == 2
        assert set((await standings(running)).values()) == {"on_time"}

    async def test_r3_a_report_filed_in_january_is_about_the_year_before(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)

        await filed(running)
        await running.says()

        assert [(fact.period, fact.filed_at) for fact in running.said(ReportFiled)] == [("2025", JANUARY)]
        found = {year: await listed(running, period=year, status="filed") for year in ("2025", "2026")}
        assert found == {"2025": [REPORT], "2026": []}

    async def test_the_due_moment_itself_is_in_time_and_the_next_microsecond_is_late(
        self, tmp_path: Path
    ) -> None:
        running = await opened(tmp_path)

        await running.until(DUE)
        await filed(running, recipients=["town"])
        await running.until(DUE + MICROSECOND)
        await filed(running, recipients=["town-dc"])

        assert await standings(running) == {"town": "on_time", "town-dc": "late"}

    async def test_what_is_not_a_recipient_or_not_a_report_is_told_so(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)

        stranger = await filed(running, recipients=["city"])
        nowhere = await filed(running, report="2025.main-responsibility.nowhere")

        assert word_of(stranger) == (409, "not_a_recipient")
        assert word_of(nowhere) == (404, "unknown_report")

    @pytest.mark.parametrize(
        ("roles", "unit", "answer"),
        [
            (("filer",), "village", (200, "")),
            (("filer",), "town", (200, "")),
            (("filer",), "village-dc", (200, "")),
            (("filer", "operator"), "city-dc", (200, "")),
            (("filer",), "other-town", (404, "unknown_unit")),
            (("operator",), "county", (403, "not_allowed")),
            (("post:village/head",), "village", (403, "not_allowed")),
        ],
    )
    async def test_nobody_files_outside_his_subtree_or_role(
        self, tmp_path: Path, roles: tuple[str, ...], unit: str, answer: tuple[int, str]
    ) -> None:
        made = a_village()
        made.level("other-town", "county")
        running = await reporting(tmp_path, made)
        await running.until(JANUARY)

        given = await filed(running, *roles, unit=unit)
        await running.says()

        assert given.status_code == answer[0]
        assert given.is_success or word_of(given) == answer
        assert len(running.said(DutyFulfilled)) == (2 if given.is_success else 0)


class TestNothingToAnswer:
    async def test_filing_with_nobody_is_told_to_be_invalid(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)

        answer = await filed(running, recipients=[])

        assert word_of(answer) == (422, "invalid")

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_page_of_no_units_is_told_to_be_invalid(self, tmp_path: Path, limit: int) -> None:
        running = await opened(tmp_path)
        headers = running.token(unit="county")

        answer = await running.http.get(
            "/v1/reports", params={"unit": "county", "limit": limit}, headers=headers
        )

        assert word_of(answer) == (422, "invalid")


class TestPaper:
    async def test_paper_that_came_before_due_counts_as_in_time(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)
        await running.until(LATE)

        answer = await filed(running, "filer", "operator", received_at=JANUARY.isoformat())
        await running.says()

        assert answer.is_success
        assert set((await standings(running)).values()) == {"on_time"}
        assert {fact.fulfilled_at for fact in running.said(DutyFulfilled)} == {JANUARY}

    async def test_only_an_operator_says_when_paper_came(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)
        await running.until(LATE)

        answer = await filed(running, "filer", received_at=JANUARY.isoformat())

        assert word_of(answer) == (403, "not_allowed")
        assert set((await standings(running)).values()) == {"missing"}

    async def test_paper_does_not_come_in_the_future(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)

        early = await filed(
            running, "filer", "operator", received_at=(JANUARY + MICROSECOND).isoformat(), recipients=["town"]
        )
        now = await filed(running, "filer", "operator", received_at=JANUARY.isoformat(), recipients=["town"])

        assert word_of(early) == (409, "received_in_future")
        assert now.is_success
