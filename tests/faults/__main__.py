"""The long fault run: `make faults ARGS="--minutes 30 --seed 7"`."""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random

import stamina

from deploy.embedded.parameters import TREES, Parameters
from deploy.embedded.supervisor import Stack
from shared.clock import monotonic, real_now
from tests.faults.outcome import Outcome, append, read, table
from tests.faults.round import RESTARTS, TOWNSHIP, kafka, play
from tests.faults.striker import Record
from tests.faults.strikes import endless
from tests.faults.verdict import Verdict, lines
from tests.real import broker, machine

SHOWN = 20
PATIENCE = 600.0
"""Real seconds: a city needs minutes for what a village does at once, and is struck all the while."""
TALLY = broker.FETCHED.parent / "faults.jsonl"


async def rounds(options: argparse.Namespace, folder: Path) -> tuple[Verdict, list[Outcome]]:
    """Play one story after another until the time is over or something is wrong."""
    began, played, verdict = monotonic(), list[Outcome](), Verdict()
    strikes = endless(Random(options.seed), options.pause)
    while verdict.holds and monotonic() - began < 60 * options.minutes:
        data, seed, record = folder / f"round-{len(played)}", options.seed + len(played), Record()
        round_began = monotonic()
        stack = Stack(data, restarts=RESTARTS, other=kafka(data) if options.kafka else None)
        parameters = Parameters(root=TREES.get(options.tree, options.tree), seed=seed)
        verdict = await play(
            stack, parameters, strikes, record, patience=PATIENCE, is_restless=options.restless
        )
        about = {"at": real_now(), "seed": seed, "tree": options.tree, "broker": broker_of(options)}
        about["restless"] = options.restless
        minutes = (monotonic() - round_began) / 60
        played.append(Outcome.of(record, verdict, minutes=minutes, **about))
        append(options.tally, played[-1])
        print(
            f"round {len(played)}: {played[-1].killed} kills, {verdict.duties} duties,"
            f" {verdict.facts} facts, {minutes:.1f} min / 第 {len(played)} 轮",
            flush=True,
        )
        if verdict.holds:
            shutil.rmtree(data)
    return verdict, played


def broker_of(options: argparse.Namespace) -> str:
    """Return the name of the broker that plays."""
    return "kafka" if options.kafka else "embedded"


def show(played: Iterable[Outcome]) -> None:
    """Print what rounds came to."""
    for name, value in table(played):
        print(f"{name}: {value}")


def options_of() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="begin no new story after so long / 时长")
    parser.add_argument("--seed", type=int, default=7, help="who is struck when / 随机种子")
    parser.add_argument("--pause", type=float, default=1, help="seconds between strikes, at most / 间隔")
    restless = "strike again once all are ready, though the story has not settled / 不待平静"
    parser.add_argument("--restless", action="store_true", help=restless)
    parser.add_argument("--tree", default=TOWNSHIP, help="as in make run; a township if left out / 演示范围")
    parser.add_argument("--kafka", action="store_true", help="on Apache Kafka / 使用 Apache Kafka")
    parser.add_argument("--tally", type=Path, default=TALLY, help="a line per round goes here / 累计文件")
    parser.add_argument("--sum", action="store_true", help="print what all rounds came to / 打印累计表")
    return parser.parse_args()


def main() -> int:
    """Run, print the table, return 1 if anything is wrong; what failed is kept."""
    options = options_of()
    if options.sum:
        show(read(options.tally))
        return 0
    if options.kafka:
        if lacks := machine.lacks("java", "mvn"):
            print(f"not installed / 缺少: {', '.join(lacks)}", file=sys.stderr)
            return 1
        machine.fetch_kafka()
    # Who is asked while he is away is asked again; that he was is no news here.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    stamina.instrumentation.set_on_retry_hooks([])
    folder = Path(tempfile.mkdtemp(prefix="zeren-faults-"))
    verdict, played = asyncio.run(rounds(options, folder))
    show(played)
    if verdict.holds:
        shutil.rmtree(folder)
        return 0
    for line in lines(verdict)[:SHOWN]:
        print(line, file=sys.stderr)
    print(f"seed {options.seed}, round {len(played)}; kept in / 数据保留于 {folder}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
