"""A tree with levels and duties on it, for what they add up to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from contracts.directory import UnitPlaced
from contracts.duties import DutyFulfilled, DutyOpened, Line
from contracts.envelope import Fact
from contracts.tree import Tree
from services.scoring.domain.months import ends_at

ZONE = "Asia/Shanghai"
DAY = timedelta(days=1)
LEVELS = ("province", "city", "county")
PROVINCE, CITIES, COUNTIES = "p", ("p-1", "p-2"), ("p-1-1", "p-1-2", "p-2-1", "p-2-2")


def placed(unit: str, parent: str | None, level: str, zone: str = ZONE) -> list[Fact]:
    """Return the facts that place a Party committee and its discipline committee."""
    kinds = ("party_committee", "discipline_committee")
    above = parent and f"{parent}-dc"
    return [
        UnitPlaced(unit=unit, name=unit, kind=kinds[0], parent=parent, level=level, zone=zone),
        UnitPlaced(
            unit=f"{unit}-dc",
            name=unit,
            kind=kinds[1],
            parent=above,
            same_level=unit,
            level=level,
            zone=zone,
        ),
    ]


def a_province() -> list[Fact]:
    """Return a province with two cities, and two counties in each."""
    parents = {unit: unit.rpartition("-")[0] or None for unit in (PROVINCE, *CITIES, *COUNTIES)}
    return [
        fact for unit, parent in parents.items() for fact in placed(unit, parent, LEVELS[unit.count("-")])
    ]


def tree_of(facts: list[Fact]) -> Tree:
    """Return the tree that facts tell of."""
    tree = Tree()
    for sequence, fact in enumerate(facts, start=1):
        tree.apply(fact, sequence)
    return tree


def a_duty(
    duty: str = "d",
    unit: str = PROVINCE,
    due_at: datetime = datetime(2026, 1, 31, 16, tzinfo=UTC),
    *,
    continues: str | None = None,
    line: Line = Line.MAIN,
    kind: str = "double-report",
) -> DutyOpened:
    """Return a duty of a unit, due at the end of January."""
    return DutyOpened(
        duty=duty,
        unit=unit,
        kind=kind,
        line=line,
        recipient="above",
        period="2025",
        due_at=due_at,
        policy="standard/1",
        occurrence=duty,
        continues=continues,
    )


def done(duty: DutyOpened, late: timedelta = timedelta()) -> DutyFulfilled:
    """Return that a duty was fulfilled at its last moment, or so much later."""
    return DutyFulfilled(duty=duty.duty, unit=duty.unit, fulfilled_at=duty.due_at + late)


def a_month(unit: str, window: str, on_time: int, due: int) -> Iterator[Fact]:
    """Yield the duties of a unit that are due at the end of a month, and that some were done in time."""
    for n in range(due):
        duty = a_duty(f"{unit}.{window}.{n}", unit, ends_at(window, ZONE))
        yield duty
        if n < on_time:
            yield done(duty)


def hot_above(*windows: str, counties: int = 11) -> list[Fact]:
    """Return months in which the province does 19 of 20, each city 18, and each county 11 (mission V1)."""
    means = {PROVINCE: 19, **dict.fromkeys(CITIES, 18), **dict.fromkeys(COUNTIES, counties)}
    return [
        fact for window in windows for unit, done in means.items() for fact in a_month(unit, window, done, 20)
    ]
