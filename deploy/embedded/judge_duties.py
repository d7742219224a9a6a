"""Judging what was said about each duty: missed or not, climbed in order, nothing early, nothing twice."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from contracts import duties, escalations, reminders
from deploy.embedded.findings import Findings, Said
from shared.clock import EPOCH

OUT_OF_ORDER = "said out of order"
"""What was on its way to a broker that lost its records may reach the new one before all is said again."""


def judge(streams: Mapping[str, Sequence[Said]], findings: Findings) -> None:
    """Compare what was said about each duty with what should have been said (invariants 1 and 2)."""
    streams = {subject: _in_order(subject, said, findings) for subject, said in streams.items()}
    for said in streams.values():
        findings.facts += len(said)
        for one in said:
            findings.counts[type(one.fact).__name__] += 1
    until = max((said[-1].envelope.time for said in streams.values()), default=EPOCH)
    for subject, said in streams.items():
        if subject.startswith("duty:"):
            duty = subject.removeprefix("duty:")
            climb = streams.get(f"escalation:{duty}", ())
            _judge_duty(duty, said, climb, until, findings)
            _judge_reminders(streams.get(f"reminder:{duty}", ()), said, findings)


def _in_order(subject: str, said: Sequence[Said], findings: Findings) -> Sequence[Said]:
    """Return a stream by its sequence, which has no gap and is the order in which it was said."""
    ordered = sorted(said, key=lambda one: one.envelope.sequence)
    numbers = [one.envelope.sequence for one in ordered]
    if numbers != list(range(1, len(numbers) + 1)):
        findings.wrong.append(f"{subject}: sequences {numbers[:8]}")
    elif said != ordered:
        findings.wrong.append(f"{subject}: {OUT_OF_ORDER}")
    return ordered


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
    ended = next((s for s in said if isinstance(s.fact, duties.DutyFulfilled | duties.DutyWaived)), None)
    if ended is not None and isinstance(ended.fact, duties.DutyWaived):
        _judge_waived(duty, opened, ended, climb, findings)
        return
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


def _judge_waived(
    duty: str, opened: duties.DutyOpened, ended: Said, climb: Sequence[Said], findings: Findings
) -> None:
    """What was waived in time is never missed; what was missed before stays so and climbs no more."""
    missed = sum(isinstance(s.fact, escalations.DutyMissed) for s in climb)
    if missed != (ended.envelope.time > opened.due_at):
        findings.wrong.append(f"{duty}: waived at {ended.envelope.time.isoformat()}, missed {missed} times")
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
    ends = duties.DutyFulfilled | duties.DutyWaived
    ended = next((s.envelope.time for s in duty if isinstance(s.fact, ends)), None)
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
