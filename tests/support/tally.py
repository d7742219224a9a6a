"""A service that counts whatever it hears of duties and reports, so that hearing twice shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter

from contracts.duties import DutyFulfilled, DutyOpened, Line
from contracts.envelope import Envelope, Fact
from contracts.reports import ReportHalfFiled
from contracts.topics import PARTITIONS
from shared.decider import Decider, Request
from shared.ids import partition_of
from shared.published import Origin
from shared.service import Plan, Service
from shared.state import Inbound, Shape
from tests.support.kit import NOON


class Tallied(Fact, topic="reminders", prefix="tally", key="name"):
    """Something was heard of a name, and counted."""

    name: str
    heard: str
    count: int


@dataclass(frozen=True)
class Tally:
    name: str
    count: int = 0


def _decide(state: Tally, heard: str, _: datetime) -> Sequence[Fact]:
    if state.name.startswith("bad"):
        raise ArithmeticError(heard)
    return [Tallied(name=state.name, heard=heard, count=state.count + 1)]


def _evolve(state: Tally, _: Fact) -> Tally:
    return replace(state, count=state.count + 1)


SHAPE: Shape[Tally] = Shape(
    initial=Tally, evolve=_evolve, adapter=TypeAdapter(Tally), facts={Tallied.type: Tallied}
)


def _stream_of(key: str) -> str:
    return key.partition(":")[2]


def _on_event(envelope: Envelope, fact: Fact, _: Inbound) -> Request | None:
    return Request(_stream_of(envelope.subject), envelope.id, envelope.id, envelope.correlationid)


def build(service: Service[Any], books: int = PARTITIONS) -> Plan[Any]:
    """Return the plan: a count for each name, in the book of its partition or in the only one."""
    return Plan(
        name=service.name,
        decider=Decider(_decide, SHAPE),
        says=("reminders",),
        hears={"duties": _on_event, "reports": _on_event},
        stream_of=_stream_of,
        router=APIRouter(),
        origin=Origin(stream_of=lambda one: _stream_of(one.subject), book_of=lambda _: 0, lost=("", "")),
        books=books,
    )


def names(prefix: str, partition: int) -> Iterator[str]:
    """Yield names of which duties and reports both lie in a partition."""
    for n in count():
        name = f"{prefix}-{n}"
        if {partition_of(f"{kind}:{name}", PARTITIONS) for kind in ("duty", "report")} == {partition}:
            yield name


def opened(name: str, due_at: datetime = NOON) -> DutyOpened:
    """Return that a duty is open."""
    return DutyOpened(
        duty=name,
        unit="330305",
        kind="double-report",
        line=Line.MAIN,
        recipient="3303",
        period="2025",
        due_at=due_at,
        policy="double-report/1",
        occurrence=name,
    )


def fulfilled(name: str) -> DutyFulfilled:
    """Return that a duty is done."""
    return DutyFulfilled(duty=name, unit="330305", fulfilled_at=NOON)


def half_filed(name: str) -> ReportHalfFiled:
    """Return that one recipient has a report."""
    return ReportHalfFiled(
        report=name, unit="330305", period="2025", recipient="3303", missing=("3303-dc",), filed_at=NOON
    )
