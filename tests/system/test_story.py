"""The main job as a user runs it, and what can be asked of the stack after it."""

import subprocess
import sys
from pathlib import Path

from deploy.embedded.check import judge_ledgers, judge_topics
from deploy.embedded.findings import Findings, read_topics
from deploy.embedded.parameters import Parameters
from deploy.embedded.story import Story
from deploy.embedded.supervisor import Stack
from deploy.embedded.texts import TEXTS
from shared.commands import trace_story
from shared.settings import Settings

TOWN = Parameters(root="330305101")
"""A town with its villages, its county, its city and its province."""


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    options = ["--once", "--tree", TOWN.root, "--lang", "en", "--data", str(folder)]
    command = [sys.executable, "-m", "deploy.embedded", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_main_job_plays_a_year_and_a_second_run_continues_where_it_ended(tmp_path: Path) -> None:
    first = _run(tmp_path / "data")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "all invariants hold" in first.stdout
    second = _run(tmp_path / "data")
    assert second.returncode == 0, second.stdout + second.stderr
    for key in ("missed", "withdrawn", "opened", "exhausted", "proposals", "verified_findings", "scored"):
        assert _row(first.stdout, key) == _row(second.stdout, key)
    assert int(_row(first.stdout, "proposals")) > 0
    assert int(_row(first.stdout, "verified_findings")) > 0


def _row(text: str, key: str) -> str:
    name = TEXTS[key][0]
    return next(line.split()[-1] for line in text.splitlines() if line.strip().startswith(f"{name} "))


async def test_f1_a4_a_year_runs_of_itself_and_a_miss_is_traced_back_to_its_schedule(
    tmp_path: Path,
) -> None:
    stack = Stack(tmp_path / "data")
    story = Story(stack, TOWN, lambda _story: None)
    try:
        await stack.start_servers()
        await story.clock.start(0)
        await stack.start_services()
        await story.connect()
        await story.prepare()
        await story.play()
        await _judge_all(stack, story)
        await _trace_a_missed_duty_back_to_the_schedule_that_opened_it(stack)
    finally:
        await story.close()
        await stack.stop()


async def _judge_all(stack: Stack, story: Story) -> None:
    findings = Findings()
    await judge_topics(stack.broker.address, story.tally, await story.levels(), findings)
    settings = Settings(mongo_uri=stack.mongo_uri, kafka_address=stack.broker.address)
    await stack.stop_services()
    await judge_ledgers(settings, stack.heads, findings)
    assert findings.wrong == []
    assert findings.counts["DutyMissed"] > 5
    assert findings.counts["EscalationExhausted"] > 0
    assert max(findings.levels) == 4


async def _trace_a_missed_duty_back_to_the_schedule_that_opened_it(stack: Stack) -> None:
    streams = await read_topics(stack.broker.address, ("escalations",))
    missed = next(said[0].envelope for said in streams.values())
    chain = await trace_story(stack.broker.address, missed.correlationid)
    known = {envelope.id: envelope for envelope in chain}
    assert missed.id in known
    kinds = {envelope.type.split(".")[0] for envelope in chain}
    assert {"duties", "escalations", "reminders"} <= kinds
    first = chain[0]
    assert first.type == "duties.duty-opened.v1"
    assert first.causationid.startswith("time:schedule:")
