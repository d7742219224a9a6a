"""The main job as a user runs it, and what can be asked of the stack after it."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.embedded.check import judge_ledgers, judge_topics
from deploy.embedded.findings import Findings, read_topics
from deploy.embedded.parameters import Parameters
from deploy.embedded.story import Story
from deploy.embedded.supervisor import Stack
from deploy.embedded.texts import TEXTS
from shared.commands import trace_story
from shared.settings import Settings

TOWNSHIP = Parameters(root="330305202", seed=15)
"""A township with its villages, its county, its city and its province."""
COUNTED = {
    "opened": "DutyOpened",
    "fulfilled": "DutyFulfilled",
    "missed": "DutyMissed",
    "withdrawn": "DutyMissWithdrawn",
    "exhausted": "EscalationExhausted",
    "proposals": "InspectionProposed",
    "verified_findings": "RectificationVerified",
    "flags": "HeatFlagged",
}


@pytest.mark.timeout(400)
async def test_f1_a4_the_main_job_plays_a_year_of_itself_and_a_second_run_goes_on_where_it_ended(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    first = run(data)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "all invariants hold" in first.stdout
    told = {key: int(row(first.stdout, key)) for key in COUNTED}
    assert min(told[key] for key in ("missed", "exhausted", "proposals", "verified_findings")) > 0

    stack = Stack(data)
    story = Story(stack, TOWNSHIP, lambda _story: None)
    try:
        await stack.start_servers()
        await story.clock.start(0)
        await stack.start_services()
        await story.connect()
        await story.prepare()
        await story.play()
        findings = await judged(stack, story)
        assert {key: findings.counts[name] for key, name in COUNTED.items()} == told
        assert max(findings.levels) == 4
        await trace_a_missed_duty_back_to_the_schedule_that_opened_it(stack)
    finally:
        await story.close()
        await stack.stop()


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the main job to its end, as its own process."""
    options = ["--once", "--tree", TOWNSHIP.root, "--seed", str(TOWNSHIP.seed), "--lang", "en"]
    command = [sys.executable, "-m", "deploy.embedded", *options, "--data", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def row(text: str, key: str) -> str:
    """Return the last word of a row of the summary."""
    name = TEXTS[key][0]
    return next(line.split()[-1] for line in text.splitlines() if line.strip().startswith(f"{name} "))


async def judged(stack: Stack, story: Story) -> Findings:
    """Judge the topics, then the ledgers of the stopped services."""
    findings = Findings()
    await judge_topics(stack.broker.address, story.tally, await story.levels(), findings)
    settings = Settings(mongo_uri=stack.mongo_uri, kafka_address=stack.broker.address)
    await stack.stop_services()
    await judge_ledgers(settings, stack.heads, findings)
    assert findings.wrong == []
    return findings


async def trace_a_missed_duty_back_to_the_schedule_that_opened_it(stack: Stack) -> None:
    streams = await read_topics(stack.broker.address, ("escalations",))
    said = (said[0].envelope for said in streams.values())
    missed = next(one for one in said if one.data["kind"] == "double-report")
    chain = await trace_story(stack.broker.address, missed.correlationid)
    known = {envelope.id: envelope for envelope in chain}
    assert missed.id in known
    kinds = {envelope.type.split(".")[0] for envelope in chain}
    assert {"duties", "escalations", "reminders"} <= kinds
    first = chain[0]
    assert first.type == "duties.duty-opened.v1"
    assert first.causationid.startswith("time:schedule:")
