"""Judges a run from topics, ledgers and what people were told; it asks no service and believes nobody."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import time

from contracts import directory, duties, escalations, inspections, reports
from contracts.envelope import Fact
from deploy.embedded.people import Tally
from shared.workdays import Calendar
from tests.faults.topics import Topics, check_ledgers
from tests.faults.verdict import Verdict

ONCE = (
    directory.UnitPlaced,
    duties.DutyOpened,
    duties.DutyFulfilled,
    duties.DutyWaived,
    escalations.DutyMissed,
    escalations.DutyMissWithdrawn,
    escalations.EscalationExhausted,
    escalations.EscalationResolved,
    escalations.EscalationWithdrawn,
    reports.ReportFiled,
    inspections.InspectionProposed,
    inspections.InspectionOpened,
    inspections.InspectionClosed,
)
"""What can become true only once of what it speaks of."""
DAYS = (0, 1, 3, 5, 10, 15, 20, 25, 30, 35)
"""Working days after due before which no rung of this number may speak: written down a second time."""
COUNTED: dict[str, type[Fact]] = {
    "confirmed": inspections.InspectionOpened,
    "found": inspections.FindingRaised,
    "returned": inspections.RectificationReturned,
    "verified": inspections.RectificationVerified,
    "closed": inspections.InspectionClosed,
}
"""What people were told of inspections, and the fact behind it."""


async def check_topics(
    address: str, mongo_uri: str, owed: Iterable[str], reports_owed: int, tally: Tally
) -> Verdict:
    """Judge what was said against the ledgers, what was owed, and what people were told."""
    verdict = Verdict()
    topics = await Topics.read(address, verdict)
    await check_ledgers(mongo_uri, topics, verdict)
    check_owed(topics, owed, reports_owed, verdict)
    check_once(topics, verdict)
    check_rungs(topics, verdict)
    check_told(topics, tally, verdict)
    return verdict


def check_owed(topics: Topics, owed: Iterable[str], reports_owed: int, verdict: Verdict) -> None:
    """Every duty that the story brings is open, and as many reports' as the tree asks for."""
    opened = _opened(topics)
    verdict.duties = len(opened)
    verdict.wrong["lost"] += [f"{duty} was brought and never opened" for duty in set(owed) - set(opened)]
    of_reports = sum(fact.kind == "double-report" for fact in opened.values())
    if of_reports != reports_owed:
        verdict.wrong["lost"].append(f"{of_reports} duties of reports were opened, not {reports_owed}")


def check_once(topics: Topics, verdict: Verdict) -> None:
    """What can become true once became true once."""
    heard = Counter((type(said.fact), _about(said.fact)) for said in topics.of(*ONCE))
    for (kind, about), count in heard.items():
        if count > 1:
            verdict.wrong["doubled"].append(f"{about}: {kind.__name__} {count} times")


def _about(fact: Fact) -> str:
    """Return what a fact speaks of."""
    if isinstance(fact, inspections.InspectionProposed | inspections.InspectionOpened):
        return fact.inspection
    return fact.inspection if isinstance(fact, inspections.InspectionClosed) else fact.subject


def check_rungs(topics: Topics, verdict: Verdict) -> None:
    """No rung speaks before its working days have passed, or those of the vacant ones that it speaks for."""
    calendar = Calendar()
    spoken, vacant = _rungs(topics, escalations.EscalationRaised), _rungs(topics, escalations.PostFoundVacant)
    for said in topics.of(escalations.EscalationRaised):
        fact = said.fact
        if isinstance(fact, escalations.EscalationRaised):
            rung = fact.rung
            while (fact.duty, rung - 1) in vacant - spoken:
                rung -= 1
            days = DAYS[rung]
            at = calendar.after(fact.due_at, days, time(9), "Asia/Shanghai") if days else fact.due_at
            if said.envelope.time < at:
                verdict.wrong["early"].append(f"{fact.duty}: rung {fact.rung} at {said.envelope.time}")


def _rungs(topics: Topics, kind: type[Fact]) -> set[tuple[str, int]]:
    facts = [said.fact for said in topics.of(kind)]
    ours = escalations.EscalationRaised | escalations.PostFoundVacant
    return {(fact.duty, fact.rung) for fact in facts if isinstance(fact, ours)}


def check_told(topics: Topics, tally: Tally, verdict: Verdict) -> None:
    """Nobody who was told that he was in time is missed for it, and what people were told is kept."""
    due = {duty: fact.due_at for duty, fact in _opened(topics).items()}
    missed = _duties(topics, escalations.DutyMissed)
    withdrawn = _duties(topics, escalations.DutyMissWithdrawn)
    told = [(f"{report}@{to}", at) for report, filed in tally.filings.items() for to, at in filed]
    for duty, at in [*told, *tally.lessons.items()]:
        if duty in due and at <= due[duty] and missed[duty] != withdrawn[duty]:
            verdict.wrong["false misses"].append(f"{duty}: done at {at.isoformat()}, in time")
    kept = {word: len(topics.of(fact)) for word, fact in COUNTED.items()}
    _at_least(kept, tally.inspections, verdict)
    noted = {"acknowledged": len(topics.of(escalations.EscalationAcknowledged))}
    _at_least(noted, {"acknowledged": tally.acknowledged}, verdict)


def _opened(topics: Topics) -> dict[str, duties.DutyOpened]:
    return {said.fact.duty: said.fact for said in topics.facts if isinstance(said.fact, duties.DutyOpened)}


def _duties(topics: Topics, kind: type[Fact]) -> Counter[str]:
    return Counter(said.fact.subject.partition(":")[2] for said in topics.of(kind))


def _at_least(kept: Mapping[str, int], told: Mapping[str, int], verdict: Verdict) -> None:
    for word, count in kept.items():
        if told.get(word, 0) > count:
            verdict.wrong["lost"].append(f"{word}: told {told[word]} times, kept {count} times")
