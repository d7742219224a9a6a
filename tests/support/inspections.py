"""Misses, and the story of one unit's dossier: given facts, when a command comes, then these facts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from contracts.duties import Line
from contracts.envelope import Fact
from contracts.inspections import Evidence
from contracts.refusal import Refusal
from services.inspection.domain.decide import decide
from services.inspection.domain.dossier import Dossier, Finding, Inspection, view
from services.inspection.domain.evolve import evolve
from services.inspection.domain.model import (
    FACTS,
    Command,
    DossierFact,
    NoteMiss,
    OpenInspection,
    RaiseFinding,
)
from services.inspection.domain.trigger import MISSED_THREE
from shared.decider import Decider
from shared.state import Shape
from shared.testing.given import Given, Scene

UNIT, INSPECTOR = "village", "town-dc"
FIRST, FINDING = f"{UNIT}.special.1", f"{UNIT}.special.1.1"
DUE = datetime(2026, 1, 31, 16, tzinfo=UTC)
NOW = DUE + timedelta(days=40)
LATER = NOW + timedelta(days=30)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
WINDOW = MISSED_THREE.window
DOSSIERS = TypeAdapter(Dossier)

DECIDER: Decider[Dossier] = Decider(
    decide, Shape(initial=Dossier, evolve=evolve, adapter=DOSSIERS, facts=FACTS, view=view)
)


def a_miss(n: int, *, due_at: datetime | None = None, occurrence: str = "", period: str = "2026") -> Evidence:
    """Return the n-th miss of the unit, a day after the one before."""
    duty = f"duty-{n}"
    return Evidence(
        fact=f"escalation:{duty}/1",
        duty=duty,
        kind="lesson",
        occurrence=occurrence or duty,
        period=period,
        due_at=due_at or DUE + n * DAY,
    )


def given(*facts: Fact) -> Given[Dossier]:
    """Begin with what has happened to the unit."""
    return Scene(DECIDER, UNIT).given(*facts)


def after(*commands: Command, state: Dossier | None = None, at: datetime = NOW) -> Dossier:
    """Return the dossier that commands lead to, read back from its bytes after each of them."""
    dossier = state or Dossier(UNIT)
    for command in commands:
        decided = decide(dossier, command, at)
        assert not isinstance(decided, Refusal), decided
        for fact in decided:
            dossier = evolve(dossier, fact)
        assert DOSSIERS.validate_json(DOSSIERS.dump_json(dossier)) == dossier
    return dossier


def published(state: Dossier, command: Command, at: datetime = NOW) -> list[Fact]:
    """Return the facts of a command that leave the service."""
    return [fact for fact in decided(state, command, at) if not isinstance(fact, DossierFact)]


def decided(state: Dossier, command: Command, at: datetime = NOW) -> Sequence[Fact]:
    """Return all facts of a command that is not refused."""
    facts = decide(state, command, at)
    assert not isinstance(facts, Refusal), facts
    return facts


def refused(state: Dossier, command: Command, at: datetime = NOW) -> str:
    """Return the word of a refusal that speaks both languages."""
    refusal = decide(state, command, at)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.reason
    assert any("\u4e00" <= letter <= "\u9fff" for letter in refusal.reason_zh)
    return refusal.word


def proposed() -> Dossier:
    """Return a dossier with a proposal."""
    return after(*(NoteMiss(a_miss(n)) for n in range(3)))


def opened() -> Dossier:
    """Return a dossier with an open inspection."""
    return after(OpenInspection(FIRST, INSPECTOR, "p-inspector"), state=proposed())


def found() -> Dossier:
    """Return a dossier with a finding that is to be put right."""
    wish = RaiseFinding(FIRST, Line.MAIN, "no minutes were kept", LATER, "p-inspector")
    return after(wish, state=opened())


def the_inspection(state: Dossier, inspection: str = FIRST) -> Inspection:
    """Return an inspection that exists."""
    one = state.find(inspection)
    assert one is not None
    return one


def the_finding(state: Dossier, finding: str = FINDING) -> Finding:
    """Return a finding that exists."""
    one = state.find_finding(finding)
    assert one is not None
    return one[1]
