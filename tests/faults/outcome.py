"""What rounds came to: a line of JSON for each, their sum, and its table."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from tests.faults.striker import Record
from tests.faults.strikes import SERVERS, SERVICES, Kind
from tests.faults.verdict import KINDS, Verdict

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
ON = {"embedded": "embedded broker / 内嵌代理", "kafka": "Apache Kafka"}


@dataclass
class Outcome:
    """One round."""

    at: datetime
    seed: int
    tree: str
    broker: str
    minutes: float
    kills: Counter[str]
    """Of each process, those in volleys among them."""
    replicas_killed: int
    replicas: int
    stops: Counter[str]
    volleys: Counter[int]
    longest: float
    longest_after: str
    duties: int
    facts: int
    again: int
    strays: int
    wrong: dict[str, int] = field(default_factory=dict)
    restless: bool = False
    """Recovery was counted until all were ready, not until the story had settled."""

    @classmethod
    def of(cls, record: Record, verdict: Verdict, **about: object) -> "Outcome":
        """Return what one round came to, by its strikes and its judge."""
        struck = {
            kind: Counter({name: count for (of, name), count in record.strikes.items() if of is kind})
            for kind in Kind
        }
        killed = struck[Kind.JOIN_AND_KILL].total()
        return ROUND.validate_python(
            {
                **about,
                "kills": struck[Kind.KILL],
                "replicas_killed": killed,
                "replicas": killed + struck[Kind.JOIN_AND_LEAVE].total(),
                "stops": struck[Kind.STOP],
                "volleys": record.volleys,
                "longest": record.longest,
                "longest_after": record.longest_after,
                "duties": verdict.duties,
                "facts": verdict.facts,
                "again": verdict.again,
                "strays": verdict.strays,
                "wrong": {kind: len(found) for kind, found in verdict.wrong.items()},
            }
        )

    @property
    def killed(self) -> int:
        """Return how many processes were killed."""
        return self.kills.total() + self.replicas_killed


ROUND = TypeAdapter(Outcome)


def append(file: Path, outcome: Outcome) -> None:
    """Write a round behind those that were written before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        out.write(ROUND.dump_json(outcome) + b"\n")


def read(file: Path) -> list[Outcome]:
    """Return every round of a file, none if there is no file."""
    return [ROUND.validate_json(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def table(rounds: Iterable[Outcome]) -> Iterator[tuple[str, str]]:
    """Yield what rounds came to in all, a name and a figure each."""
    rounds = list(rounds)
    yield from _played(rounds)
    kills, stops, volleys = Counter[str](), Counter[str](), Counter[int]()
    for one in rounds:
        kills, stops, volleys = kills + one.kills, stops + one.stops, volleys + one.volleys
    yield "kills / 强杀", str(sum(one.killed for one in rounds))
    yield from ((f"  {name}", str(kills[name])) for name in (*SERVICES, *SERVERS))
    yield "  a replica / 副本", str(sum(one.replicas_killed for one in rounds))
    yield "volleys / 连击", f"{volleys.total()}, ≤ {max(volleys, default=0)}"
    yield "stops and continuations / 暂停后继续", str(stops.total())
    yield from ((f"  {name}", str(stops[name])) for name in (*SERVICES, *SERVERS))
    yield "replicas joined / 副本加入", str(sum(one.replicas for one in rounds))
    yield "duties / 事项", str(sum(one.duties for one in rounds))
    yield "facts / 事实", str(sum(one.facts for one in rounds))
    yield "facts said again / 重发的事实", str(sum(one.again for one in rounds))
    strays = sum(one.strays for one in rounds)
    yield "streams out of order on an emptied broker / 代理清空后乱序的流", str(strays)
    slowest = max(rounds, key=lambda one: one.longest, default=None)
    if slowest is not None:
        yield "longest recovery / 最长恢复", f"{slowest.longest:.1f} s ({slowest.longest_after})"
    yield from ((NAMED[kind], str(sum(one.wrong.get(kind, 0) for one in rounds))) for kind in KINDS)


def _played(rounds: Iterable[Outcome]) -> Iterator[tuple[str, str]]:
    """Yield how much was played of each tree on each broker."""
    played: dict[str, list[Outcome]] = {}
    for one in rounds:
        how = ", restless / 不待平静" if one.restless else ""
        played.setdefault(f"{one.tree}, {ON[one.broker]}{how}", []).append(one)
    for name, ones in sorted(played.items()):
        minutes = sum(one.minutes for one in ones)
        yield f"rounds / 轮: {name}", f"{len(ones)} ({minutes:.0f} min)"
