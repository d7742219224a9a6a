"""Scoring alone: it hears duties and the directory, months end, and people ask what it adds up to."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.directory import UnitMoved
from contracts.duties import DutyWaived, Line
from contracts.envelope import Fact
from contracts.scores import HeatFlagged, HeatUnflagged
from contracts.topics import PARTITIONS
from services.scoring.adapters import sums
from services.scoring.adapters.recompute import recompute
from services.scoring.app import build
from services.scoring.domain.model import HEAT, MonthJudged
from services.scoring.domain.months import ends_at
from services.scoring.entrypoints import timer
from services.scoring.entrypoints.hearing import HEAT_BOOK
from shared.clock import MICROSECOND
from tests.support.kit import entries
from tests.support.running import Running
from tests.support.scoring import (
    CITIES,
    COUNTIES,
    DAY,
    PROVINCE,
    ZONE,
    a_duty,
    a_month,
    a_province,
    done,
    hot_above,
    placed,
)

START = datetime(2026, 1, 5, tzinfo=UTC)
JANUARY, FEBRUARY, MARCH = (ends_at(window, ZONE) for window in ("2026-01", "2026-02", "2026-03"))
DUTY = a_duty(unit="p-1")
COLD = {"p-1": (18, 20, 22, 40), "p-2": (18, 20, 22, 40)}
"""What the flags of the cities say when their counties lag."""


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


async def scoring(tmp_path: Path, *facts: Fact, tree: Sequence[Fact] = (), **options: Any) -> Running:
    """Return scoring that has read the tree and heard of duties, at the beginning of January."""
    running = await Running("scoring", build, tmp_path, START, **options).start()
    await running.hears(*(tree or a_province()))
    await running.hears_all_said("duties", START)
    await running.hears(*facts)
    return running


async def asked(running: Running, what: str, unit: str = "p-1", root: str = PROVINCE, **query: Any) -> Any:
    """Return what somebody with the subtree of *root* is told of a unit."""
    answer = await running.get(f"/v1/units/{unit}/{what}", unit=root, **query)
    assert answer.is_success, answer.text
    return answer.json()


async def rate(running: Running, unit: str = "p-1", **query: Any) -> tuple[int, int, int]:
    """Return the score of a unit: in time, due, late."""
    found = (await asked(running, "score", unit, **query))["rate"]
    return found["on_time"], found["due"], found["late"]


async def explained(running: Running, unit: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    """Return every row of a unit, a page at a time."""
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        found = await asked(running, "score", unit, after=after, limit=limit, **query)
        assert len(found["rows"]) <= limit
        rows, after = rows + found["rows"], found["after"] or None
    return rows


async def edges(running: Running, unit: str = PROVINCE, **query: Any) -> dict[str, Any]:
    """Return the edges at and below a unit, by their upper unit."""
    return {item["unit"]: item for item in (await asked(running, "edges", unit, **query))["items"]}


def flagged(running: Running) -> dict[str, tuple[int, int, int, int]]:
    """Return the flags that were raised, with their numbers; none twice."""
    flags = running.said(HeatFlagged)
    found = {
        fact.unit: (fact.upper_on_time, fact.upper_due, fact.lower_on_time, fact.lower_due) for fact in flags
    }
    assert len(found) == len(flags)
    return found


async def judged(running: Running) -> list[str]:
    """Return the types of what was decided of heat, in order."""
    store: Any = running.service.store
    rows = [row for row in await entries(store, HEAT_BOOK) if row.stream == HEAT]
    return [event.type for row in rows for event in row.events]


async def recomputed(running: Running) -> tuple[int, list[str]]:
    """Return how many scores there are and which do not follow from the first page."""
    await asked(running, "score")
    return await recompute(running.service.store, PARTITIONS, running.plan.decider.shape)


class TestTheScoreOfAUnit:
    async def test_k6_a_score_is_what_was_done_in_time_of_what_was_due(self, tmp_path: Path) -> None:
        late, missed = a_duty("late", "p-1"), a_duty("missed", "p-1")
        running = await scoring(tmp_path, DUTY, done(DUTY), late, done(late, MICROSECOND), missed)
        await running.hears(a_duty("later", "p-1", JANUARY + DAY), a_duty("other", "p-2"))

        await running.until(JANUARY + MICROSECOND)

        found = await asked(running, "score")
        assert found["rate"] == {"on_time": 1, "due": 3, "late": 1, "text": "1 of 3 in time (33.3 %)"}
        assert found["as_of"] == (JANUARY + 2 * MICROSECOND).isoformat()

    async def test_k6_nothing_due_is_shown_as_no_data_in_the_language_asked_for(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, DUTY)
        headers = running.token(unit=PROVINCE) | {"Accept-Language": "zh-CN"}

        english = await asked(running, "score")
        chinese = (await running.http.get("/v1/units/p-1/score", headers=headers)).json()

        assert english["rate"] == {"on_time": 0, "due": 0, "late": 0, "text": "no data"}
        assert chinese["rate"]["text"] == "无数据"
        assert english["rows"] == []

    async def test_k6_nothing_counts_as_missed_before_every_owner_has_said_all_to_its_due_moment(
        self, tmp_path: Path
    ) -> None:
        running = await scoring(tmp_path, DUTY)
        running.silent.add("duties")
        await running.at(JANUARY + DAY)
        assert await rate(running) == (0, 0, 0)

        await running.hears_all_said("duties", JANUARY + DAY, "reporting")
        assert await rate(running) == (0, 0, 0)
        await running.hears_all_said("duties", JANUARY, "inspection")
        assert await rate(running) == (0, 0, 0)
        assert await rate(running, window="2026-01") == (0, 0, 0)
        await running.hears_all_said("duties", JANUARY + MICROSECOND, "inspection")

        assert await rate(running) == (0, 1, 0)
        assert (await asked(running, "score"))["as_of"] == (JANUARY + MICROSECOND).isoformat()

    async def test_an_owner_that_has_said_nothing_yet_leaves_everything_open(self, tmp_path: Path) -> None:
        running = await Running("scoring", build, tmp_path, START).start()
        await running.hears(*a_province(), DUTY)
        running.clock.moment = JANUARY + DAY

        await running.hears_all_said("duties", JANUARY + DAY, "reporting")

        found = await asked(running, "score")
        assert (found["as_of"], found["rate"]["text"]) == (None, "no data")
        assert (await asked(running, "levels"))["items"][0]["rate"]["due"] == 0

    async def test_k11_every_point_of_a_score_is_explained_by_the_facts_behind_it(
        self, tmp_path: Path
    ) -> None:
        late, missed, waived = (a_duty(name, "p-1") for name in ("late", "missed", "waived"))
        again = a_duty("d/2", "p-1", JANUARY, continues="d")
        running = await scoring(tmp_path, DUTY, done(DUTY), late, done(late, DAY), missed, again, done(again))
        await running.hears(waived, DutyWaived(duty="waived", unit="p-1", waived_at=START))

        await running.until(JANUARY + 2 * DAY)

        rows = await explained(running, "p-1", 2)
        assert {row["duty"]: (row["outcome"], row["facts"]) for row in rows} == {
            "d": ("returned", ["duty:d/1", "duty:d/2", "duty:d/2/1"]),
            "d/2": ("on_time", ["duty:d/2/1", "duty:d/2/2"]),
            "late": ("late", ["duty:late/1", "duty:late/2"]),
            "missed": ("missed", ["duty:missed/1"]),
            "waived": ("waived", ["duty:waived/1", "duty:waived/2"]),
        }
        told = [row["outcome"] for row in rows]
        due = len(told) - told.count("waived")
        assert await rate(running) == (told.count("on_time"), due, told.count("late")) == (1, 4, 1)
        assert (await asked(running, "levels"))["items"][0]["rate"]["due"] == due
        assert await recomputed(running) == (1, [])

    async def test_k11_an_explanation_shows_when_it_was_due_and_in_which_window(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, DUTY, done(DUTY))
        await running.until(JANUARY + MICROSECOND)

        (row,) = (await asked(running, "score"))["rows"]

        shown = {
            key: row[key] for key in ("due_at", "fulfilled_at", "window", "period", "occurrence", "line")
        }
        assert shown == {
            "due_at": JANUARY.isoformat(),
            "fulfilled_at": JANUARY.isoformat(),
            "window": "2026-01",
            "period": "2025",
            "occurrence": "d",
            "line": "main",
        }

    async def test_a_miss_that_was_none_scores_nobody(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, DUTY)
        await running.until(JANUARY + DAY)
        assert await rate(running) == (0, 1, 0)

        await running.hears(done(DUTY))

        assert await rate(running) == (1, 1, 0)

    async def test_an_end_that_is_heard_before_its_opening_counts(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, done(DUTY))
        await running.until(JANUARY + DAY)
        assert await rate(running) == (0, 0, 0)

        await running.hears(DUTY)

        assert await rate(running) == (1, 1, 0)

    async def test_what_is_heard_again_counts_once(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path)
        records = await running.hears(DUTY, done(DUTY))

        await running.hears_again([*records, *reversed(records)])
        await (running := await running.again()).hears_again(records)
        await running.until(JANUARY + DAY)

        assert await rate(running) == (1, 1, 0)

    async def test_a_score_may_be_asked_for_by_window_kind_and_line(self, tmp_path: Path) -> None:
        duties = [
            DUTY,
            a_duty("first of february", "p-1", JANUARY + MICROSECOND),
            a_duty("lesson", "p-1", kind="lesson"),
            a_duty("supervision", "p-1", line=Line.SUPERVISION),
        ]
        running = await scoring(tmp_path, *duties, *map(done, duties[:1]))
        await running.until(JANUARY + DAY)

        assert await rate(running) == (1, 4, 0)
        assert await rate(running, window="2026-01") == (1, 3, 0)
        assert await rate(running, window="2026-02") == (0, 1, 0)
        assert await rate(running, window="2025-12") == (0, 0, 0)
        assert await rate(running, kind="double-report", line="main") == (1, 2, 0)
        assert await rate(running, kind="lesson") == await rate(running, line="supervision") == (0, 1, 0)

    async def test_another_replica_answers_as_of_what_was_marked_before_it_hears_anything(
        self, tmp_path: Path
    ) -> None:
        running = await Running("scoring", build, tmp_path, START).start()
        await running.hears(*a_province(), DUTY, done(DUTY))
        running.clock.moment = JANUARY + DAY
        await running.hears_all_said("duties", JANUARY + DAY, "inspection")
        await running.hears_all_said("duties", JANUARY + DAY, "reporting")
        assert "d" in running.database.states

        running = await running.again()

        assert (await asked(running, "score"))["as_of"] == (JANUARY + DAY).isoformat()
        assert await rate(running) == (1, 1, 0)

    async def test_operators_see_how_far_scores_reach(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path)
        await running.until(JANUARY)

        await asked(running, "score")

        reached = REGISTRY.get_sample_value("scoring_as_of_timestamp_seconds")
        assert reached == (JANUARY + MICROSECOND).timestamp()

    @pytest.mark.parametrize("what", ["score", "levels", "edges"])
    async def test_nobody_sees_outside_his_subtree(self, tmp_path: Path, what: str) -> None:
        running = await scoring(tmp_path, DUTY)

        answers = [
            await running.get(f"/v1/units/{unit}/{what}", unit=root)
            for unit, root in (("p-1", "p-2"), ("p", "p-1"), ("nowhere", "p"), ("p-1-dc", "p-1"))
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404, 200]
        assert (await running.http.get(f"/v1/units/p-1/{what}")).status_code == 401

    @pytest.mark.parametrize(
        "query", [{"window": "2026"}, {"window": "2026-13"}, {"line": "both"}, {"limit": 0}]
    )
    async def test_what_is_no_window_or_line_is_told_to_be_invalid(
        self, tmp_path: Path, query: dict[str, Any]
    ) -> None:
        running = await scoring(tmp_path)

        answer = await running.get("/v1/units/p-1/score", unit=PROVINCE, **query)

        assert (answer.status_code, answer.json()["type"]) == (422, "urn:zeren:problem:invalid")


class TestLevels:
    async def test_k6_each_level_below_a_unit_adds_up_by_itself(self, tmp_path: Path) -> None:
        late = a_duty("late", "p-1-dc")
        running = await scoring(tmp_path, *hot_above("2026-01"), late, done(late, DAY))
        await running.until(JANUARY + 2 * DAY)

        items = (await asked(running, "levels", PROVINCE))["items"]

        assert [(i["depth"], i["levels"], i["territories"]) for i in items] == [
            (0, ["province"], 1),
            (1, ["city"], 2),
            (2, ["county"], 4),
        ]
        rates = [(item["rate"]["on_time"], item["rate"]["due"], item["rate"]["late"]) for item in items]
        assert rates == [(19, 20, 0), (36, 41, 1), (44, 80, 0)]
        assert items[1]["heat"] == {"numerator": 73, "denominator": 82, "text": "89.0 %"}
        assert [item["rate"]["due"] for item in (await asked(running, "levels", "p-1-dc"))["items"]] == [
            21,
            40,
        ]
        assert (await asked(running, "levels", "p-1-1"))["items"][0]["levels"] == ["county"]

    @pytest.mark.parametrize("limit", ["MANY", "NAMED_AT_ONCE"])
    async def test_more_units_than_a_query_names_add_up_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        again = a_duty("p-1.2026-01.0/2", "p-1", JANUARY, continues="p-1.2026-01.0")
        running = await scoring(tmp_path, *hot_above("2026-01"), again)
        await running.until(JANUARY + DAY)
        named = [await asked(running, "levels", unit, window="2026-01") for unit in ("p", "p-1")]

        monkeypatch.setattr(sums, limit, 1)

        assert [await asked(running, "levels", unit, window="2026-01") for unit in ("p", "p-1")] == named
        assert named[1]["items"][0]["rate"] == {
            "on_time": 17,
            "due": 21,
            "late": 0,
            "text": "17 of 21 in time (80.9 %)",
        }

    async def test_a_window_is_a_month_in_the_zone_of_each_unit(self, tmp_path: Path) -> None:
        west = placed("p-3", PROVINCE, "city", "UTC")
        duties = [a_duty(unit, unit, JANUARY + timedelta(hours=1)) for unit in ("p-2", "p-3")]
        running = await scoring(tmp_path, *duties, tree=[*a_province(), *west])
        await running.until(JANUARY + DAY)

        assert [await rate(running, unit, window="2026-01") for unit in ("p-2", "p-3")] == [
            (0, 0, 0),
            (0, 1, 0),
        ]
        found = {w: (await asked(running, "levels", "p", window=w))["items"] for w in ("2026-01", "2026-02")}
        assert [items[1]["rate"]["due"] for items in found.values()] == [1, 1]


class TestWherePressureIsLost:
    async def test_v1_counties_that_lag_two_months_are_flagged_at_their_cities_and_only_there(
        self, tmp_path: Path
    ) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"))

        await running.until(FEBRUARY - MICROSECOND)
        assert flagged(running) == {}
        await running.until(FEBRUARY)

        assert flagged(running) == COLD
        assert {fact.windows for fact in running.said(HeatFlagged)} == {("2026-01", "2026-02")}
        found = await edges(running, window="2026-02")
        assert [(unit, edge["flagged"]) for unit, edge in found.items()] == [
            ("p", False),
            ("p-1", True),
            ("p-2", True),
        ]
        assert found["p-1"] == {
            "unit": "p-1",
            "upper": {
                "rate": {"on_time": 18, "due": 20, "late": 0, "text": "18 of 20 in time (90.0 %)"},
                "heat": {"numerator": 9, "denominator": 10, "text": "90.0 %"},
            },
            "lower": {
                "rate": {"on_time": 22, "due": 40, "late": 0, "text": "22 of 40 in time (55.0 %)"},
                "heat": {"numerator": 11, "denominator": 20, "text": "55.0 %"},
            },
            "gap": {"numerator": 7, "denominator": 20, "text": "35.0 %"},
            "flagged": True,
            "windows": ["2026-01", "2026-02"],
        }
        assert REGISTRY.get_sample_value("scoring_flags", {"kind": "vertical"}) == 2

    async def test_v1_one_month_alone_is_not_flagged_but_shown(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01"))

        await running.until(MARCH)

        assert flagged(running) == {}
        assert (await edges(running))["p-1"]["gap"]["text"] == "35.0 %"
        assert (await edges(running, window="2026-02"))["p-1"]["gap"]["text"] == "no data"

    async def test_v1_a_flag_ends_when_the_gap_is_closed_and_is_said_once(self, tmp_path: Path) -> None:
        closing = [fact for unit in COUNTIES[:2] for fact in a_month(unit, "2026-03", 20, 20)]
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"), *closing)
        await running.hears(*(fact for unit in CITIES for fact in a_month(unit, "2026-03", 20, 20)))

        await running.until(MARCH + 60 * DAY)

        assert [(f.unit, f.window) for f in running.said(HeatUnflagged)] == [("p-1", "2026-03")]
        sequences = [e.sequence for e, f in running.envelopes() if f.subject == "score:p-1"]
        assert sequences == [1, 2]
        assert {unit for unit, edge in (await edges(running)).items() if edge["flagged"]} == {"p-2"}

    async def test_v1_a_flag_ends_when_the_misses_below_were_withdrawn(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"))
        await running.until(FEBRUARY)

        await running.hears(
            *(done(a_duty(f"p-1-1.2026-01.{n}", "p-1-1", JANUARY)) for n in range(11, 20)),
        )
        await running.until(MARCH)

        assert [(f.unit, f.window) for f in running.said(HeatUnflagged)] == [("p-1", "2026-03")]

    async def test_v1_months_slept_through_are_judged_one_by_one_when_the_service_wakes(
        self, tmp_path: Path
    ) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"))
        await running.says()
        running = await running.again()

        await running.at(MARCH + 40 * DAY)

        assert flagged(running) == COLD
        assert (await judged(running)).count(MonthJudged.type) == 4

    async def test_v1_nothing_is_judged_on_an_unread_tree(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"))
        await running.until(FEBRUARY - MICROSECOND)
        running.silent.add("directory")
        running.clock.moment = FEBRUARY + DAY

        await running.hears_all_said("directory", FEBRUARY)
        await running.at(FEBRUARY + DAY)
        assert flagged(running) == {}

        await running.hears_all_said("directory", FEBRUARY + MICROSECOND)
        await running.at(FEBRUARY + DAY)
        assert flagged(running) == COLD

    async def test_v1_a_silent_owner_holds_the_judgement(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"))
        await running.until(JANUARY)
        running.silent.add("duties")
        await running.at(FEBRUARY + DAY)
        await running.hears_all_said("duties", FEBRUARY + DAY, "reporting")
        await running.hears_all_said("duties", FEBRUARY, "inspection")
        await running.at(FEBRUARY + DAY)
        assert flagged(running) == {}

        await running.hears_all_said("duties", FEBRUARY + MICROSECOND, "inspection")
        await running.at(FEBRUARY + DAY)

        assert flagged(running) == COLD

    @pytest.mark.parametrize("pages", range(3))
    async def test_v1_a_judgement_that_broke_off_in_a_crash_flags_each_edge_once(
        self, tmp_path: Path, pages: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timer, "EDGES_AT_ONCE", 1)
        monkeypatch.setattr("shared.book.MAX_ENTRIES", 1)
        crash = Crash()
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"), pause=crash)
        await running.until(JANUARY)
        running.clock.moment = FEBRUARY
        crash.pages = pages
        with pytest.raises(CrashError):
            await running.wakes()

        running = await running.again()
        await running.until(MARCH)

        assert flagged(running) == COLD
        assert (await judged(running)).count(HeatFlagged.type) == 2

    async def test_v1_a_flag_ends_with_its_edge(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"))
        await running.until(FEBRUARY)

        await running.hears(*(UnitMoved(unit=unit, parent="p-2") for unit in COUNTIES[:2]))
        await running.until(MARCH)

        assert [f.unit for f in running.said(HeatUnflagged)] == ["p-1"]
        assert [*await edges(running)] == ["p", "p-2"]

    async def test_edges_come_in_order_of_their_code_a_page_at_a_time(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01"))

        first = await asked(running, "edges", PROVINCE, limit=2)
        rest = await asked(running, "edges", PROVINCE, limit=2, after=first["after"])

        assert [[item["unit"] for item in page["items"]] for page in (first, rest)] == [["p", "p-1"], ["p-2"]]
        assert (first["after"], rest["after"]) == ("p-1", "")
        assert [*await edges(running, "p-2")] == ["p-2"]

    async def test_a_duty_may_not_take_the_name_of_heat(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, *hot_above("2026-01", "2026-02"), a_duty(HEAT))

        await running.until(FEBRUARY)

        assert flagged(running) == COLD
        letter = await running.get(f"/v1/dead-letters/{HEAT}", "operator", unit=PROVINCE)
        assert letter.status_code == 404
        assert [stream for stream in running.database.states if stream.startswith("unreadable:duties/")]


class TestTheProof:
    async def test_a_score_is_what_the_first_page_on_adds_up_to(self, tmp_path: Path) -> None:
        again = a_duty("p-1.2026-01.0/2", "p-1", JANUARY, continues="p-1.2026-01.0")
        waived = DutyWaived(duty="p-1.2026-01.1", unit="p-1", waived_at=START)
        running = await scoring(tmp_path, *hot_above("2026-01"), again, waived)

        assert await recomputed(running) == (7, [])

    @pytest.mark.parametrize("what", ["on_time", "due", "late", "unit"])
    async def test_a_stored_row_that_was_changed_is_found(self, tmp_path: Path, what: str) -> None:
        running = await scoring(tmp_path, DUTY, done(DUTY))
        assert await recomputed(running) == (1, [])

        row = running.database.states["d"]
        row["view"] = row["view"] | {what: "p-2" if what == "unit" else 7}

        assert (await recomputed(running))[1] == (["p-1", "p-2"] if what == "unit" else ["p-1"])

    async def test_a_stored_row_that_was_lost_is_found(self, tmp_path: Path) -> None:
        running = await scoring(tmp_path, DUTY, a_duty("other", "p-2"))
        await recomputed(running)

        del running.database.states["d"]

        assert await recomputed(running) == (2, ["p-1"])
