"""Watch a deadline's facts arrive on a topic: how fast, never early, none lost, and what CPU they took."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

EARLY = timedelta(milliseconds=1)
"""Clocks of one machine agree; who arrives earlier than this before the instant was fired early."""
AFTERMATH = timedelta(seconds=1)
"""So long it is watched, once all have come, whether one comes twice."""
COLUMNS = (
    "drained/s",
    "earliest ms",
    "latest ms",
    "lost",
    "doubled",
    "said again",
    "rows=facts",
    "CPU µs/duty",
    "verdict",
)

HOLE = timedelta(seconds=1)
"""So long a hole in a partition is looked at again before it is taken for one."""

Arrival = tuple[str, float]
"""A duty's id, and when its fact was seen, in seconds since 1970."""
Named = Callable[[Any], str | None]
Moment = Callable[[str], float]
"""Returns a moment of a duty, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the duties that were all due at one instant."""

    expected: int
    facts: int
    """Duties whose fact was seen at least once."""
    rows: int
    """Duties whose row is in the database."""
    lost: int
    """Duties without a row, without a fact, or without both."""
    doubled: int
    """Facts seen beyond the first of each duty that say something else."""
    said_again: int
    """Facts seen beyond the first of each duty, byte for byte the same: subscribers tell by their id."""
    is_same: bool
    """Whether the duties with a row are those with a fact, and none has two."""
    arrived: tuple[tuple[float, float], ...]
    """Of each duty in the order of arrival: seconds from the instant, and by how many it came late."""
    earliest: timedelta
    """The first arrival, from the moment at which that duty was due; negative if it was early."""
    cpu: timedelta | None
    """Of all processes from the instant to the last arrival; none where it cannot be read."""

    @property
    def per_second(self) -> float:
        """Return the duties drained per second, up to the last arrival."""
        took = self.latest.total_seconds()
        return self.facts / took if took > 0 else 0.0

    @property
    def latest(self) -> timedelta:
        """Return by how much the latest duty came late."""
        return self.late(1.0)

    def late(self, share: float) -> timedelta:
        """Return by how much all but this share of the duties came late at most: 0.99 is the p99."""
        rising = sorted(late for _, late in self.arrived)
        return timedelta(seconds=rising[ceil(share * len(rising)) - 1] if rising else 0.0)

    @property
    def longest_pause(self) -> timedelta:
        """Return the longest time from the instant on in which nothing came, before all had come."""
        moments = [0.0, *(at for at, _ in self.arrived)]
        return timedelta(seconds=max((after - at for at, after in pairwise(moments)), default=0.0))

    @property
    def cpu_per_duty(self) -> float | None:
        """Return the microseconds of CPU per duty."""
        return None if self.cpu is None else self.cpu / timedelta(microseconds=1) / max(self.facts, 1)

    @property
    def is_early(self) -> bool:
        """Tell whether any was fired before it was due."""
        return self.earliest < -EARLY

    @property
    def is_correct(self) -> bool:
        """Tell whether none was early, lost or doubled and rows are facts."""
        return not self.is_early and not self.lost and not self.doubled and self.is_same


def reckon(
    arrivals: Iterable[Arrival],
    rows: Collection[str],
    *,
    instant: float,
    expected: int,
    said_again: int = 0,
    cpu: timedelta | None = None,
    due: Moment | None = None,
    since: Moment | None = None,
) -> Drained:
    """Return what *arrivals* on the topic and *rows* in the database come to.

    Args:
        said_again: how many came again as they were, beside *arrivals*.
        due: the moment of each duty, before which it is early; *instant* if left out.
        since: the moment from which each counts as late, if that is not when it is due.
    """
    due = due or (lambda _: instant)
    since = since or due
    firsts: dict[str, float] = {}
    total = 0
    for duty, at in arrivals:
        total += 1
        firsts[duty] = min(at, firsts.get(duty, at))
    stored = set(rows)
    return Drained(
        expected=expected,
        facts=len(firsts),
        rows=len(rows),
        lost=expected - len(stored & firsts.keys()),
        doubled=total - len(firsts),
        said_again=said_again,
        is_same=stored == firsts.keys() and len(stored) == len(rows),
        arrived=tuple(sorted((at - instant, at - since(duty)) for duty, at in firsts.items())),
        earliest=timedelta(seconds=min((at - due(duty) for duty, at in firsts.items()), default=0.0)),
        cpu=cpu,
    )


def by_key(record: Any) -> str | None:
    """Return the id that is a record's key; none if it has no key."""
    return None if record.key is None else str(record.key, "utf-8")


class Gapless:
    """Sees that no record is passed over.

    The embedded broker may show a reader a batch of one producer before the batch of another that lies
    ahead of it: a consumer goes on behind both and has missed a record that is there.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._next: dict[Any, int] = {}
        self._holes: dict[Any, float] = {}

    def take(self, place: Any, records: Sequence[Any]) -> Sequence[Any]:
        """Return *records* up to a hole, from where the partition will be read again, or all of them."""
        first, now = self._next.get(place, 0), time.monotonic()
        if records[-1].offset + 1 - first == len(records):
            self._holes.pop(place, None)
        elif now - self._holes.setdefault(place, now) < HOLE.total_seconds():
            records = [record for n, record in enumerate(records, first) if record.offset == n]
            self._consumer.seek(place, first + len(records))
        self._next[place] = records[-1].offset + 1 if records else first
        return records


async def watch(
    broker: str,
    *,
    topic: str,
    partitions: int,
    instant: float,
    expected: int,
    pids: Iterable[int],
    rows: Callable[[], Awaitable[Collection[str]]],
    named: Named = by_key,
    due: Moment | None = None,
    since: Moment | None = None,
    on_seen: Callable[[int], None] = lambda _: None,
    patience: timedelta = timedelta(seconds=30),
) -> Drained:
    """Read *topic* from before *instant* until all have come, or none for as long as *patience*.

    Args:
        pids: processes whose CPU counts, those of their children with it.
        rows: reads the ids of the duties that are in the database; asked once all is over.
        named: returns the duty that a record tells of, none if it is another fact.
        due: as in `reckon`, and *since*; both are asked once all is over.
        on_seen: is told how many duties have come, after each batch.
    """
    counted = tuple(pids)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,  # longer: arrivals are seen later; shorter: it keeps the broker busy
        check_crcs=False,
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
        before = asyncio.create_task(_cpu_at(instant, counted))
        read = await _read(consumer, instant, expected, counted, named, on_seen, patience)
        used = _used(await before, read.cpu)
    finally:
        await consumer.stop()
    arrivals = [(duty, at) for at, batch in read.batches for duty in batch]
    return reckon(
        arrivals,
        await rows(),
        instant=instant,
        expected=expected,
        said_again=read.again,
        cpu=used,
        due=due,
        since=since,
    )


class _Read(NamedTuple):
    """What came, by batches with their time, how much of it again, and the CPU once the last had come."""

    batches: Sequence[tuple[float, Sequence[str]]]
    again: int
    cpu: Mapping[int, float]


async def _read(
    consumer: Any,
    instant: float,
    expected: int,
    pids: Sequence[int],
    named: Named,
    on_seen: Callable[[int], None],
    patience: timedelta,
) -> _Read:
    batches: list[tuple[float, list[str]]] = []
    seen: dict[str, int] = {}
    again = 0
    used: Mapping[int, float] = {}
    gapless = Gapless(consumer)
    until = instant + patience.total_seconds()
    while (now := time.time()) < until:
        found = await consumer.getmany(timeout_ms=10)
        at = time.time()
        read = [record for place, part in found.items() for record in gapless.take(place, part)]
        facts = [(duty, record.value) for record in read if (duty := named(record)) is not None]
        known = len(seen)
        batch = first_said(facts, seen)
        again += len(facts) - len(batch)
        if not batch:
            continue
        batches.append((at, batch))
        on_seen(len(seen))
        if len(seen) >= expected > known:
            used = cpu(pids)
            until = at + AFTERMATH.total_seconds()
        elif len(seen) < expected:
            until = max(instant, now) + patience.total_seconds()
    return _Read(batches, again, used or cpu(pids))


def first_said(facts: Iterable[tuple[str, bytes]], seen: dict[str, int]) -> list[str]:
    """Return the duties of *facts* without those of which *seen* has the very same bytes; note them there."""
    fresh = []
    for duty, value in facts:
        said = hash(value)
        if seen.setdefault(duty, 0) != said:
            seen[duty] = seen[duty] or said
            fresh.append(duty)
    return fresh


async def _cpu_at(instant: float, pids: Sequence[int]) -> Mapping[int, float]:
    await asyncio.sleep(max(0.0, instant - time.time()))
    return cpu(pids)


def _used(before: Mapping[int, float], after: Mapping[int, float]) -> timedelta | None:
    if not before or not after:
        return None
    return timedelta(seconds=sum(max(0.0, used - before.get(pid, 0.0)) for pid, used in after.items()))


def cpu(pids: Iterable[int]) -> Mapping[int, float]:
    """Return the seconds of CPU that each of these processes and of their children has used; Linux only."""
    if sys.platform != "linux":
        return {}
    used = {}
    for pid in _with_children(pids):
        try:
            # clock_getcpuclockid(3), which Python lacks: the kernel's clock of a whole process.
            used[pid] = time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return used


def _with_children(pids: Iterable[int]) -> set[int]:
    """Return these processes and all that descend from them."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def table(rounds: Mapping[str, Sequence[Drained]]) -> list[str]:
    """Return the medians of each contestant's rounds as lines of a table; a fault in one round is a fault."""
    lines = [f"{'':<14}" + "".join(f"{column:>13}" for column in COLUMNS)]
    lines += [
        f"{name:<14}" + "".join(f"{cell:>13}" for cell in _cells(all_)) for name, all_ in rounds.items()
    ]
    return lines


def _cells(rounds: Sequence[Drained]) -> list[str]:
    millisecond = timedelta(milliseconds=1)
    spent = [used for drained in rounds if (used := drained.cpu_per_duty) is not None]
    return [
        f"{median(d.per_second for d in rounds):,.0f}",
        f"{min(d.earliest for d in rounds) / millisecond:,.1f}",
        f"{median(d.latest / millisecond for d in rounds):,.0f}",
        f"{max(d.lost for d in rounds):,}",
        f"{max(d.doubled for d in rounds):,}",
        f"{max(d.said_again for d in rounds):,}",
        "yes" if all(d.is_same for d in rounds) else "no",
        f"{median(spent):,.0f}" if spent else "not read",
        "correct" if all(d.is_correct for d in rounds) else "not correct",
    ]
