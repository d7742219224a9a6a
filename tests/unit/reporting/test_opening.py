"""How much opens in a year, and that it is the same however often it is asked."""

from datetime import UTC, datetime

import pytest

from contracts.directory import UnitPlaced
from contracts.duties import DutyOpened
from contracts.refusal import Refusal
from contracts.tree import Tree
from services.reporting.domain.decide import decide
from services.reporting.domain.model import OpenReport, Schedule, initial
from services.reporting.domain.opening import opening
from services.reporting.domain.routes import ROUTES

NEW_YEAR = datetime(2025, 12, 31, 16, tzinfo=UTC)
TOWNS, VILLAGES = 100, 100


@pytest.fixture(scope="module")
def tree() -> Tree:
    """Return a county of ten thousand villages."""
    made = Tree()
    towns = [f"town-{n}" for n in range(TOWNS)]
    places = [("county", None), *((town, "county") for town in towns)]
    for code, parent in places:
        made.apply(UnitPlaced(unit=code, name=code, kind="party_committee", parent=parent), 1)
        line = parent and f"{parent}-dc"
        discipline = f"{code}-dc"
        made.apply(
            UnitPlaced(
                unit=discipline, name=discipline, kind="discipline_committee", parent=line, same_level=code
            ),
            1,
        )
    for town in towns:
        for n in range(VILLAGES):
            code = f"{town}-{n}"
            made.apply(UnitPlaced(unit=code, name=code, kind="party_committee", parent=town), 1)
    return made


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    return Schedule("yearly", "double-report", "county", zone="Asia/Shanghai", policy="double-report/1")


def test_r2_ten_thousand_villages_owe_two_recipients_each_under_the_same_ids_whenever_asked(
    tree: Tree, schedule: Schedule
) -> None:
    def owed() -> list[OpenReport]:
        return [wish for wish in opening(tree, schedule, 2026, ROUTES[:1]) if wish.unit.count("-") == 2]

    wishes = owed()

    assert {wish.report: wish.recipients for wish in wishes} == {
        f"2025.main-responsibility.town-{t}-{v}": (f"town-{t}", f"town-{t}-dc")
        for t in range(TOWNS)
        for v in range(VILLAGES)
    }
    assert len(wishes) == 10_000
    assert owed() == wishes


def test_r2_each_edge_of_ten_thousand_villages_is_a_duty_of_its_own(tree: Tree, schedule: Schedule) -> None:
    duties: set[str] = set()
    for wish in opening(tree, schedule, 2026, ROUTES[:1]):
        decision = decide(initial(wish.report), wish, NEW_YEAR)
        assert not isinstance(decision, Refusal)
        duties |= {fact.duty for fact in decision if isinstance(fact, DutyOpened)}

    assert len(duties) == 2 * (TOWNS * VILLAGES + TOWNS)
