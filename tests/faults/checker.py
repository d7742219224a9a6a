"""Judges a run from topics, ledgers and what people were told; it asks no service and believes nobody."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time

from contracts import directory, duties, escalations, inspections, reports
from contracts.envelope import Envelope, Fact
from contracts.topics import FACTS, PARTITIONS, TOPICS
from deploy.embedded.check import BUILDERS
from deploy.embedded.findings import Findings, Said, read_records
from deploy.embedded.people import Tally
from shared.commands import pages_of
from shared.ledger import Page
from shared.mongo import MongoStore, connect, disconnect
from shared.workdays import Calendar

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
WORDS = {
    "is not what its pages say": "states",
    "its score is not": "scores",
    "scored": "scores",
    ": page ": "chains",
    "early": "early",
    "twice or out of order": "ladder",
    "were skipped": "ladder",
    "was held": "ladder",
    "nobody knows": "lost",
    "sequences": "lost",
}
"""Of which kind a complaint of the embedded run's judge is, by a word of it."""
KINDS = ("lost", "doubled", "early", "false misses", "ladder", "chains", "states", "scores", "other")


@dataclass
class Verdict:
    """What is wrong, by kind, and how much was looked at."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    duties: int = 0
    facts: int = 0
    again: int = 0
    """Records that said once more what was said, as they may after a crash: the same bytes."""

    @property
    def holds(self) -> bool:
        """Tell whether nothing is wrong."""
        return not any(self.wrong.values())

    def add(self, other: "Verdict") -> None:
        """Count another run in."""
        self.duties += other.duties
        self.facts += other.facts
        self.again += other.again
        for kind, found in other.wrong.items():
            self.wrong[kind] += found

    def take(self, findings: Findings) -> None:
        """Take over what the judge of the embedded run complains of."""
        for complaint in findings.wrong:
            kind = next((kind for word, kind in WORDS.items() if word in complaint), "other")
            self.wrong[kind].append(complaint)


@dataclass
class Topics:
    """What lies on the topics of our services."""

    values: dict[tuple[str, bytes], int] = field(default_factory=Counter)
    facts: list[Said] = field(default_factory=list)

    @classmethod
    async def read(cls, address: str, verdict: Verdict) -> "Topics":
        """Read all topics; the same identity with other bytes is a fact that was doubled."""
        found = cls()
        first: dict[tuple[str, str], bytes] = {}
        async for record in read_records(address, [t.name for t in TOPICS.values() if t.producers]):
            found.values[record.topic, record.value] += 1
            envelope = Envelope.parse(record.value)
            known = first.setdefault((envelope.source, envelope.id), record.value)
            if known != record.value:
                verdict.wrong["doubled"].append(f"{envelope.id} is said in two ways")
            if found.values[record.topic, record.value] == 1:
                fact = FACTS[envelope.type].model_validate(envelope.data)
                found.facts.append(Said(envelope, fact))
        verdict.facts = len(found.values)
        verdict.again = sum(found.values.values()) - len(found.values)
        return found

    def of(self, *kinds: type[Fact]) -> list[Said]:
        """Return the facts of some kinds."""
        return [said for said in self.facts if isinstance(said.fact, kinds)]


async def check_topics(
    address: str, mongo_uri: str, owed: Iterable[str], reports_owed: int, tally: Tally
) -> Verdict:
    """Judge what was said against the ledgers, what was owed, and what people were told."""
    verdict = Verdict()
    topics = await Topics.read(address, verdict)
    await _check_ledgers(mongo_uri, topics, verdict)
    check_owed(topics, owed, reports_owed, verdict)
    check_once(topics, verdict)
    check_rungs(topics, verdict)
    check_told(topics, tally, verdict)
    return verdict


async def _check_ledgers(mongo_uri: str, topics: Topics, verdict: Verdict) -> None:
    """What was decided was said, what was said was decided, and no fact was applied twice."""
    client = connect(mongo_uri)
    decided: set[tuple[str, bytes]] = set()
    for name in BUILDERS:
        store = MongoStore(client, name)
        for book in range(PARTITIONS):
            pages = [page async for page in pages_of(store, book)]
            decided |= said_by(pages)
            verdict.wrong["doubled"] += [f"{name}: {one} was applied twice" for one in applied_twice(pages)]
    await disconnect(client)
    said = set(topics.values)
    verdict.wrong["lost"] += [f"{topic}: {value[:80]!r} was never said" for topic, value in decided - said]
    verdict.wrong["other"] += [f"{topic}: {value[:80]!r} was not decided" for topic, value in said - decided]


def said_by(pages: Iterable[Page]) -> set[tuple[str, bytes]]:
    """Return what pages have to say."""
    return {
        (event.topic, event.value)
        for page in pages
        for entry in page.entries
        for event in entry.events
        if event.topic is not None and event.reason is None
    }


def applied_twice(pages: Iterable[Page]) -> list[str]:
    """Return the facts heard that made two entries of one stream."""
    heard = Counter(
        (entry.stream, entry.source)
        for page in pages
        for entry in page.entries
        if entry.source is not None and not any(event.reason is not None for event in entry.events)
    )
    return [f"{source} on {stream}" for (stream, source), count in heard.items() if count > 1]


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


def lines(verdict: Verdict) -> Sequence[str]:
    """Return what is wrong, a line each."""
    return [f"{kind}: {complaint}" for kind, found in verdict.wrong.items() for complaint in found]
