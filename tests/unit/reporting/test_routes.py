"""Who reports what to whom."""

from dataclasses import asdict

import pytest
from pydantic import ValidationError

from contracts.duties import DutyOpened, Line
from contracts.refusal import Refusal
from services.directory.domain.model import CloseUnit
from services.reporting.domain.routes import ROUTES, edges, read_routes
from tests.support.hierarchy import NOW, Directory, a_mixed_tree, divisions

TABLE = [asdict(route) for route in ROUTES]


def owed(directory: Directory, unit: str) -> dict[str, tuple[Line, tuple[str, ...]]]:
    """Return the rows that a unit owes."""
    return {route.row: (route.line, recipients) for route, recipients in edges(directory.tree, unit)}


def test_a_party_organisation_reports_to_the_superior_committee_and_the_superior_discipline_committee() -> (
    None
):
    recipients = ("330305001", "330305001-dc")
    assert owed(Directory().imported(divisions()), "330305001200") == {
        "main-responsibility": (Line.MAIN, recipients),
        "first-responsible-person": (Line.MAIN, recipients),
    }


def test_a_discipline_organisation_reports_to_its_own_committee_and_the_superior_discipline_committee() -> (
    None
):
    assert owed(Directory().imported(divisions()), "330305001200-dc") == {
        "supervision-responsibility": (Line.SUPERVISION, ("330305001200", "330305001-dc"))
    }


def test_nothing_leaves_the_root_upward() -> None:
    directory = Directory().imported(divisions())
    assert owed(directory, "33") == {}
    assert owed(directory, "33-dc") == {"supervision-responsibility": (Line.SUPERVISION, ("33",))}


def test_f4_every_kind_of_unit_reports() -> None:
    directory = a_mixed_tree()
    assert owed(directory, "330305-office")["main-responsibility"][1] == ("330305", "330305-dc")
    assert owed(directory, "330305-office-archive")["main-responsibility"][1] == (
        "330305-office",
        "330305-dc",
    )
    assert owed(directory, "bank-outlet")["main-responsibility"][1] == ("bank-branch", "bank-branch-dc")
    assert owed(directory, "bank-branch-dc")["supervision-responsibility"][1] == ("bank-branch", "330305-dc")
    silent = [unit for unit in directory.tree.units if not edges(directory.tree, unit)]
    assert silent == ["33"]


def test_a_closed_discipline_committee_receives_nothing() -> None:
    directory = a_mixed_tree().done(CloseUnit("bank-branch-dc"))
    assert owed(directory, "bank-outlet")["main-responsibility"][1] == ("bank-branch", "330305-dc")


def test_the_table_can_be_edited() -> None:
    table = [{**row, "recipients": ["superior_committee"] * 2} for row in TABLE]
    routes = read_routes(table)
    assert not isinstance(routes, Refusal)
    assert [recipients for _, recipients in edges(a_mixed_tree().tree, "bank-outlet", routes)] == [
        ("bank-branch",)
    ] * 2
    assert read_routes(TABLE) == ROUTES


@pytest.mark.parametrize("line", [None, "", "both", "main,supervision", ["main", "supervision"], {"main"}])
def test_f3_a_row_without_a_line_or_with_two_is_refused(line: object) -> None:
    refusal = read_routes([TABLE[0], {**TABLE[1], "line": line}])
    assert isinstance(refusal, Refusal)
    assert refusal.word == "not_one_line"
    assert "first-responsible-person" in refusal.reason
    without = {key: value for key, value in TABLE[0].items() if key != "line"}
    assert isinstance(read_routes([without]), Refusal)


def test_f3_no_duty_is_without_a_line_or_of_two() -> None:
    whole = {
        "duty": "d", "unit": "u", "kind": "k", "recipient": "r", "period": "2025",
        "due_at": NOW, "policy": "p/1", "occurrence": "o",
    }  # fmt: skip
    DutyOpened.model_validate({**whole, "line": "main"})
    for line in ({}, {"line": None}, {"line": "both"}, {"line": ["main", "supervision"]}):
        with pytest.raises(ValidationError):
            DutyOpened.model_validate({**whole, **line})


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("reporter", "everybody", "unknown_reporter"),
        ("recipients", [], "unknown_recipient"),
        ("recipients", ["superior_committee", "anybody"], "unknown_recipient"),
    ],
)
def test_a_row_names_who_reports_and_who_receives(field: str, value: object, word: str) -> None:
    refusal = read_routes([{**TABLE[0], field: value}])
    assert isinstance(refusal, Refusal)
    assert refusal.word == word
