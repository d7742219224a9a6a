"""Whatever tree, vacancies and moments, whoever takes note: the ladder is monotone and complete."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from contracts.envelope import Fact
from contracts.escalations import (
    DutyMissed,
    DutyMissWithdrawn,
    EscalationAcknowledged,
    EscalationExhausted,
    EscalationRaised,
    EscalationResolved,
    PostFoundVacant,
)
from contracts.reminders import ReminderFired
from services.reminders.domain.evolve import evolve, needs_owner, wake_at
from services.reminders.domain.foresee import foresee
from services.reminders.domain.ladder import POLICIES, rung
from services.reminders.domain.model import Acknowledge, Command, EndDuty, Status, Wake, Watch
from tests.support.reminders import (
    CALENDAR,
    DUE,
    MICROSECOND,
    OPENED_AT,
    SHANGHAI,
    WATCHES,
    Places,
    Story,
    a_duty,
    a_village,
    given,
    of,
    places,
)

POLICY = POLICIES["double-report/1"]
BEARER = "u0"
DUTY = a_duty(BEARER)
SEATS = ("held", "held", "held", "vacant", "missing")
KINDS = ("party_committee", "department", "second_level_unit", "bank_branch", "community")

LATE = DUE + timedelta(days=3)
HEARD_LATE = DUE + timedelta(days=4)


@st.composite
def trees(draw: st.DrawFn) -> Places:
    """Return one to seven levels of any kind, with or without a discipline committee, posts held or not."""
    depth = draw(st.integers(1, 7))
    made = Places()
    top_of_discipline: str | None = None
    for level in reversed(range(depth)):
        unit, parent = f"u{level}", f"u{level + 1}" if level + 1 < depth else None
        made.place(unit, parent, kind=draw(st.sampled_from(KINDS)))
        seats = [(unit, role) for role in ("handler", "leader_in_charge", "head")]
        if draw(st.integers(0, 3)):
            made.place(f"{unit}-dc", top_of_discipline, same_level=unit, kind="discipline_committee")
            top_of_discipline = f"{unit}-dc"
            seats.append((f"{unit}-dc", "discipline_head"))
        for where, role in seats:
            if (seat := draw(st.sampled_from(SEATS))) != "missing":
                made.seat(where, role, is_held=seat == "held")
    return made


# None: the timer comes at its moment; a number: it comes so many minutes after the last step, early or late.
pauses = st.one_of(st.none(), st.none(), st.integers(0, 14 * 24 * 60).map(lambda n: timedelta(minutes=n)))
deeds = st.sampled_from(("wake", "wake", "wake", "wake", "take note", "take note of nothing"))
steps = st.lists(st.tuples(pauses, deeds), min_size=5, max_size=25)


def play(made: Places, script: list[tuple[timedelta | None, str]], opened_at: datetime) -> Story:
    """Let a story run; each step is decided on the state read back from its bytes."""
    story, now = given(made, DUTY).opened(DUTY, opened_at), opened_at
    for pause, deed in script:
        now = max(now, wake_at(story.watch) or now) if pause is None else now + pause
        told = story.watch.told
        match deed:
            case "take note" if told:
                post = told[len(told) // 2][0]
                story.when(Acknowledge(post, f"p-{post}"), now)
            case "take note of nothing":
                story.when(Acknowledge("nobody/head", "nobody"), now)
                assert story.refusal is not None
            case _:
                wake(story, now)
        assert story.watch.status in Status
    return story


def wake(story: Story, now: datetime) -> None:
    """Let the timer come until nothing more is said; a moment that has come always leads to progress."""
    for _ in range(3):
        wanted = wake_at(story.watch)
        is_wanted = wanted is not None and wanted <= now
        foreseen = foresee(story.watch, tree=story.tree, workdays=CALENDAR)
        story.wakes(now)
        assert bool(story.facts) == is_wanted
        if foreseen is not None and foreseen.holds(now):
            assert foreseen.facts == story.facts
        assert wanted != now or (foreseen is not None and foreseen.holds(now))
    assert (wake_at(story.watch) or now + MICROSECOND) > now


def working_days_after_due(moment: datetime) -> int:
    """Count anew, day by day, how many working days after due a moment has begun by 09:00."""
    local = moment.astimezone(SHANGHAI)
    due_on = (DUE - MICROSECOND).astimezone(SHANGHAI).date()
    last = local.date() if local.hour >= 9 else local.date() - timedelta(days=1)
    days = range(1, (last - due_on).days + 1)
    return sum(CALENDAR.workdays.is_working(due_on + timedelta(days=n)) for n in days)


def decisions(story: Story) -> list[tuple[datetime, list[Fact]]]:
    """Return the facts of the ladder by the moment of their decision."""
    kinds = (EscalationRaised, PostFoundVacant)
    moments = sorted({moment for moment, fact in story.log if isinstance(fact, kinds)})
    return [(at, [f for moment, f in story.log if moment == at and isinstance(f, kinds)]) for at in moments]


def check_no_rung_is_early_or_skipped(story: Story) -> None:
    last = -1
    for now, facts in decisions(story):
        raised, vacant = of(EscalationRaised, facts), of(PostFoundVacant, facts)
        spoken = {fact.rung for fact in raised}
        silent = {k for fact in raised for k in fact.superseded}
        empty = {fact.rung for fact in vacant} - spoken
        assert len(spoken) <= 1, "two rungs spoke in one breath"
        assert not silent & (spoken | empty), "a silent rung spoke"
        handled = spoken | silent | empty
        assert handled == set(range(last + 1, max(handled) + 1)), "a rung was skipped without a word"
        assert min(handled) == last + 1, "a rung fired again"
        for k in spoken:
            reason = k
            while reason - 1 in empty:
                reason -= 1
            assert now > DUE
            assert working_days_after_due(now) >= rung(POLICY, reason).after, "a rung was early"
            assert all(fact.planned_at <= now for fact in facts if isinstance(fact, EscalationRaised))
        last = max(handled)
    assert last == story.watch.rung


def check_nobody_is_told_twice_or_while_held(story: Story) -> None:
    told = [(fact.rung, fact.post) for fact in of(EscalationRaised, story.said)]
    assert len(told) == len(set(told))
    for n, (_, held) in enumerate(story.log):
        if isinstance(held, EscalationAcknowledged):
            later = [
                at for at, fact in story.log[n:] if isinstance(fact, EscalationRaised | EscalationExhausted)
            ]
            assert all(at >= held.held_until for at in later), "somebody was told while the climb was held"
    rungs = [fact.rung for fact in of(EscalationAcknowledged, story.said)]
    assert len(rungs) == len(set(rungs)), "a rung held twice"


def check_the_verdict_comes_once_and_first(story: Story) -> None:
    missed = [n for n, (_, fact) in enumerate(story.log) if isinstance(fact, DutyMissed)]
    ladder = [
        n for n, (_, fact) in enumerate(story.log) if isinstance(fact, EscalationRaised | PostFoundVacant)
    ]
    assert len(missed) <= 1
    assert not ladder or missed[0] < ladder[0]
    assert all(at > DUE for at, fact in story.log if isinstance(fact, DutyMissed))
    assert len(of(EscalationExhausted, story.said)) <= 1
    fired = [fact.days_before for fact in of(ReminderFired, story.said)]
    assert all(earlier > later for earlier, later in pairwise(fired))


@for_any(trees(), steps, st.integers(0, 50))
@settings(max_examples=150, deadline=None)
def test_no_rung_is_early_skipped_without_a_reason_or_told_twice(
    made: Places, script: list[tuple[timedelta | None, str]], days: int
) -> None:
    story = play(made, script, OPENED_AT + timedelta(days=days))
    check_no_rung_is_early_or_skipped(story)
    check_nobody_is_told_twice_or_while_held(story)
    check_the_verdict_comes_once_and_first(story)


@for_any(trees(), steps)
@settings(max_examples=50, deadline=None)
def test_the_state_is_the_fold_of_its_facts(made: Places, script: list[tuple[timedelta | None, str]]) -> None:
    story = play(made, script, OPENED_AT)
    watch = Watch(DUTY.duty)
    for _, fact in story.log:
        watch = evolve(watch, fact)
        assert watch.status in Status
        assert WATCHES.validate_json(WATCHES.dump_json(watch)) == watch
    assert watch == story.watch


@for_any(trees())
@settings(max_examples=100, deadline=None)
def test_left_alone_a_missed_duty_reaches_everybody_on_both_lines_and_then_the_top(made: Places) -> None:
    story = given(made, DUTY).opened(DUTY)
    for _ in range(30):
        if (moment := wake_at(story.watch)) is None:
            break
        story.wakes(moment)
    assert story.watch.status is Status.EXHAUSTED
    assert {fact.post for fact in of(EscalationRaised, story.said)} == everybody(made)
    vacant_rungs = {f.rung for f in of(PostFoundVacant, story.said)} | {
        f.rung for f in of(EscalationRaised, story.said)
    }
    assert vacant_rungs == set(range(story.watch.rung + 1))


def everybody(made: Places) -> set[str]:
    """Return, by walking the two lines, every held post that a duty of the bearer may reach."""
    units, posts = made.tree.units, {f"{BEARER}/{role}" for role in ("handler", "leader_in_charge", "head")}
    unit = units[BEARER].parent
    while unit is not None:
        posts.add(f"{unit}/head")
        unit = units[unit].parent
    own = f"{BEARER}-dc"
    unit = units[own].parent if own in units else None
    while unit is not None:
        posts.add(f"{unit}/discipline_head")
        unit = units[unit].parent
    return {
        post for post in posts if post in made.tree.posts and made.tree.posts[post].holder(DUE) is not None
    }


commands: list[Command] = [
    EndDuty(LATE),
    EndDuty(LATE),
    Wake(),
    Wake(),
    Acknowledge("village/handler", "p-village/handler"),
    Acknowledge("village/handler", "p-village/handler"),
]


@for_any(st.permutations(commands))
@settings(max_examples=100, deadline=None)
def test_any_order_of_duplicates_resolves_a_late_duty_once(order: list[Command]) -> None:
    story = given(a_village()).opened(a_duty())
    for command in order:
        story.when(command, HEARD_LATE)
    assert story.watch.status is Status.RESOLVED
    assert len(of(DutyMissed, story.said)) == len(of(EscalationResolved, story.said)) == 1


@for_any(st.permutations([*commands[2:], EndDuty(DUE), EndDuty(DUE)]))
@settings(max_examples=100, deadline=None)
def test_in_any_order_a_miss_of_a_duty_done_in_time_is_withdrawn_as_often_as_it_was_said(
    order: list[Command],
) -> None:
    """Said or not depends on the gate alone; either way nothing of it is left."""
    story = given(a_village()).opened(a_duty()).wakes_until(DUE)
    for command in order:
        story.when(command, HEARD_LATE)
    said = len(of(DutyMissed, story.said))
    assert len(of(DutyMissWithdrawn, story.said)) == said <= 1
    assert story.watch.status is (Status.WITHDRAWN if said else Status.FULFILLED)


@for_any(st.lists(st.tuples(st.sampled_from(commands), st.integers(1, 3)), max_size=8))
@settings(max_examples=100, deadline=None)
def test_saying_a_thing_again_changes_nothing(script: list[tuple[Command, int]]) -> None:
    once, often = (given(a_village()).opened(a_duty()) for _ in range(2))
    for n, (command, times) in enumerate(script):
        now = DUE + timedelta(days=n)
        while needs_owner(once.watch) is False and (wake_at(once.watch) or now) < now:
            once.wakes(now)
            often.wakes(now)
        once.when(command, now)
        for _ in range(times):
            often.when(command, now)
    assert often.watch == once.watch
    assert often.said == once.said


def test_seven_levels_need_no_more_than_one_wake_for_each_thing_said() -> None:
    story = given(places(*[f"u{level}" for level in reversed(range(7))]), DUTY).opened(DUTY)
    wakes = 0
    while (moment := wake_at(story.watch)) is not None:
        story.wakes(moment)
        wakes += 1
    assert wakes == len((20, 10, 5, 3)) + len(range(9)) + len(["exhausted"])
