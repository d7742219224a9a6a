"""Reminders alone: it hears duties and the directory, time passes, and people are told."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.directory import TenureStarted, UnitMoved
from contracts.duties import DutyFulfilled, DutyOpened, DutyWaived
from contracts.escalations import (
    DutyMissed,
    DutyMissWithdrawn,
    EscalationAcknowledged,
    EscalationExhausted,
    EscalationRaised,
    EscalationResolved,
    EscalationWithdrawn,
    PostFoundVacant,
)
from contracts.reminders import ReminderFired
from contracts.topics import PARTITIONS
from services.reminders.app import build
from services.reminders.entrypoints import timer as timer_module
from services.reminders.entrypoints.timer import Gate, Wait, brief
from shared.clock import SystemClock
from shared.consumer import Heard
from shared.ids import partition_of
from shared.state import Inbound
from tests.support.reminders import (
    CALENDAR,
    DUE,
    MICROSECOND,
    OPENED_AT,
    REPORTING,
    Places,
    a_duty,
    a_village,
    at,
    given,
    of,
)
from tests.support.running import Running

DUTY = a_duty()
VERDICT = DUE + MICROSECOND
RUNG_1, RUNG_2, RUNG_3 = at("2026-02-02 09:00"), at("2026-02-04 09:00"), at("2026-02-06 09:00")
RUNG_4, RUNG_5, RUNG_6 = at("2026-02-13 09:00"), at("2026-02-27 09:00"), at("2026-03-05 09:00")
RUNG_7 = at("2026-03-12 09:00")
LADDER = [
    (0, "village/handler"),
    (1, "village/leader_in_charge"),
    (2, "village/head"),
    (3, "town/head"),
    (3, "town-dc/discipline_head"),
    (4, "county/head"),
    (4, "county-dc/discipline_head"),
    (5, "city/head"),
    (5, "city-dc/discipline_head"),
    (6, "province/head"),
    (6, "province-dc/discipline_head"),
]


async def reminders(tmp_path: Path, made: Places | None = None) -> Running:
    """Return reminders that watches the duty of a village."""
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    await running.hears(*(made or a_village()).facts)
    await running.hears(DUTY)
    return running


async def missed(tmp_path: Path, made: Places | None = None) -> Running:
    """Return reminders at the moment at which the duty is missed."""
    running = await reminders(tmp_path, made)
    await running.until(VERDICT)
    return running


async def test_what_it_says_at_a_moment_is_decided_before(tmp_path: Path) -> None:
    running = await reminders(tmp_path)
    await running.until(VERDICT - MICROSECOND)
    (book,) = (book for book in running.service.opened() if book._records)
    await book.prepare(VERDICT)

    foreseen = book._records[DUTY.duty].foreseen
    await running.until(VERDICT)
    assert foreseen is not None
    assert foreseen.after.body == await book.peek(DUTY.duty)
    assert foreseen.after is book._records[DUTY.duty]


async def test_who_follows_on_a_post_after_that_is_told(tmp_path: Path) -> None:
    running = await reminders(tmp_path)
    await running.until(VERDICT - MICROSECOND)
    for book in running.service.opened():
        await book.prepare(VERDICT)

    places = a_village()
    places.vacate("village/handler", VERDICT)
    new = TenureStarted(post="village/handler", unit="village", person="new", from_at=VERDICT)
    await running.hears(*places.hear(new).facts[-2:])
    await running.until(VERDICT)
    assert [fact.person for fact in running.said(EscalationRaised)] == ["new"]


def fulfilled(moment: datetime) -> DutyFulfilled:
    return DutyFulfilled(duty=DUTY.duty, unit="village", fulfilled_at=moment)


async def notices(running: Running, kind: str = "escalation") -> list[tuple[int, str]]:
    """Return the step and the post of each notice in the list, in its order."""
    answer = await running.get("/v1/notices", "operator", unit="province", limit=1000)
    assert answer.is_success, answer.text
    return [(one["step"], one["post"]) for one in answer.json()["items"] if one["kind"] == kind]


async def watched(running: Running, unit: str = "province") -> dict[str, Any]:
    answer = await running.get(f"/v1/duties/{DUTY.duty}", unit=unit)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def takes_note(running: Running, post: str, *, by: str | None = None) -> Any:
    return await running.post(
        f"/v1/duties/{DUTY.duty}/acknowledgements", f"post:{by or post}", unit="province", json={"post": post}
    )


def raised(running: Running) -> list[tuple[int, str]]:
    return [(fact.rung, fact.post) for fact in running.said(EscalationRaised)]


def silence() -> float | None:
    return REGISTRY.get_sample_value("reminders_owner_silence_seconds", {"owner": REPORTING})


def in_one_book(*duties: DutyOpened) -> bool:
    return len({partition_of(duty.subject, PARTITIONS) for duty in duties}) == 1


def measured() -> Counter[str]:
    """Return how many decisions were measured, by type, and how many escalations were counted."""
    samples = [
        sample
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name in {"reminders_wakeup_lateness_seconds_count", "reminders_raised_total"}
    ]
    found: Counter[str] = Counter()
    for sample in samples:
        found[sample.labels.get("kind", "raised")] += int(sample.value)
    return found


def test_a_reminder_planned_before_the_duty_was_heard_of_is_measured_from_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened_at = DUE - timedelta(days=3)
    story = given(a_village()).opened(DUTY, opened_at)
    [fired] = of(ReminderFired, story.wakes(opened_at).facts)
    monkeypatch.setattr(timer_module, "real_now", lambda: opened_at + timedelta(seconds=2))
    service: Any = SimpleNamespace(clock=SystemClock(), heard=None)
    name, labels = "reminders_wakeup_lateness_seconds_sum", {"kind": ReminderFired.type}
    gate = Gate(service, CALENDAR, timedelta(0))
    before = REGISTRY.get_sample_value(name, labels) or 0.0

    gate._measure([(story.watch, brief(fired))], 0)

    assert fired.planned_at < opened_at
    assert (REGISTRY.get_sample_value(name, labels) or 0.0) - before == pytest.approx(2.0)


def test_the_longest_silence_of_an_owner_shows_whoever_else_waits_for_it() -> None:
    heard = Heard()
    service: Any = SimpleNamespace(clock=SystemClock(), heard=heard)
    gate = Gate(service, CALENDAR, timedelta(minutes=10))
    minutes = [30, 20, 5]
    waits = [Wait([f"watch:{n}"], REPORTING, DUE - timedelta(minutes=n)) for n in minutes]

    assert gate._may_speak([*waits, Wait(["watch:open"], REPORTING, None)], 0, DUE, DUE) == [
        *3 * [False],
        True,
    ]
    assert silence() == 30 * 60
    assert gate._may_speak(waits[2:], 0, DUE, DUE) == [False]
    assert silence() == 0


class TestAReportThatNobodyFiles:
    async def test_each_decision_is_measured_once(self, tmp_path: Path) -> None:
        others = (DUTY.model_copy(update={"duty": f"another-{n}"}) for n in count())
        beside = next(other for other in others if in_one_book(other, DUTY))
        before = measured()

        running = await reminders(tmp_path)
        await running.hears(beside)
        await running.until(RUNG_2)

        told = len(running.said(EscalationRaised))
        assert told >= 4
        assert measured() - before == {
            ReminderFired.type: len(running.said(ReminderFired)),
            DutyMissed.type: 2,
            EscalationRaised.type: told,
            "raised": told,
        }

    async def test_the_handler_is_reminded_four_times_before_it_is_due(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)

        await running.until(DUE)

        told = await notices(running, "reminder")
        assert told == [
            (20, "village/handler"),
            (10, "village/handler"),
            (5, "village/handler"),
            (3, "village/handler"),
        ]
        assert running.said(DutyMissed) == []

    async def test_it_is_missed_and_climbs_to_the_top_of_both_lines_each_told_once_and_in_order(
        self, tmp_path: Path
    ) -> None:
        running = await missed(tmp_path)
        assert await notices(running) == LADDER[:1]

        for moment, told in ((RUNG_1, 2), (RUNG_2, 3), (RUNG_3, 5), (RUNG_4, 7), (RUNG_5, 9), (RUNG_6, 11)):
            await running.until(moment - MICROSECOND)
            assert len(await notices(running)) < told
            await running.until(moment)
            assert await notices(running) == LADDER[:told]
        assert (await watched(running))["status"] == "climbing"
        await running.until(RUNG_7)

        assert await notices(running) == raised(running) == LADDER
        assert [fact.due_at for fact in running.said(DutyMissed)] == [DUE]
        assert [fact.rung for fact in running.said(EscalationExhausted)] == [6]
        assert (await watched(running))["status"] == "exhausted"
        await running.until(RUNG_7 + timedelta(days=365))
        assert await notices(running) == LADDER

    async def test_a_notice_names_who_held_the_post_and_speaks_the_language_asked_for(
        self, tmp_path: Path
    ) -> None:
        running = await missed(tmp_path)
        headers = running.token("post:village/handler", unit="village") | {"Accept-Language": "zh-CN"}

        answer = await running.http.get("/v1/notices", params={"post": "village/handler"}, headers=headers)

        *_, notice = answer.json()["items"]
        assert (notice["kind"], notice["person"], notice["level"]) == ("escalation", "p-village/handler", 0)
        assert notice["text"].startswith("逾期催办")

    async def test_a_vacant_post_is_passed_over_and_said(self, tmp_path: Path) -> None:
        running = await missed(tmp_path, a_village().vacate("village/leader_in_charge"))

        await running.until(RUNG_1)

        assert [fact.post for fact in running.said(PostFoundVacant)] == ["village/leader_in_charge"]
        assert await notices(running) == [LADDER[0], LADDER[2]]

    async def test_f2_a_unit_that_moves_between_two_rungs_climbs_to_its_new_superior(
        self, tmp_path: Path
    ) -> None:
        made = a_village()
        made.level("other-town", "county")
        running = await missed(tmp_path, made)
        await running.until(RUNG_2)

        await running.hears(
            UnitMoved(unit="village", parent="other-town"),
            UnitMoved(unit="village-dc", parent="other-town-dc"),
        )
        await running.until(RUNG_4)

        told = [(3, "other-town/head"), (3, "other-town-dc/discipline_head")]
        assert await notices(running) == [*LADDER[:3], *told, *LADDER[5:7]]

    async def test_its_next_moment_is_provisional_beyond_the_published_days(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)
        assert (await watched(running))["is_provisional"] is False

        distant = a_duty(unit="town", due_at=at("2097-02-01 00:00"))
        await running.hears(distant)

        answer = await running.get(f"/v1/duties/{distant.duty}", unit="province")
        assert answer.json()["is_provisional"] is True
        await running.until(RUNG_7)
        found = await watched(running)
        assert (found["next_at"], found["is_provisional"]) == (None, False)


class TestWhoActs:
    async def test_taking_note_holds_the_climb_for_two_working_days(self, tmp_path: Path) -> None:
        running = await missed(tmp_path)

        answer = await takes_note(running, "village/handler")

        assert (answer.status_code, answer.json()["result"]) == (200, "applied")
        held_until = at("2026-02-03 09:00")
        await running.until(held_until - MICROSECOND)
        assert await notices(running) == LADDER[:1]
        await running.until(held_until)
        assert await notices(running) == LADDER[:2]
        assert [fact.person for fact in running.said(EscalationAcknowledged)] == ["p-village/handler"]

    async def test_nobody_takes_note_for_another_post(self, tmp_path: Path) -> None:
        running = await missed(tmp_path)

        answer = await takes_note(running, "village/handler", by="town/head")

        assert answer.status_code == 403
        await running.until(RUNG_1)
        assert running.said(EscalationAcknowledged) == []
        assert await notices(running) == LADDER[:2]

    async def test_who_was_not_told_has_nothing_to_take_note_of(self, tmp_path: Path) -> None:
        running = await missed(tmp_path)

        answer = await takes_note(running, "town/head")

        assert (answer.status_code, answer.json()["type"]) == (409, "urn:zeren:problem:not_told")

    async def test_a_late_fulfilment_ends_the_climb(self, tmp_path: Path) -> None:
        running = await missed(tmp_path)
        await running.until(RUNG_1)

        await running.hears(fulfilled(RUNG_1))
        await running.until(RUNG_7)

        assert await notices(running) == LADDER[:2]
        assert [fact.rung for fact in running.said(EscalationResolved)] == [1]
        assert (await watched(running))["status"] == "resolved"

    async def test_a_waived_duty_climbs_no_further_and_its_miss_stands(self, tmp_path: Path) -> None:
        running = await missed(tmp_path)
        await running.until(RUNG_1)

        await running.hears(DutyWaived(duty=DUTY.duty, unit="village", waived_at=RUNG_1))
        await running.until(RUNG_7)

        assert await notices(running) == LADDER[:2]
        assert [fact.rung for fact in running.said(EscalationWithdrawn)] == [1]
        assert len(running.said(DutyMissed)) == 1
        assert (await watched(running))["status"] == "waived"

    async def test_a_duty_fulfilled_at_its_due_moment_is_not_missed(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)
        await running.until(DUE)

        await running.hears(fulfilled(DUE))
        await running.until(RUNG_7)

        assert running.said(DutyMissed) == []
        assert await notices(running) == []

    async def test_an_in_time_fulfilment_heard_late_withdraws_the_miss_and_what_nobody_was_told_yet(
        self, tmp_path: Path
    ) -> None:
        running = await missed(tmp_path)
        await running.until(RUNG_1 - MICROSECOND)
        running.clock.moment = RUNG_1
        await running.wakes()

        paper = await running.hears(fulfilled(DUE))
        await running.says()
        await running.hears_again(paper)
        await running.until(RUNG_7)

        assert raised(running) == LADDER[:2]
        assert await notices(running) == LADDER[:1]
        assert [fact.fulfilled_at for fact in running.said(DutyMissWithdrawn)] == [DUE]
        assert [fact.rung for fact in running.said(EscalationWithdrawn)] == [1]

    async def test_lesson_1_who_takes_note_between_decision_and_telling_is_not_told(
        self, tmp_path: Path
    ) -> None:
        running = await reminders(tmp_path)
        await running.until(DUE)
        running.clock.moment = VERDICT
        await running.wakes()

        await takes_note(running, "village/handler")
        await running.says()

        assert raised(running) == LADDER[:1]
        assert await notices(running) == []


class TestNoVerdictAheadOfItsOwner:
    async def test_ten_minutes_of_silence_show_on_a_gauge_and_nothing_is_missed_before_the_owner_has_spoken(
        self, tmp_path: Path
    ) -> None:
        running = await reminders(tmp_path)
        await running.until(DUE - MICROSECOND)
        running.silent.add("duties")

        await running.until(DUE + timedelta(minutes=10))
        await running.hears_all_said("duties", DUE)
        await running.wakes()
        await running.says()
        assert silence() == 600
        assert running.said(DutyMissed) == []

        await running.hears_all_said("duties", DUE + timedelta(minutes=10))
        await running.wakes()
        await running.wakes()
        await running.says()
        assert silence() == 0
        assert len(running.said(DutyMissed)) == 1
        assert await notices(running) == LADDER[:1]

    async def test_what_the_owner_says_before_it_speaks_of_the_due_moment_is_in_time(
        self, tmp_path: Path
    ) -> None:
        running = await reminders(tmp_path)
        await running.until(DUE - MICROSECOND)
        running.silent.add("duties")
        await running.until(RUNG_1)

        await running.hears(fulfilled(DUE))
        running.silent.clear()
        await running.until(RUNG_7)

        assert running.said(DutyMissed) == []

    async def test_a_held_watch_that_has_nothing_to_say_any_more_lets_the_timer_rest(
        self, tmp_path: Path
    ) -> None:
        """Two replicas were asked to join and leave, and the hurried clock stood still for ever."""
        running = await missed(tmp_path)
        running.silent.add("directory")
        await running.until(RUNG_1)
        assert running.timer is not None
        held = running.timer.is_busy

        assert (await takes_note(running, "village/handler")).is_success
        await running.wakes()

        assert [held, running.timer.is_busy] == [True, False]
        running.silent.clear()
        await running.until(RUNG_2)
        assert await notices(running) == LADDER[:2]

    async def test_no_rung_speaks_on_an_unread_tree(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)
        await running.until(DUE - MICROSECOND)
        running.silent.add("directory")

        await running.until(RUNG_1)
        await running.hears_all_said("directory", VERDICT)
        await running.wakes()
        await running.says()
        assert running.said(DutyMissed, EscalationRaised) == []

        running.silent.clear()
        await running.until(RUNG_1)
        assert len(running.said(DutyMissed)) == 1
        assert await notices(running) == [LADDER[1]]

    async def test_before_the_directory_was_read_nobody_is_reminded(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)
        running.silent.add("directory")

        await running.until(DUE)

        assert running.said(ReminderFired) == []


class TestStopsAndReplicas:
    async def test_lesson_3_a_stop_of_ten_days_across_three_rungs_is_one_message_and_three_records(
        self, tmp_path: Path
    ) -> None:
        running = await reminders(tmp_path)
        await running.until(RUNG_2 - timedelta(days=10))

        running = await running.again()
        await running.at(RUNG_2)
        await running.at(RUNG_2)

        assert await notices(running) == [(2, "village/head")]
        [told] = running.said(EscalationRaised)
        assert sorted([told.rung, *told.superseded]) == [0, 1, 2]
        await running.until(RUNG_3)
        assert await notices(running) == LADDER[2:5]

    async def test_a_restart_at_every_step_changes_nothing(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)
        for moment in (DUE, VERDICT, RUNG_1, RUNG_2, RUNG_3, RUNG_4, RUNG_5, RUNG_6, RUNG_7):
            running = await running.again()
            await running.until(moment)

        assert await notices(running) == LADDER
        assert len(running.said(DutyMissed)) == len(running.said(EscalationExhausted)) == 1

    async def test_lesson_4_two_replicas_and_a_relay_that_says_twice_tell_each_post_once_a_rung(
        self, tmp_path: Path
    ) -> None:
        zombie = await missed(tmp_path)
        heir = await zombie.again()

        for moment in (RUNG_1, RUNG_2, RUNG_3, RUNG_4):
            zombie.clock.moment = heir.clock.moment = moment
            await asyncio.gather(zombie.wakes(), heir.wakes())
            for replica in (zombie, heir):
                await replica.says()
                for book in replica.service.opened():
                    book.said = 0
                await replica.says()

        facts = {envelope.id: fact for envelope, fact in heir.envelopes()}
        once = Counter((f.rung, f.post) for f in facts.values() if isinstance(f, EscalationRaised))
        assert once == Counter(LADDER[:7])
        assert len(heir.said(EscalationRaised)) > len(once)
        assert await notices(heir) == await notices(zombie) == LADDER[:7]

    async def test_a_fact_said_again_changes_nothing(self, tmp_path: Path) -> None:
        running = await missed(tmp_path)
        again = list(running.others.records)
        before = await watched(running)

        await running.hears_again(again)
        await running.at(VERDICT)

        assert await watched(running) == before
        assert await notices(running) == LADDER[:1]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_page_of_no_notices_is_told_to_be_invalid(tmp_path: Path, limit: int) -> None:
    running = await reminders(tmp_path)

    answer = await running.get("/v1/notices", "operator", unit="province", limit=limit)

    assert answer.status_code == 422


class TestInvariant7:
    """Nobody reads outside his subtree and post."""

    @pytest.mark.parametrize(
        ("roles", "post", "status"),
        [
            (("post:village/handler",), "village/handler", 200),
            (("post:village/handler",), "village/head", 403),
            (("post:village/handler",), None, 403),
            (("filer",), "village/handler", 403),
            (("operator",), None, 200),
            (("operator",), "village/handler", 200),
        ],
    )
    async def test_only_the_post_itself_and_an_operator_read_its_notices(
        self, tmp_path: Path, roles: tuple[str, ...], post: str | None, status: int
    ) -> None:
        running = await missed(tmp_path)
        query = {} if post is None else {"post": post}

        answer = await running.get("/v1/notices", *roles, unit="village", **query)

        assert answer.status_code == status
        assert status != 200 or {one["post"] for one in answer.json()["items"]} == {"village/handler"}

    @pytest.mark.parametrize(
        ("unit", "is_seen"), [("other-town", False), ("village-dc", True), ("town", True)]
    )
    async def test_another_subtree_sees_neither_notices_nor_duty(
        self, tmp_path: Path, unit: str, *, is_seen: bool
    ) -> None:
        made = a_village()
        made.level("other-town", "county")
        running = await missed(tmp_path, made)

        listed = await running.get("/v1/notices", "operator", unit=unit)
        duty = await running.get(f"/v1/duties/{DUTY.duty}", "operator", unit=unit)

        assert bool(listed.json()["items"]) is is_seen
        assert duty.status_code == (200 if is_seen else 404)

    async def test_a_duty_that_nobody_opened_looks_like_one_of_another_subtree(self, tmp_path: Path) -> None:
        running = await reminders(tmp_path)

        nowhere = await running.get("/v1/duties/nowhere", unit="province")
        elsewhere = await running.get(f"/v1/duties/{DUTY.duty}", unit="nowhere")

        assert nowhere.status_code == elsewhere.status_code == 404
        assert nowhere.json()["type"] == elsewhere.json()["type"]


def garbage_on(key: str, offset: int) -> Inbound:
    return Inbound("duties", partition_of(key, PARTITIONS), offset, key.encode(), b"garbage")


async def test_an_operator_handles_the_dead_letters_of_his_own_subtree_only(tmp_path: Path) -> None:
    running = await reminders(tmp_path, a_village().level("island", "province"))
    await running.hears_again([garbage_on(f"duty:{DUTY.duty}", 98), garbage_on("duty:unheard-of", 99)])

    async def listed(unit: str) -> list[str]:
        answer = await running.get("/v1/dead-letters", "operator", unit=unit)
        return [item["stream"] for item in answer.json()["items"]]

    assert await listed("province") == sorted([DUTY.duty, "unheard-of"])
    assert await listed("town") == [DUTY.duty]
    assert await listed("island") == await listed("nowhere") == []
    assert (await running.get("/v1/dead-letters", "filer", unit="province")).status_code == 403
    for unit, stream, status in (
        ("town", DUTY.duty, 200),
        ("island", DUTY.duty, 404),
        ("town", "unheard-of", 404),
        ("nowhere", "unheard-of", 404),
        ("province", "unheard-of", 200),
    ):
        path = f"/v1/dead-letters/{stream}"
        assert (await running.get(path, "operator", unit=unit)).status_code == status, (unit, stream)
        if status == 404:
            for act in ("replay", "discard"):
                assert (await running.post(f"{path}/{act}", "operator", unit=unit)).status_code == 404
    assert await listed("province") == sorted([DUTY.duty, "unheard-of"])


async def test_an_operator_sees_what_was_put_aside_and_takes_it_out(tmp_path: Path) -> None:
    running = await reminders(tmp_path)
    garbage = garbage_on(f"duty:{DUTY.duty}", 99)
    await running.hears_again([garbage])
    path = f"/v1/dead-letters/{DUTY.duty}"

    assert (await running.get(path, "filer", unit="province")).status_code == 403
    shown = await running.get(path, "operator", unit="province")
    assert [letter["origin"] for letter in shown.json()["letters"]] == [f"duties/{garbage.partition}/99"]
    assert "garbage" not in shown.text
    again = await running.post(f"{path}/replay", "operator", unit="province")
    assert (again.status_code, again.json()["applied"]) == (200, 0)
    assert again.json()["stopped_by"] is not None
    dropped = await running.post(f"{path}/discard", "operator", unit="province")
    assert dropped.json()["result"] == "applied"
    assert (await running.get(path, "operator", unit="province")).status_code == 404
