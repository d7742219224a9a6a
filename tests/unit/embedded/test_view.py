"""What a person sees: it fits into 80 columns, with and without colour, in both languages."""

import ast
from collections import Counter, deque
from datetime import datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

import deploy.embedded
from deploy.embedded.board import Board, is_lost
from deploy.embedded.parameters import ZONE, Parameters
from deploy.embedded.people import Tally
from deploy.embedded.texts import TEXTS, Language, Texts, language_of
from deploy.embedded.view import draw, what_of

MARCH = datetime(2026, 3, 12, 9, tzinfo=ZONE)
LEVELS = ("province", "city", "county", "township", "village")


def share(numerator: int, denominator: int) -> dict[str, Any]:
    return {"numerator": numerator, "denominator": denominator, "text": "62.5 %"}


def a_board() -> Board:
    """Return full answers: long numbers, a level without data, an edge on which pressure is lost."""
    rates = [{"on_time": 13_492, "due": 15_564, "late": 1_022}] * 4 + [{"on_time": 0, "due": 0, "late": 0}]
    levels = [{"levels": [level], "rate": rate} for level, rate in zip(LEVELS, rates, strict=True)]
    side = {"heat": {"text": "87.5 %"}}
    edge = {"unit": "330305", "upper": side, "lower": side, "gap": share(1, 4)}
    return Board(15_564, {0.25: 90.0, 1.0: 99.0, float("inf"): 100.0}, levels, [edge, edge, edge])


def a_story(*, reports: int = 2_000) -> Any:
    """Return a story in March, with everything in it that can be long."""
    notice = {
        "post": "330305001001-dc/leader_in_charge",
        "duty": "2025.first-responsible-person.330305001001@330305001",
        "unit": "330305001001-dc",
        "planned_at": MARCH.isoformat(),
    }
    tally = Tally(
        reports=reports,
        notices=102_077,
        acknowledged=10_151,
        levels=Counter({0: 24_800, 1: 13_000, 4: 10_800}),
        newest=deque([notice] * 3),
        inspections=Counter(
            {"proposed": 312, "confirmed": 250, "found": 250, "verified": 199, "returned": 40}
        ),
        proposal={"unit": "330305001001", "evidence": [{}] * 12},
        due=Counter({datetime(2026, 4, 1, tzinfo=ZONE): 1_300}),
    )
    names = {"330305": "洞头区", "330305001001": "北岙街道城中社区居民委员会"}
    return SimpleNamespace(
        now=MARCH,
        parameters=Parameters(),
        tally=tally,
        names=names,
        rows=[{}] * 3_890,
        imported=1_500,
        duties=23_335,
        clock=SimpleNamespace(jumps=1_261),
        stack=SimpleNamespace(restarts={"reminders": 12}),
    )


def drawn(story: Any, language: Language, *, is_coloured: bool = False) -> list[str]:
    """Return the lines of a picture on a terminal of 80 columns."""
    out = StringIO()
    console = Console(file=out, width=80, no_color=True, force_terminal=is_coloured, legacy_windows=False)
    console.print(draw(story, a_board(), Texts(language)))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("reports", [0, 2_000])
def test_a_picture_fits_into_a_terminal_of_80_columns_and_24_lines(language: Language, reports: int) -> None:
    lines = drawn(a_story(reports=reports), language)

    assert max(map(cell_len, lines)) <= 80
    assert len(lines) <= 23
    assert "\x1b" not in "".join(lines)


def test_a_picture_says_what_is_due_who_was_told_and_what_is_lost() -> None:
    text = "\n".join(drawn(a_story(), "en"))

    for words in ("next due 03-31: 1300", "missing 4200", "24800", "no data", "pressure lost below: 洞头区"):
        assert words in text
    assert "woke ≤ 0.25 s late (p50), ≤ 1 s (p99)" in text


def test_every_text_stands_in_both_languages_with_the_same_blanks() -> None:
    for english, chinese in TEXTS.values():
        assert english
        assert chinese
        assert set(blanks(english)) == set(blanks(chinese))


def blanks(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("{")[1:]]


def named(func: ast.expr) -> str:
    return str(getattr(func, "id", getattr(func, "attr", "")))


def test_every_text_that_is_asked_for_by_name_is_there() -> None:
    folder = Path(deploy.embedded.__file__).parent
    calls = [
        node
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("say", "tell")
    ]
    asked = {c.args[0].value for c in calls if c.args and isinstance(c.args[0], ast.Constant)}
    assert len(asked) > 15
    assert asked <= set(TEXTS)


@pytest.mark.parametrize(
    ("wanted", "locale", "language"),
    [
        (None, "zh_CN.UTF-8", "zh"),
        (None, "de_DE", "en"),
        (None, "", "en"),
        ("en", "zh_CN", "en"),
        ("zh", "C", "zh"),
    ],
)
def test_the_language_is_the_wanted_one_or_that_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, locale: str, language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)

    assert language_of(wanted) == language


@pytest.mark.parametrize(
    ("gap", "lost"), [((1, 5), True), ((199, 1000), False), ((0, 0), False), ((-1, 2), False)]
)
def test_pressure_is_lost_from_a_fifth_on_and_never_without_data(gap: tuple[int, int], lost: bool) -> None:
    assert is_lost({"gap": share(*gap)}) is lost


@pytest.mark.parametrize(
    ("duty", "kind"),
    [
        ("2025.main-responsibility.330305@3303", "main-responsibility"),
        ("party-school.2026-03.330305001", "lesson"),
        ("rectification.330305001.special.1.1.1", "rectification"),
        ("verification.330305001.special.1.1.1", "verification"),
    ],
)
def test_a_duty_is_called_by_its_kind(duty: str, kind: str) -> None:
    assert what_of(duty) == kind
