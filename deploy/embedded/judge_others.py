"""Judging what people were told is kept, what was proposed, and what the rates are."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from contracts import directory, duties, escalations, inspections, reports
from deploy.embedded.findings import Findings, Said

WINDOW, MISSES = timedelta(days=365), 3
"""What the rule missed-three says, written down a second time on purpose."""

Streams = Mapping[str, Sequence[Said]]


def judge_kept(
    streams: Streams,
    filings: Mapping[str, Sequence[tuple[str, datetime]]],
    lessons: Mapping[str, datetime],
    findings: Findings,
) -> None:
    """What a caller was told is kept is kept (invariant 3)."""
    told = [(f"{report}@{recipient}", at) for report, filed in filings.items() for recipient, at in filed]
    for duty, at in [*told, *lessons.items()]:
        said = streams.get(f"duty:{duty}", ())
        if not any(isinstance(s.fact, duties.DutyFulfilled) and s.fact.fulfilled_at == at for s in said):
            findings.wrong.append(f"{duty}: fulfilled at {at.isoformat()}, and nobody knows")
    half = {
        r for r, said in streams.items() if any(isinstance(s.fact, reports.ReportHalfFiled) for s in said)
    }
    whole = {r for r, said in streams.items() if any(isinstance(s.fact, reports.ReportFiled) for s in said)}
    findings.counts["half-filed"] = len(half - whole)


def judge_inspections(streams: Streams, findings: Findings) -> None:
    """A unit that missed three different obligations within a window has a proposal, and no other has one."""
    proposed: defaultdict[str, list[Said]] = defaultdict(list)
    for said in streams.values():
        for one in said:
            if isinstance(one.fact, inspections.InspectionProposed):
                proposed[one.fact.unit].append(one)
    standing = _standing(streams)
    for unit in {*proposed, *standing}:
        if _reaches(standing[unit]) and not proposed[unit]:
            findings.wrong.append(f"{unit}: missed {len(standing[unit])}, and nobody proposed an inspection")
        for one in proposed[unit]:
            if isinstance(one.fact, inspections.InspectionProposed):
                _judge_evidence(streams, one.fact, findings)


def _standing(streams: Streams) -> defaultdict[str, list[tuple[str, datetime]]]:
    """Return the obligations that each unit has missed and that were not withdrawn, with their moments."""
    found: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for said in streams.values():
        missed = next((s.fact for s in said if isinstance(s.fact, escalations.DutyMissed)), None)
        withdrawn = any(isinstance(s.fact, escalations.DutyMissWithdrawn) for s in said)
        if missed is not None and not withdrawn:
            what = missed.occurrence or missed.duty
            found[missed.unit].append((f"{what}/{missed.period}", missed.due_at))
    return found


def _reaches(misses: Sequence[tuple[str, datetime]]) -> bool:
    return any(len({what for what, at in misses if end - WINDOW < at <= end}) >= MISSES for _, end in misses)


def _judge_evidence(streams: Streams, fact: inspections.InspectionProposed, findings: Findings) -> None:
    misses = [(f"{one.occurrence}/{one.period}", one.due_at) for one in fact.evidence]
    if not _reaches(misses):
        findings.wrong.append(f"{fact.inspection}: proposed on {misses}")
    for one in fact.evidence:
        said = streams.get(f"escalation:{one.duty}", ())
        if not any(s.envelope.id == one.fact and s.fact.subject == f"escalation:{one.duty}" for s in said):
            findings.wrong.append(f"{fact.inspection}: no fact {one.fact}")


def judge_scores(streams: Streams, levels: Sequence[Mapping[str, Any]], findings: Findings) -> None:
    """The rates by level are what the duties on the topic add up to (K6, K11)."""
    if not levels:
        findings.wrong.append("scoring told no rates")
        return
    as_of = datetime.fromisoformat(levels[0]["as_of"])
    parents = _parents(streams)
    depths = {unit: _depth(unit, parents) for unit in parents}
    right: defaultdict[int, Counter[str]] = defaultdict(Counter)
    came_back = {
        (s.fact.unit, s.fact.continues)
        for said in streams.values()
        for s in said
        if isinstance(s.fact, duties.DutyOpened) and s.fact.continues is not None
    }
    for subject, said in streams.items():
        if subject.startswith("duty:"):
            for unit, word in _outcome(said, as_of, came_back):
                right[depths[unit]].update((word, "due"))
    for level in levels:
        told, found = level["rate"], right[level["depth"]]
        if any(told[word] != found[word] for word in ("due", "on_time", "late")):
            findings.wrong.append(f"level {level['depth']}: scored {told}, should be {dict(found)}")


def _parents(streams: Streams) -> dict[str, str | None]:
    """Return above which unit each stands; a discipline committee stands where its Party committee does."""
    placed = [s.fact for said in streams.values() for s in said if isinstance(s.fact, directory.UnitPlaced)]
    own = {fact.unit: fact.parent for fact in placed if fact.same_level is None}
    beside = {fact.unit: own.get(fact.same_level) for fact in placed if fact.same_level is not None}
    return {**own, **beside}


def _depth(unit: str | None, parents: Mapping[str, str | None]) -> int:
    depth = -1
    while unit is not None:
        depth, unit = depth + 1, parents.get(unit)
    return depth


def _outcome(
    said: Sequence[Said], as_of: datetime, came_back: set[tuple[str, str]]
) -> Sequence[tuple[str, str]]:
    """Return the unit and what its duty counts as; nothing if it was waived or is not yet due."""
    opened = next((s.fact for s in said if isinstance(s.fact, duties.DutyOpened)), None)
    waived = any(isinstance(s.fact, duties.DutyWaived) for s in said)
    if opened is None or waived or opened.due_at >= as_of:
        return ()
    done = next((s.fact for s in said if isinstance(s.fact, duties.DutyFulfilled)), None)
    if (opened.unit, opened.duty) in came_back:
        return ((opened.unit, "returned"),)
    if done is None:
        return ((opened.unit, "missing"),)
    return ((opened.unit, "on_time" if done.fulfilled_at <= opened.due_at else "late"),)
