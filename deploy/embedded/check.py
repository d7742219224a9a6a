"""An independent judge of what happened: it reads only the topics and the ledgers, and believes nobody."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.topics import TOPICS
from deploy.embedded.findings import Findings, read_topics
from deploy.embedded.judge_duties import judge
from deploy.embedded.judge_others import judge_inspections, judge_kept, judge_scores
from deploy.embedded.people import Tally
from services.directory.app import build as build_directory
from services.inspection.app import build as build_inspection
from services.reminders.app import build as build_reminders
from services.reporting.app import build as build_reporting
from services.scoring.adapters.recompute import recompute
from services.scoring.app import build as build_scoring
from shared.commands import rebuild_states, verify_books
from shared.heads import read_heads
from shared.mongo import disconnect
from shared.service import Service
from shared.settings import Settings

BUILDERS = {
    "directory": build_directory,
    "reporting": build_reporting,
    "reminders": build_reminders,
    "inspection": build_inspection,
    "scoring": build_scoring,
}


async def judge_topics(
    address: str, tally: Tally, levels: Sequence[Mapping[str, Any]], findings: Findings
) -> None:
    """Judge what our services said on Kafka, and what scoring made of it."""
    ours = [topic.name for topic in TOPICS.values() if topic.producers]
    streams = await read_topics(address, ours)
    findings.units = sum(subject.startswith("unit:") for subject in streams)
    judge(streams, findings)
    judge_kept(streams, tally.filings, tally.lessons, findings)
    judge_inspections(streams, findings)
    judge_scores(streams, levels, findings)


async def judge_ledgers(settings: Settings, heads: Path, findings: Findings) -> None:
    """Verify the chain of every book and rebuild every state from the first page (invariants 4 and 6)."""
    for name, build in BUILDERS.items():
        service: Service[Any] = Service(settings, name)
        plan = build(service)
        pages, faults = await verify_books(service.store, plan.books, read_heads(heads / name))
        states, different = await rebuild_states(service.store, plan.books, plan.decider.shape, write=False)
        if name == "scoring":
            findings.scored, wrong = await recompute(service.store, plan.books, plan.decider.shape)
            findings.wrong += [f"{unit}: its score is not what the pages add up to" for unit in wrong]
        await disconnect(service.client)
        findings.pages += pages
        findings.states += states
        findings.wrong += [f"{name}: page {fault.page} {fault.problem}" for fault in faults]
        findings.wrong += [f"{name}: {stream} is not what its pages say" for stream in different]
