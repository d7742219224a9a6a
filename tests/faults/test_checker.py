"""The checker complains of each thing that it looks for; one that never does would be a comment."""

from datetime import UTC, datetime, timedelta

from contracts.duties import DutyFulfilled, DutyOpened
from contracts.envelope import Envelope, Fact, encode
from contracts.escalations import DutyMissed, EscalationRaised, PostFoundVacant
from deploy.embedded.findings import Findings, Said
from deploy.embedded.judge_duties import judge
from deploy.embedded.people import Tally
from shared.ledger import GENESIS, Entry, seal
from tests.faults.checker import check_once, check_owed, check_rungs, check_told
from tests.faults.topics import Topics, applied_twice
from tests.faults.verdict import Verdict
from tests.support.reminders import DUE, a_duty

LATER = DUE + timedelta(microseconds=1)
OPENED = a_duty()
MISSED = DutyMissed(**OPENED.model_dump(exclude={"title", "continues", "received_at", "policy"}))
DAY_3 = datetime(2026, 2, 4, 1, tzinfo=UTC)
"""Nine in the morning of the third working day after a Saturday's midnight."""


def said(*facts: Fact, at: datetime = LATER) -> Topics:
    """Return topics on which each fact was said once."""
    found = Topics()
    for n, fact in enumerate(facts, 1):
        value = encode(fact, source="/s", sequence=n, time=at, correlation="story", cause="cause")
        found.facts.append(Said(Envelope.parse(value), fact))
    return found


def a_rung(rung: int) -> EscalationRaised:
    """Return a rung that speaks to the handler."""
    return EscalationRaised(
        duty=OPENED.duty,
        unit="village",
        line=OPENED.line,
        rung=rung,
        level=0,
        role="head",
        post="village/head",
        person="somebody",
        due_at=OPENED.due_at,
        planned_at=DAY_3,
    )


def test_a_fact_that_can_become_true_once_is_doubled_if_it_is_said_as_two() -> None:
    once, twice = Verdict(), Verdict()

    check_once(said(OPENED, MISSED), once)
    check_once(said(OPENED, MISSED, MISSED), twice)

    assert once.holds
    assert twice.wrong["doubled"] == [f"{MISSED.subject}: DutyMissed 2 times"]


def test_a_rung_is_early_one_microsecond_before_its_working_day() -> None:
    early, in_time = Verdict(), Verdict()
    rung = a_rung(2)
    for verdict, at in ((early, DAY_3 - timedelta(microseconds=1)), (in_time, DAY_3)):
        topics = Topics(facts=[Said(Envelope.parse(encode_at(at)), rung)])
        check_rungs(topics, verdict)

    assert in_time.holds
    assert len(early.wrong["early"]) == 1


def test_a_rung_speaks_at_once_for_one_whose_only_post_is_vacant() -> None:
    vacant = PostFoundVacant(
        duty=OPENED.duty,
        unit="village",
        rung=2,
        level=0,
        role="head",
        vacant_unit="village",
        post="village/head",
        planned_at=DAY_3,
    )
    instead, beside = Verdict(), Verdict()
    third = Said(Envelope.parse(encode_at(DAY_3)), a_rung(3))
    second = Said(third.envelope, a_rung(2))

    check_rungs(Topics(facts=[Said(third.envelope, vacant), third]), instead)
    check_rungs(Topics(facts=[Said(third.envelope, vacant), second, third]), beside)

    assert instead.holds
    assert len(beside.wrong["early"]) == 1


def encode_at(at: datetime) -> bytes:
    """Return an envelope of a moment."""
    return encode(OPENED, source="/s", sequence=1, time=at, correlation="story", cause="cause")


def test_a_miss_is_false_if_people_were_told_that_it_was_done_in_time() -> None:
    tally = Tally(lessons={OPENED.duty: DUE})
    false, late = Verdict(), Verdict()

    check_told(said(OPENED, MISSED), tally, false)
    check_told(said(OPENED, MISSED), Tally(lessons={OPENED.duty: LATER}), late)

    assert len(false.wrong["false misses"]) == 1
    assert late.holds


def test_what_was_brought_and_not_opened_is_lost_and_so_is_what_people_were_told() -> None:
    verdict = Verdict()

    check_owed(said(OPENED), ["party-school.lesson"], 1, verdict)
    check_told(said(OPENED), Tally(acknowledged=1), verdict)

    assert verdict.duties == 1
    assert len(verdict.wrong["lost"]) == 2


def test_what_was_heard_once_may_make_one_entry_of_a_stream() -> None:
    entries = [Entry("x", n, "c", "c", ("/a#x", 1), (), b"", b"") for n in (1, 2)]

    assert applied_twice([seal(0, 1, entries[:1], "me", 0, GENESIS)]) == []
    assert len(applied_twice([seal(0, 1, entries, "me", 0, GENESIS)])) == 1


def test_every_complaint_of_the_embedded_runs_judge_counts() -> None:
    verdict = Verdict()

    verdict.take(Findings(wrong=["x: rung 2 to y twice or out of order", "something that nobody foresaw"]))

    assert (len(verdict.wrong["ladder"]), len(verdict.wrong["other"])) == (1, 1)
    assert not verdict.holds


def test_another_order_is_a_complaint_unless_the_broker_has_lost_its_records() -> None:
    findings, whole, lost = Findings(), Verdict(), Verdict()
    done = DutyFulfilled(duty=OPENED.duty, unit="village", fulfilled_at=DUE)
    opened, fulfilled = said(OPENED, done, at=DUE).facts

    judge({OPENED.subject: [fulfilled, opened]}, findings)
    whole.take(findings)
    lost.take(findings, is_broker_lost=True)

    assert [len(whole.wrong["other"]), whole.strays] == [1, 0]
    assert (lost.holds, lost.strays) == (True, 1)


def test_what_is_fulfilled_twice_is_doubled() -> None:
    done, verdict = DutyFulfilled(duty=OPENED.duty, unit="village", fulfilled_at=DUE), Verdict()

    check_once(said(OPENED, done, done), verdict)

    assert len(verdict.wrong["doubled"]) == 1


def test_two_duties_are_not_one_said_twice() -> None:
    verdict = Verdict()

    check_once(said(OPENED, DutyOpened(**{**OPENED.model_dump(), "duty": "another"})), verdict)

    assert verdict.holds
