"""A service that hears, restored from a backup of any moment: it goes on as if nothing had happened."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from contracts.duties import DutyWaived
from contracts.envelope import Envelope, Fact, encode
from contracts.escalations import DutyMissWithdrawn, EscalationResolved
from contracts.inspections import InspectionProposed, ProposalExtended
from contracts.scores import HeatUnflagged
from services.inspection.app import build as build_inspection
from services.inspection.domain.model import MissNoted, NoteMiss
from services.inspection.entrypoints.origin import ORIGIN
from services.reminders.app import build as build_reminders
from services.scoring.app import SHAPE
from services.scoring.app import build as build_scoring
from services.scoring.domain.decide import decide as decide_score
from services.scoring.entrypoints.origin import ORIGIN as HEAT_ORIGIN
from shared.decider import Decider, Request
from shared.ledger import Entry, is_whole
from shared.retelling import Fetched, HeardAgain, MisfitError, Retelling
from shared.state import Inbound
from tests.component import test_inspection as inspecting
from tests.component import test_reminders as reminding
from tests.component import test_scoring as judging
from tests.support.backup import adopt, backup, problems, stop, values
from tests.support.inspections import DECIDER, FIRST, LATER, NOW, UNIT, a_miss
from tests.support.reminders import OPENED_AT, a_village, at
from tests.support.running import Running
from tests.support.scoring import CITIES, COUNTIES, DAY, a_month, a_province, hot_above

Step = Callable[[Running], Awaitable[Any]]
Story = tuple[Callable[[Path], Running], Sequence[Step]]
BEGIN, PROPOSAL = "inspections/village.special.1", f"findings/{inspecting.FINDING}"


def hears(*facts: Fact) -> Step:
    return lambda running: running.hears(*facts)


def until(moment: datetime) -> Step:
    return lambda running: running.until(moment)


def takes_note(post: str) -> Step:
    return lambda running: reminding.takes_note(running, post)


def does(path: str, *roles: str, **body: Any) -> Step:
    return lambda running: inspecting.does(running, path, *roles, **body)


def watching(folder: Path) -> Running:
    return Running("reminders", build_reminders, folder, OPENED_AT)


def noting(folder: Path) -> Running:
    return Running("inspection", build_inspection, folder, inspecting.NOW)


def scoring(folder: Path) -> Running:
    return Running("scoring", build_scoring, folder, judging.START)


DUTY, OTHER = reminding.DUTY, reminding.DUTY.model_copy(update={"duty": "another"})
IN_TIME = reminding.fulfilled(DUTY.due_at - timedelta(days=1))
LATE = reminding.fulfilled(reminding.RUNG_3)
STORIES: dict[str, Story] = {
    "climbs, is taken note of, and ends late": (
        watching,
        [
            hears(DUTY, OTHER),
            until(at("2026-01-20 10:00")),
            until(reminding.VERDICT),
            until(reminding.RUNG_1 + timedelta(days=1)),
            takes_note("village/leader_in_charge"),
            until(reminding.RUNG_3 + timedelta(days=3)),
            takes_note("town/head"),
            hears(LATE),
            until(reminding.RUNG_5),
        ],
    ),
    "had been done in time": (
        watching,
        [hears(DUTY), until(reminding.RUNG_2), hears(IN_TIME), until(reminding.RUNG_4)],
    ),
    "is done before it is called missed": (
        watching,
        [hears(DUTY), until(at("2026-01-20 10:00")), hears(IN_TIME), hears(OTHER), until(reminding.RUNG_2)],
    ),
    "is heard to end before it is heard to begin": (
        watching,
        [hears(LATE), until(reminding.RUNG_3), hears(DUTY), until(reminding.RUNG_4)],
    ),
    "is waived while it climbs": (
        watching,
        [
            hears(DUTY),
            until(reminding.RUNG_1),
            hears(DutyWaived(duty=DUTY.duty, unit="village", waived_at=reminding.RUNG_1)),
            until(reminding.RUNG_3),
        ],
    ),
    "climbs to the top": (watching, [hears(DUTY), until(reminding.RUNG_4), until(at("2026-06-01 10:00"))]),
    "three misses are found, returned, verified": (
        noting,
        [
            hears(inspecting.ONE, inspecting.TWO),
            hears(inspecting.THREE),
            hears(inspecting.FOUR),
            does(f"{BEGIN}/opening"),
            does(f"{BEGIN}/findings", line="main", text=inspecting.TEXT),
            does(f"{PROPOSAL}/rectifications", "filer", by="village", text="done"),
            does(f"{PROPOSAL}/return", reason="not yet", due_at=inspecting.IN_A_MONTH.isoformat()),
            does(f"{PROPOSAL}/rectifications", "filer", by="village", text="done now"),
            does(f"{PROPOSAL}/closing", outcome="verified", reason="seen"),
            does(f"{BEGIN}/closing"),
        ],
    ),
    "a miss that carried a proposal is withdrawn": (
        noting,
        [
            hears(inspecting.ONE, inspecting.TWO),
            hears(inspecting.THREE),
            hears(
                DutyMissWithdrawn(
                    duty=inspecting.TWO.duty,
                    unit="village",
                    fulfilled_at=inspecting.DUE,
                    due_at=inspecting.TWO.due_at,
                )
            ),
            hears(inspecting.FOUR),
        ],
    ),
    "heat is flagged and closes": (
        scoring,
        [
            hears(*hot_above("2026-01", "2026-02")),
            until(judging.JANUARY + DAY),
            until(judging.FEBRUARY + DAY),
            hears(*(fact for unit in (*CITIES, *COUNTIES[:2]) for fact in a_month(unit, "2026-03", 20, 20))),
            until(judging.MARCH + DAY),
            until(judging.MARCH + 40 * DAY),
        ],
    ),
}


async def begin(story: str, folder: Path) -> tuple[Running, Sequence[Step]]:
    """Return a service that has read the directory, and what happens to it."""
    make, steps = STORIES[story]
    running = await make(folder).start()
    await running.hears(*(a_province() if make is scoring else a_village().facts))
    return running, steps


async def play(running: Running, steps: Sequence[Step]) -> None:
    for step in steps:
        answer = await step(running)
        assert getattr(answer, "is_success", True), answer.text
        await settles(running)


async def settles(running: Running) -> None:
    """Let it decide what it may at this moment, and say everything."""
    if running.timer is not None:
        await running.wakes()
    await running.says()


async def hears_all_again(running: Running) -> None:
    """Let it hear again whatever others have said: nothing of it is news."""
    heard = [one for one in running.others.records if one.topic in running.plan.hears and one.key is not None]
    running.service._results.clear()
    await running.hears_again(heard)
    assert running.service._results.keys() <= {"duplicate"}


def told(running: Running) -> dict[str, Any]:
    """Return by its identity what each fact says."""
    return {envelope.id: envelope.data for envelope, _ in running.envelopes()}


@pytest.mark.parametrize("story", STORIES)
async def test_lesson_15_a_backup_of_any_moment_goes_on_as_if_nothing_had_happened(
    story: str, tmp_path: Path
) -> None:
    undisturbed, steps = await begin(story, tmp_path)
    await play(undisturbed, steps)
    behind = 0

    end = len(steps)
    for saved, lost in combinations(range(end + 1), 2):
        if saved > 0 and lost not in {saved + 1, end}:
            continue
        running, _ = await begin(story, tmp_path)
        await play(running, steps[:saved])
        kept = await backup(running)
        await play(running, steps[saved:lost])
        await stop(running)
        said = values(running)

        restored = await kept.restore(running)
        behind += bool(restored.service.shelf.behind)
        await adopt(restored)
        restored = await restored.again()
        assert restored.service.shelf.behind == {}
        await settles(restored)
        assert values(restored) == said
        await hears_all_again(restored)
        await play(restored, steps[lost:])

        assert told(restored) == told(undisturbed), (saved, lost)
        assert all(len(bytes_) == 1 for bytes_ in values(restored).values())
        await stop(restored)
        assert await problems(restored) == ([], [])
    assert behind


async def test_a_watch_begins_with_its_duty_though_the_clock_of_its_owner_is_ahead(tmp_path: Path) -> None:
    found = []
    for is_restored in (False, True):
        running = await watching(tmp_path).start()
        await running.hears(*a_village().facts)
        kept = await backup(running)
        await running.hears_again(running.others.say([DUTY], reminding.RUNG_2))
        await running.until(reminding.RUNG_1)
        if is_restored:
            await stop(running)
            running = await kept.restore(running)
            await adopt(running)
            running = await running.again()
        await running.until(reminding.RUNG_3)
        await stop(running)
        assert await problems(running) == ([], [])
        found.append(told(running))

    assert found[0] == found[1]


async def test_what_was_not_heard_before_the_loss_is_heard_behind_what_was_said(tmp_path: Path) -> None:
    running = await watching(tmp_path).start()
    await running.hears(*a_village().facts)
    await running.hears(DUTY)
    kept = await backup(running)
    await running.until(reminding.RUNG_1)
    running.others.say([LATE], reminding.RUNG_1)
    running.clock.moment = reminding.RUNG_1 + timedelta(hours=1)
    await reminding.takes_note(running, "village/leader_in_charge")
    await stop(running)
    said = values(running)
    assert not running.said(EscalationResolved)

    restored = await kept.restore(running)
    assert sum(result.heard for result in await adopt(restored)) == 1
    restored = await restored.again()
    await settles(restored)

    assert [one.rung for one in restored.said(EscalationResolved)] == [1]
    assert values(restored).items() > said.items()
    await stop(restored)
    assert await problems(restored) == ([], [])


class TestARuleThatHasChangedSince:
    """The release before asked for four misses, and said so to the fourth."""

    def told(self, heard: int) -> list[tuple[Entry, list[str]]]:
        """Return the entries of a dossier that heard so many misses, and what they hold."""
        retelling = Retelling(DECIDER, ORIGIN, "/zeren/inspection", ("inspections", "duties"), "ops", LATER)
        fact = InspectionProposed(
            inspection=FIRST, unit=UNIT, kind="special", rule="missed-four/1", evidence=()
        )
        cause = miss(3).request.cause
        value = encode(fact, source="/zeren/inspection", sequence=1, time=NOW, correlation=UNIT, cause=cause)
        said = Fetched("inspections", Envelope.parse(value), value)
        record = DECIDER.shape.new(UNIT)
        rows = retelling.tell(record, [said], [miss(n) for n in range(heard)], 2)
        return [(entry, [event.type for event in entry.events]) for _, entry in rows]

    def test_what_said_nothing_then_says_nothing_now(self) -> None:
        entries = self.told(4)

        noted = [MissNoted.type]
        assert [types for _, types in entries] == [noted, noted, noted, [*noted, InspectionProposed.type]]
        assert all(is_whole(entry) for entry, _ in entries)
        assert entries[-1][0].events[-1].value.find(b"missed-four") > 0

    def test_what_was_never_answered_is_answered_by_the_rule_of_today(self) -> None:
        *_, (_, last) = self.told(5)

        assert last == [MissNoted.type, ProposalExtended.type]


def test_a_fact_that_does_not_fit_is_named() -> None:
    decider = Decider(decide_score, SHAPE)
    retelling = Retelling(decider, HEAT_ORIGIN, "/zeren/scoring", ("scores",), "ops", LATER)
    fact = HeatUnflagged(unit=UNIT, kind="vertical", window="2026-01")
    value = encode(fact, source="/zeren/scoring", sequence=1, time=NOW, correlation=UNIT, cause="time:heat")
    said = Fetched("scores", Envelope.parse(value), value)

    with pytest.raises(MisfitError) as found:
        list(retelling.tell(decider.shape.new("a duty"), [said], [], 2))

    assert found.value.fact == f"score:{UNIT}/1"


def miss(n: int) -> HeardAgain:
    """Return the n-th miss of a unit, all on one partition and a minute apart."""
    evidence = a_miss(n)
    record = Inbound("escalations", 0, n, evidence.fact.encode(), b"")
    at = NOW - timedelta(minutes=4 - n)
    source = (f"/zeren/reminders#escalation:{evidence.duty}", 1)
    return HeardAgain(
        at, Request(UNIT, NoteMiss(evidence), evidence.fact, UNIT, source, record, is_ours=True)
    )
