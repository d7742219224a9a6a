"""An independent judge of what happened: it reads only the topics and the ledgers, and believes nobody."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import duties, escalations, reminders, reports
from contracts.envelope import Envelope, Fact
from contracts.topics import FACTS, PARTITIONS
from services.directory.app import build as build_directory
from services.reminders.app import build as build_reminders
from services.reporting.app import build as build_reporting
from shared.clock import EPOCH
from shared.commands import read_heads, rebuild_states, verify_books
from shared.mongo import disconnect
from shared.service import Service
from shared.settings import Settings

BUILDERS = {"directory": build_directory, "reporting": build_reporting, "reminders": build_reminders}


@dataclass(slots=True)
class Said:
    """A fact as a topic carries it, each identity once, in the order of its first appearance."""

    envelope: Envelope
    fact: Fact


@dataclass(slots=True)
class Findings:
    """What the judge counted, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    lateness: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    pages: int = 0
    states: int = 0
    facts: int = 0

    def percentile(self, share: float) -> float:
        """Return a percentile of the lateness in seconds, 0 if nothing was late."""
        ordered = sorted(self.lateness)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def read_topics(address: str, topics: Iterable[str]) -> dict[str, list[Said]]:
    """Return every fact of *topics* by subject; check that each stream's sequence has no gap."""
    streams: dict[str, list[Said]] = defaultdict(list)
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, fetch_max_wait_ms=100)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        seen: set[str] = set()
        ends: dict[TopicPartition, int] = {}
        while len(ends) < len(partitions) or [
            tp for tp, end in ends.items() if await consumer.position(tp) < end
        ]:
            for tp, batch in (await consumer.getmany(timeout_ms=1000)).items():
                ends.setdefault(tp, consumer.highwater(tp))
                for record in batch:
                    if record.key is None:
                        continue
                    envelope = Envelope.parse(record.value)
                    if envelope.id not in seen and envelope.type in FACTS:
                        seen.add(envelope.id)
                        fact = FACTS[envelope.type].model_validate(envelope.data)
                        streams[envelope.subject].append(Said(envelope, fact))
    finally:
        await consumer.stop()
    return streams


def judge(streams: Mapping[str, Sequence[Said]], findings: Findings) -> None:
    """Compare what was said about each duty with what should have been said (invariants 1 and 2)."""
    for subject, said in streams.items():
        findings.facts += len(said)
        numbers = [one.envelope.sequence for one in said]
        if numbers != list(range(1, len(numbers) + 1)):
            findings.wrong.append(f"{subject}: sequences {numbers[:8]}")
        for one in said:
            findings.counts[type(one.fact).__name__] += 1
    until = max((said[-1].envelope.time for said in streams.values()), default=EPOCH)
    for subject, said in streams.items():
        if subject.startswith("duty:"):
            duty = subject.removeprefix("duty:")
            climb = streams.get(f"escalation:{duty}", ())
            _judge_duty(duty, said, climb, until, findings)
            _judge_reminders(streams.get(f"reminder:{duty}", ()), said, findings)


def _judge_duty(
    duty: str, said: Sequence[Said], climb: Sequence[Said], until: datetime, findings: Findings
) -> None:
    opened = next((s.fact for s in said if isinstance(s.fact, duties.DutyOpened)), None)
    if opened is None:
        if climb or not all(isinstance(s.fact, duties.DutyRefused) for s in said):
            findings.wrong.append(f"{duty}: fulfilled or missed but never opened")
        return
    if opened.due_at >= until and not climb:
        return
    ended = next((s for s in said if isinstance(s.fact, duties.DutyFulfilled)), None)
    fulfilled_at = ended.fact.fulfilled_at if ended and isinstance(ended.fact, duties.DutyFulfilled) else None
    in_time = fulfilled_at is not None and fulfilled_at <= opened.due_at
    names = Counter(type(s.fact).__name__ for s in climb)
    missed, withdrawn = names["DutyMissed"], names["DutyMissWithdrawn"]
    known_in_time = in_time and ended is not None and ended.envelope.time <= opened.due_at
    if known_in_time and climb:
        findings.wrong.append(f"{duty}: done in time, and yet {dict(names)}")
    if in_time and not known_in_time and missed != withdrawn:
        findings.wrong.append(f"{duty}: missed {missed} times, withdrawn {withdrawn} times")
    if not in_time and (missed, withdrawn) != (1, 0):
        findings.wrong.append(
            f"{duty}: missed {missed} times, withdrawn {withdrawn} times, fulfilled {fulfilled_at}"
        )
    if missed:
        _judge_climb(duty, opened, ended, climb, findings)


def _judge_climb(
    duty: str, opened: duties.DutyOpened, ended: Said | None, climb: Sequence[Said], findings: Findings
) -> None:
    told: set[tuple[int, str]] = set()
    rungs: dict[int, str] = {}
    last, held_until = -1, None
    for one in climb:
        fact, at = one.fact, one.envelope.time
        if isinstance(fact, escalations.EscalationAcknowledged):
            held_until = fact.held_until
        elif isinstance(fact, escalations.DutyMissed):
            _late(findings, opened.due_at, at, f"{duty}: called missed")
        elif isinstance(fact, escalations.EscalationRaised | escalations.PostFoundVacant):
            who = (
                fact.post or f"{fact.vacant_unit}:{fact.role}"
                if isinstance(fact, escalations.PostFoundVacant)
                else fact.post
            )
            if (fact.rung, who) in told or fact.rung < last:
                findings.wrong.append(f"{duty}: rung {fact.rung} to {who} twice or out of order")
            told.add((fact.rung, who))
            if held_until is not None and fact.rung > last and fact.planned_at < held_until:
                findings.wrong.append(f"{duty}: rung {fact.rung} while the climb was held")
            last = fact.rung
            rungs[fact.rung] = "raised"
            if isinstance(fact, escalations.EscalationRaised):
                findings.levels[fact.level] += 1
                rungs |= dict.fromkeys(fact.superseded, "superseded")
                _late(findings, fact.planned_at, at, f"{duty}: rung {fact.rung}")
            if ended is not None and ended.envelope.time < fact.planned_at:
                findings.wrong.append(f"{duty}: rung {fact.rung} although it was done before its moment")
    gaps = [k for k in range(last + 1) if k not in rungs]
    if gaps:
        findings.wrong.append(f"{duty}: rungs {gaps} were skipped without a word")


def _judge_reminders(said: Sequence[Said], duty: Sequence[Said], findings: Findings) -> None:
    fired = [s for s in said if isinstance(s.fact, reminders.ReminderFired)]
    ended = next((s.envelope.time for s in duty if isinstance(s.fact, duties.DutyFulfilled)), None)
    days = []
    for one in fired:
        if isinstance(one.fact, reminders.ReminderFired):
            days.append(one.fact.days_before)
            _late(findings, one.fact.planned_at, one.envelope.time, f"{one.fact.duty}: reminder")
            if ended is not None and ended < one.fact.planned_at:
                findings.wrong.append(f"{one.fact.duty}: reminded although it was done before")
    if days != sorted(set(days), reverse=True):
        findings.wrong.append(f"{one.fact}: reminded {days}")


def _late(findings: Findings, planned_at: datetime, at: datetime, what: str) -> None:
    lateness = (at - planned_at) / timedelta(seconds=1)
    if lateness < 0:
        findings.wrong.append(f"{what} {-lateness:.6f} s early")
    findings.lateness.append(lateness)


def judge_filings(
    streams: Mapping[str, Sequence[Said]],
    filings: Mapping[str, Sequence[tuple[str, datetime]]],
    findings: Findings,
) -> None:
    """What a caller was told is kept is kept (invariant 3)."""
    for report, filed in filings.items():
        for recipient, at in filed:
            said = streams.get(f"duty:{report}@{recipient}", ())
            if not any(isinstance(s.fact, duties.DutyFulfilled) and s.fact.fulfilled_at == at for s in said):
                findings.wrong.append(f"{report}@{recipient}: filed at {at.isoformat()}, and nobody knows")
    half = {
        r for r, said in streams.items() if any(isinstance(s.fact, reports.ReportHalfFiled) for s in said)
    }
    whole = {r for r, said in streams.items() if any(isinstance(s.fact, reports.ReportFiled) for s in said)}
    findings.counts["half-filed"] = len(half - whole)


async def judge_ledgers(settings: Settings, heads: Path, findings: Findings) -> None:
    """Verify the chain of every book and rebuild every state from the first page (invariants 4 and 6)."""
    for name, build in BUILDERS.items():
        service: Service[Any] = Service(settings, name)
        plan = build(service)
        pages, faults = await verify_books(service.store, plan.books, read_heads(heads / name))
        states, different = await rebuild_states(service.store, plan.books, plan.decider.shape, write=False)
        await disconnect(service.client)
        findings.pages += pages
        findings.states += states
        findings.wrong += [f"{name}: page {fault.page} {fault.problem}" for fault in faults]
        findings.wrong += [f"{name}: {stream} is not what its pages say" for stream in different]
