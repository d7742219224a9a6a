"""The long fault run: `make faults ARGS="--minutes 30 --seed 7"`."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from deploy.embedded.parameters import Parameters
from shared.clock import monotonic
from tests.faults.round import TOWNSHIP, play
from tests.faults.striker import Record
from tests.faults.strikes import SERVERS, SERVICES, Kind, endless
from tests.faults.verdict import Verdict, lines

SHOWN = 20
NAMED = {
    "lost": "lost / 丢失",
    "doubled": "doubled / 重复",
    "early": "early / 提前",
    "false misses": "false misses / 误判逾期",
    "ladder": "rungs out of order / 梯级错序",
    "chains": "hash chains broken / 哈希链断裂",
    "states": "states other than their rebuild / 状态与重建不符",
    "scores": "scores other than their recomputation / 得分与重算不符",
    "other": "anything else / 其他",
}


async def rounds(minutes: float, seed: int, tree: str, folder: Path) -> tuple[Verdict, Record, int]:
    """Play one story after another until the time is over or something is wrong."""
    began, verdict, record, number = monotonic(), Verdict(), Record(), 0
    strikes = endless(Random(seed))
    while verdict.holds and monotonic() - began < 60 * minutes:
        data = folder / f"round-{number}"
        verdict.add(await play(data, Parameters(root=tree, seed=seed + number), strikes, record))
        if verdict.holds:
            shutil.rmtree(data)
        number += 1
        print(
            f"round {number}: {record.strikes.total()} strikes, {verdict.duties} duties,"
            f" {(monotonic() - began) / 60:.1f} min / 第 {number} 轮",
            flush=True,
        )
    return verdict, record, number


def table(verdict: Verdict, record: Record) -> list[tuple[str, str]]:
    """Return what a run came to."""
    kills = record.count(Kind.KILL, Kind.JOIN_AND_KILL)
    return [
        ("kills / 强杀", str(kills)),
        *((f"  {name}", str(record.strikes[Kind.KILL, name])) for name in (*SERVICES, *SERVERS)),
        ("  a replica / 副本", str(record.count(Kind.JOIN_AND_KILL))),
        ("stops and continuations / 暂停后继续", str(record.count(Kind.STOP))),
        *((f"  {name}", str(record.strikes[Kind.STOP, name])) for name in (*SERVICES, *SERVERS)),
        ("replicas joined / 副本加入", str(record.count(Kind.JOIN_AND_LEAVE, Kind.JOIN_AND_KILL))),
        ("duties / 事项", str(verdict.duties)),
        ("facts / 事实", str(verdict.facts)),
        ("facts said again / 重发的事实", str(verdict.again)),
        ("streams out of order on an emptied broker / 代理清空后乱序的流", str(verdict.strays)),
        ("longest recovery / 最长恢复", f"{record.longest:.1f} s ({record.longest_after})"),
        *((NAMED[kind], str(len(found))) for kind, found in verdict.wrong.items()),
    ]


def main() -> int:
    """Run, print the table, return 1 if anything is wrong; what failed is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="begin no new story after so long / 时长")
    parser.add_argument("--seed", type=int, default=7, help="who is struck when / 随机种子")
    parser.add_argument("--tree", default=TOWNSHIP, help="the code of the subtree that plays / 演示范围")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zeren-faults-"))
    verdict, record, number = asyncio.run(rounds(options.minutes, options.seed, options.tree, folder))
    for name, value in table(verdict, record):
        print(f"{name}: {value}")
    if verdict.holds:
        shutil.rmtree(folder)
        return 0
    for line in lines(verdict)[:SHOWN]:
        print(line, file=sys.stderr)
    seed = options.seed
    print(f"seed {seed}, round {number}; kept in / 数据保留于 {folder}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
