"""Inspection alone: it hears what was missed, people decide, and what they found is a duty."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived, Line
from contracts.envelope import Fact
from contracts.escalations import DutyMissed, DutyMissWithdrawn, EscalationExhausted
from contracts.inspections import (
    FindingDismissed,
    FindingRaised,
    InspectionClosed,
    InspectionDismissed,
    InspectionOpened,
    InspectionProposed,
    ProposalExtended,
    ProposalWithdrawn,
    RectificationReturned,
    RectificationSubmitted,
    RectificationVerified,
)
from contracts.topics import PARTITIONS
from services.inspection.app import build
from shared.ids import partition_of
from shared.state import Inbound
from tests.support.kit import entries
from tests.support.reminders import Places, a_village, at
from tests.support.running import Running

NOW = at("2026-04-29 10:00")
FIVE_WORKING_DAYS_LATER = at("2026-05-10 00:00")
"""24:00 of Saturday 9 May, which is worked because May Day is five days long."""
IN_A_MONTH = at("2026-05-30 00:00")
DUE = at("2026-02-01 00:00")
FIRST, FINDING = "village.special.1", "village.special.1.1"
RECTIFY, RECTIFY_2 = f"rectification.{FINDING}.1", f"rectification.{FINDING}.2"
VERIFYING, VERIFYING_2 = f"verification.{FINDING}.1", f"verification.{FINDING}.2"
TEXT = "会议记录缺失: no minutes were kept"
EVERYTHING = (
    *(InspectionProposed, ProposalExtended, ProposalWithdrawn, InspectionOpened, InspectionDismissed),
    *(InspectionClosed, FindingRaised, RectificationSubmitted, RectificationReturned, RectificationVerified),
    *(FindingDismissed, DutyOpened, DutyFulfilled, DutyWaived),
)


def misses(unit: str = "village", *, first: int = 0) -> list[DutyMissed]:
    """Return what a unit has missed, each in a partition of its own as long as there are any."""
    taken: dict[int, str] = {}
    for n in count(first):
        name = f"{unit}-duty-{n}"
        taken.setdefault(partition_of(f"escalation:{name}", PARTITIONS), name)
        if len(taken) == PARTITIONS:
            return [a_miss(name, unit, DUE + timedelta(days=n)) for n, name in enumerate(taken.values())]
    raise AssertionError


def a_miss(duty: str, unit: str = "village", due_at: datetime = DUE, occurrence: str = "") -> DutyMissed:
    return DutyMissed(
        duty=duty,
        unit=unit,
        kind="lesson",
        line=Line.MAIN,
        recipient="town",
        period="2026",
        due_at=due_at,
        occurrence=occurrence,
    )


ONE, TWO, THREE, FOUR, *_ = MISSES = misses()


async def inspection(tmp_path: Path, made: Places | None = None) -> Running:
    """Return inspection that has read the directory."""
    running = await Running("inspection", build, tmp_path, NOW).start()
    await running.hears(*(made or a_village()).facts)
    return running


async def proposed(tmp_path: Path, made: Places | None = None) -> Running:
    """Return inspection with a proposal about the village."""
    running = await inspection(tmp_path, made)
    await running.hears(ONE, TWO, THREE)
    return running


async def opened(tmp_path: Path) -> Running:
    """Return inspection with an open inspection of the village by its town's discipline committee."""
    running = await proposed(tmp_path)
    await does(running, "inspections/village.special.1/opening")
    return running


async def found(tmp_path: Path) -> Running:
    """Return inspection with a finding that the village is to put right."""
    running = await opened(tmp_path)
    await does(running, f"inspections/{FIRST}/findings", line="main", text=TEXT)
    return running


async def asks(
    running: Running, path: str, *roles: str, of: str = "village", by: str = "town", **body: Any
) -> Any:
    """Ask something of the inspections or findings of a unit, by default as an inspector of the town."""
    return await running.post(f"/v1/units/{of}/{path}", *(roles or ("inspector",)), unit=by, json=body)


async def does(running: Running, path: str, *roles: str, **more: Any) -> dict[str, Any]:
    """Do it, and let it be said."""
    answer = await asks(running, path, *roles, **more)
    assert answer.is_success, answer.text
    await running.says()
    done: dict[str, Any] = answer.json()
    return done


async def submits(running: Running, **more: Any) -> dict[str, Any]:
    return await does(running, f"findings/{FINDING}/rectifications", "filer", by="village", **more)


async def shown(running: Running, *roles: str, of: str = "village", by: str = "town") -> list[dict[str, Any]]:
    answer = await running.get(f"/v1/units/{of}/inspections", *(roles or ("inspector",)), unit=by)
    assert answer.is_success, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def listed(running: Running, *, by: str, **query: Any) -> tuple[list[str], str]:
    """Return the inspections that an inspector finds, and from where he would go on."""
    params = {"unit": by} | query
    headers = running.token("inspector", unit=by)
    answer = await running.http.get("/v1/inspections", params=params, headers=headers)
    assert answer.is_success, answer.text
    return [item["inspection"] for item in answer.json()["items"]], answer.json()["after"]


def word_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def said(running: Running) -> list[Any]:
    return running.said(*EVERYTHING)


async def decided(running: Running) -> int:
    """Return how many entries of the ledger hold a fact."""
    store: Any = running.service.store
    return sum(bool(entry.events) for entry in await entries(store, 0))


class TestAProposal:
    async def test_i4_three_misses_from_different_partitions_propose_an_inspection_with_their_facts(
        self, tmp_path: Path
    ) -> None:
        running = await inspection(tmp_path)

        records = await running.hears(ONE, TWO, EscalationExhausted(duty=ONE.duty, unit="village", rung=6))
        await running.says()
        assert said(running) == []
        records += await running.hears(THREE)
        await running.says()

        assert len({record.partition for record in records}) == 3
        [(envelope, fact)] = running.envelopes()
        assert isinstance(fact, InspectionProposed)
        assert (fact.inspection, fact.unit, fact.rule) == (FIRST, "village", "missed-three/1")
        assert [(e.fact, e.duty, e.occurrence) for e in fact.evidence] == [
            (f"escalation:{miss.duty}/1", miss.duty, miss.duty) for miss in (ONE, TWO, THREE)
        ]
        assert (envelope.correlationid, envelope.causationid) == ("village", f"escalation:{THREE.duty}/1")

    async def test_i4_one_report_to_two_recipients_is_one(self, tmp_path: Path) -> None:
        running = await inspection(tmp_path)
        report = [a_miss(f"2025.r.village@{to}", occurrence="2025.r.village") for to in ("town", "town-dc")]

        await running.hears(*report, ONE)
        assert await shown(running) == []
        await running.hears(TWO)

        [item] = await shown(running)
        assert len(item["evidence"]) == 4

    async def test_i4_more_misses_join_and_other_units_have_dossiers_of_their_own(
        self, tmp_path: Path
    ) -> None:
        running = await inspection(tmp_path)

        await running.hears(*MISSES, *misses("town"))
        await running.says()

        assert [f.inspection for f in running.said(InspectionProposed)] == [FIRST, "town.special.1"]
        joined = [e.duty for f in running.said(ProposalExtended) for e in f.evidence if f.unit == "village"]
        assert set(joined) == {miss.duty for miss in MISSES[3:]}
        [item] = await shown(running)
        assert len(item["evidence"]) == PARTITIONS

    async def test_a_miss_that_is_withdrawn_takes_the_proposal_with_it(self, tmp_path: Path) -> None:
        running = await proposed(tmp_path)

        await running.hears(DutyMissWithdrawn(duty=TWO.duty, unit="village", fulfilled_at=DUE, due_at=DUE))
        await running.says()

        assert [fact.withdrawn for fact in running.said(ProposalWithdrawn)] == [(TWO.duty,)]
        [item] = await shown(running)
        assert item["status"] == "withdrawn"
        assert [one["is_withdrawn"] for one in item["evidence"]] == [False, True, False]

    async def test_records_heard_again_and_a_restart_change_nothing(self, tmp_path: Path) -> None:
        running = await proposed(tmp_path)
        gone = DutyMissWithdrawn(duty=FOUR.duty, unit="village", fulfilled_at=DUE, due_at=FOUR.due_at)
        await running.hears(gone, FOUR)
        await running.says()
        before, facts, items = await decided(running), said(running), await shown(running)

        await running.hears_again(list(running.others.records))
        running = await running.again()
        await running.hears_again(list(reversed(running.others.records)))
        await running.says()

        assert (await decided(running), said(running), await shown(running)) == (before, facts, items)

    async def test_a_restart_goes_on_with_what_was_left(self, tmp_path: Path) -> None:
        running = await inspection(tmp_path)
        for miss in (ONE, TWO, THREE, FOUR):
            running = await running.again()
            await running.hears(miss)
        running = await running.again()
        await running.says()

        assert Counter(type(fact) for fact in said(running)) == {InspectionProposed: 1, ProposalExtended: 1}

    async def test_an_unreadable_record_is_put_aside_and_holds_no_unit_up(self, tmp_path: Path) -> None:
        running = await inspection(tmp_path)
        key = f"escalation:{ONE.duty}"
        partition = partition_of(key, PARTITIONS)

        await running.hears_again([Inbound("escalations", partition, 0, key.encode(), b"{")])
        await running.hears(ONE, TWO, THREE)

        assert [item["status"] for item in await shown(running)] == ["proposed"]
        answer = await running.get(f"/v1/dead-letters/{key}", "operator", unit="province")
        assert len(answer.json()["letters"]) == 1

    async def test_operators_count_what_became_of_it(self, tmp_path: Path) -> None:
        def counted(kind: type[Fact]) -> float:
            labels = {"service": "inspection", "type": kind.type}
            return REGISTRY.get_sample_value("zeren_facts_total", labels) or 0.0

        before = counted(InspectionProposed), counted(InspectionDismissed)
        running = await proposed(tmp_path)
        await does(running, f"inspections/{FIRST}/dismissal", reason="a flood")

        assert (counted(InspectionProposed), counted(InspectionDismissed)) == (before[0] + 1, before[1] + 1)


class TestAPersonDecides:
    async def test_i4_confirmed_it_is_inspected_by_the_nearest_superior_discipline_committee(
        self, tmp_path: Path
    ) -> None:
        running = await proposed(tmp_path)

        answer = await does(running, f"inspections/{FIRST}/opening", by="county")

        assert answer == {
            "inspection": FIRST,
            "result": "applied",
            "status": "open",
            "inspector": "town-dc",
        }
        assert [(f.inspector, f.person) for f in running.said(InspectionOpened)] == [("town-dc", "somebody")]

    async def test_where_no_discipline_committee_is_near_the_next_above_inspects(
        self, tmp_path: Path
    ) -> None:
        made = a_village()
        made.place("hamlet", "village").place("farm", "hamlet")
        running = await inspection(tmp_path, made)
        await running.hears(*misses("farm")[:3])

        answer = await does(running, "inspections/farm.special.1/opening", of="farm", by="town")

        assert answer["inspector"] == "village-dc"

    async def test_another_inspector_may_be_named_if_it_stands_above_the_unit(self, tmp_path: Path) -> None:
        running = await proposed(tmp_path)

        answers = [
            await asks(running, f"inspections/{FIRST}/opening", by="county", inspector=name)
            for name in ("village-dc", "city-dc", "nowhere", "county-dc")
        ]

        assert [word_of(answer) for answer in answers[:3]] == [
            (409, "not_above"),
            (404, "unknown_unit"),
            (404, "unknown_unit"),
        ]
        assert answers[3].json()["inspector"] == "county-dc"

    async def test_i4_dismissed_with_a_reason_that_stays_in_the_service(self, tmp_path: Path) -> None:
        running = await proposed(tmp_path)

        refused = await asks(running, f"inspections/{FIRST}/dismissal", reason="  ")
        await does(running, f"inspections/{FIRST}/dismissal", reason="a flood")

        assert word_of(refused) == (422, "invalid")
        [item] = await shown(running)
        assert (item["status"], item["reason"]) == ("dismissed", "a flood")
        assert all("flood" not in envelope.model_dump_json() for envelope, _ in running.envelopes())
        await running.hears(FOUR, *MISSES[4:5])
        assert len(await shown(running)) == 1

    @pytest.mark.parametrize(
        ("roles", "by", "answer"),
        [
            (("inspector",), "town", (200, "")),
            (("inspector",), "town-dc", (200, "")),
            (("inspector",), "province", (200, "")),
            (("inspector",), "village", (403, "not_allowed")),
            (("inspector",), "village-dc", (403, "not_allowed")),
            (("inspector",), "other-town", (404, "unknown_unit")),
            (("inspector",), "nowhere", (404, "unknown_unit")),
            (("filer", "operator"), "town", (403, "not_allowed")),
        ],
    )
    async def test_nobody_decides_on_his_own_unit_or_outside_his_subtree_or_role(
        self, tmp_path: Path, roles: tuple[str, ...], by: str, answer: tuple[int, str]
    ) -> None:
        made = a_village()
        made.level("other-town", "county")
        running = await proposed(tmp_path, made)

        given = await asks(running, f"inspections/{FIRST}/opening", *roles, by=by)
        await running.says()

        assert given.status_code == answer[0]
        assert given.is_success or word_of(given) == answer
        assert len(running.said(InspectionOpened)) == given.is_success

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (f"inspections/{FIRST}/dismissal", {"reason": "why"}),
            (f"inspections/{FIRST}/closing", {}),
            (f"inspections/{FIRST}/findings", {"line": "main", "text": "more"}),
            (f"findings/{FINDING}/return", {"reason": "why"}),
            (f"findings/{FINDING}/closing", {"outcome": "dismissed", "reason": "why"}),
        ],
    )
    async def test_every_decision_is_closed_to_the_unit_itself(
        self, tmp_path: Path, path: str, body: dict[str, str]
    ) -> None:
        running = await found(tmp_path)
        before = await decided(running)

        answers = [
            await asks(running, path, "inspector", by="village", **body),
            await asks(running, path, "filer", by="town", **body),
        ]

        assert [word_of(answer) for answer in answers] == [(403, "not_allowed")] * 2
        assert await decided(running) == before

    @pytest.mark.parametrize(
        ("path", "body", "word"),
        [
            ("inspections/village.special.9/opening", {}, "unknown_inspection"),
            ("inspections/village.special.9/dismissal", {"reason": "why"}, "unknown_inspection"),
            ("inspections/village.special.9/closing", {}, "unknown_inspection"),
            (
                "inspections/village.special.9/findings",
                {"line": "main", "text": "more"},
                "unknown_inspection",
            ),
            ("findings/village.special.1.9/return", {"reason": "why"}, "unknown_finding"),
            ("findings/village.special.1.9/closing", {"outcome": "circular"}, "unknown_finding"),
        ],
    )
    async def test_what_is_not_there_is_not_found(
        self, tmp_path: Path, path: str, body: dict[str, str], word: str
    ) -> None:
        assert word_of(await asks(await proposed(tmp_path), path, **body)) == (404, word)


class TestAFinding:
    async def test_i4_a_finding_is_a_duty_of_the_unit_within_a_month(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)

        answer = await does(running, f"inspections/{FIRST}/findings", line="main", text=TEXT)

        assert (answer["finding"], answer["duty"], answer["status"]) == (FINDING, RECTIFY, "rectifying")
        [duty] = running.said(DutyOpened)
        assert (duty.duty, duty.unit, duty.recipient, duty.kind, duty.policy) == (
            RECTIFY,
            "village",
            "town-dc",
            "rectification",
            "rectification/1",
        )
        assert (duty.due_at, duty.period, duty.occurrence) == (IN_A_MONTH, "2026-05", FINDING)
        assert all("minutes" not in envelope.model_dump_json() for envelope, _ in running.envelopes())
        again = await does(running, f"inspections/{FIRST}/findings", line="main", text=TEXT)
        assert again == answer | {"result": "nothing"}

    @pytest.mark.parametrize(
        ("due", "due_at"),
        [
            ({"days": 10}, at("2026-05-10 00:00")),
            ({"due_at": "2026-06-15T09:30:00+08:00"}, at("2026-06-15 09:30")),
        ],
    )
    async def test_who_finds_it_may_say_until_when(
        self, tmp_path: Path, due: dict[str, Any], due_at: datetime
    ) -> None:
        running = await opened(tmp_path)

        await does(running, f"inspections/{FIRST}/findings", line="main", text=TEXT, **due)

        assert [duty.due_at for duty in running.said(DutyOpened)] == [due_at]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"text": " "},
            {"line": "both"},
            {"days": 0},
            {"days": 3, "due_at": "2026-06-15T09:30:00+08:00"},
            {"due_at": "2026-06-15T09:30:00"},
        ],
    )
    async def test_what_cannot_be_meant_is_invalid(self, tmp_path: Path, wrong: dict[str, Any]) -> None:
        running = await opened(tmp_path)
        body = {"line": "main", "text": TEXT} | wrong

        assert word_of(await asks(running, f"inspections/{FIRST}/findings", **body)) == (422, "invalid")

    async def test_i4_put_right_it_is_the_inspectors_duty_to_verify_within_five_working_days(
        self, tmp_path: Path
    ) -> None:
        running = await found(tmp_path)

        answer = await submits(running, text="they are kept now")

        assert (answer["status"], answer["duty"]) == ("submitted", VERIFYING)
        assert [(f.duty, f.fulfilled_at) for f in running.said(DutyFulfilled)] == [(RECTIFY, NOW)]
        *_, duty = running.said(DutyOpened)
        assert (duty.duty, duty.unit, duty.recipient, duty.policy, duty.due_at) == (
            VERIFYING,
            "town-dc",
            "village",
            "verification/1",
            FIVE_WORKING_DAYS_LATER,
        )
        again = await submits(running)
        assert again == answer | {"result": "nothing"}

    async def test_i4_c16_returned_it_begins_again_and_verified_it_ends_and_the_inspection_closes(
        self, tmp_path: Path
    ) -> None:
        running = await found(tmp_path)
        await submits(running)
        early = await asks(running, f"inspections/{FIRST}/closing")

        await does(running, f"findings/{FINDING}/return", reason="half of them are missing", days=10)
        running = await running.again()
        await submits(running)
        await does(running, f"findings/{FINDING}/closing", outcome="verified")
        closed = await does(running, f"inspections/{FIRST}/closing")

        assert word_of(early) == (409, "finding_open")
        assert closed["status"] == "closed"
        ends = {fact.duty for fact in running.said(DutyFulfilled)}
        assert ends == {RECTIFY, VERIFYING, RECTIFY_2, VERIFYING_2}
        assert [(f.duty, f.continues) for f in running.said(DutyOpened) if f.continues] == [
            (RECTIFY_2, RECTIFY)
        ]
        assert [fact.duty for fact in running.said(RectificationVerified)] == [RECTIFY_2]

    async def test_c16_a_circular_alone_closes_nothing_in_either_language(self, tmp_path: Path) -> None:
        running = await found(tmp_path)
        path = f"/v1/units/village/findings/{FINDING}/closing"
        headers = running.token("inspector", unit="town") | {"Accept-Language": "zh-CN"}
        body = {"outcome": "circular", "reason": "circulated to all towns"}

        english = await asks(running, f"findings/{FINDING}/closing", **body)
        chinese = await running.http.post(path, json=body, headers=headers)

        assert word_of(english) == word_of(chinese) == (409, "circular_only")
        assert english.json()["detail"].startswith("A finding does not end with a circular alone")
        assert chinese.json()["detail"].startswith("不得一通报了之")
        assert word_of(await asks(running, f"inspections/{FIRST}/closing")) == (409, "finding_open")

    async def test_c16_dismissed_with_a_reason_its_duty_is_waived(self, tmp_path: Path) -> None:
        running = await found(tmp_path)
        path = f"findings/{FINDING}/closing"

        refused = await asks(running, path, outcome="dismissed")
        await does(running, path, outcome="dismissed", reason="it was another unit")

        assert word_of(refused) == (409, "reason_required")
        assert [(f.duty, f.unit, f.waived_at) for f in running.said(DutyWaived)] == [
            (RECTIFY, "village", NOW)
        ]
        assert running.said(DutyFulfilled) == []

    @pytest.mark.parametrize(
        ("roles", "by", "answer"),
        [
            (("filer",), "village", (200, "")),
            (("filer",), "county", (200, "")),
            (("filer",), "other-town", (404, "unknown_unit")),
            (("inspector",), "town", (403, "not_allowed")),
        ],
    )
    async def test_only_who_may_file_for_the_unit_submits(
        self, tmp_path: Path, roles: tuple[str, ...], by: str, answer: tuple[int, str]
    ) -> None:
        running = await found(tmp_path)
        made = Places(sequence=99)
        made.level("other-town", "county")
        await running.hears(*made.facts)

        given = await asks(running, f"findings/{FINDING}/rectifications", *roles, by=by)

        assert given.status_code == answer[0]
        assert given.is_success or word_of(given) == answer


class TestWhatIsShown:
    async def test_the_unit_sees_what_was_found_but_no_proposal(self, tmp_path: Path) -> None:
        running = await found(tmp_path)
        await does(running, f"findings/{FINDING}/closing", outcome="dismissed", reason="another unit")
        await does(running, f"inspections/{FIRST}/closing")
        await running.hears(*MISSES[3:6])

        own = await shown(running, "filer", by="village")
        above = await shown(running, "inspector", by="town")
        same_level = await shown(running, "inspector", by="village-dc")

        assert [item["inspection"] for item in own] == [FIRST]
        assert same_level == own
        assert [item["inspection"] for item in above] == [FIRST, "village.special.2"]
        [finding] = own[0]["findings"]
        assert (finding["text"], finding["status"], finding["duty"]) == (TEXT, "dismissed", None)

    async def test_nobody_reads_outside_his_subtree_or_role(self, tmp_path: Path) -> None:
        running = await found(tmp_path)

        answers = [
            await running.get("/v1/units/village/inspections", "operator", unit="town"),
            await running.get("/v1/units/town/inspections", "inspector", unit="village"),
            *[
                await running.http.get("/v1/inspections", params={"unit": of}, headers=headers)
                for of, headers in (
                    ("town", running.token("inspector", unit="village")),
                    ("village", running.token(unit="village")),
                )
            ],
        ]

        assert [word_of(answer) for answer in answers] == [
            (403, "not_allowed"),
            (404, "unknown_unit"),
            (404, "unknown_unit"),
            (403, "not_allowed"),
        ]

    async def test_an_inspector_goes_through_the_inspections_of_his_subtree(self, tmp_path: Path) -> None:
        running = await opened(tmp_path)
        for unit in ("town", "village-dc", "city"):
            await running.hears(*misses(unit)[:3])

        assert await listed(running, by="county") == (["town.special.1", FIRST, "village-dc.special.1"], "")
        assert await listed(running, by="county", status="open") == ([FIRST], "")
        assert await listed(running, by="county", limit=1) == (["town.special.1"], "town")
        assert (await listed(running, by="county", after="town", status="proposed"))[0] == [
            "village-dc.special.1"
        ]
        assert (await listed(running, by="town", status="proposed"))[0] == ["village-dc.special.1"]
