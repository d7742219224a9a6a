"""People in: the score of a unit and why, of the levels below it, and where pressure is lost."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Request as HttpRequest

from contracts.duties import Line
from contracts.personal import shown
from services.scoring.domain.model import HEAT, Heat
from services.scoring.domain.outcome import score
from services.scoring.domain.territory import depths, edge, sides, territory, total, uppers
from services.scoring.domain.view import Scores, Slice
from services.scoring.entrypoints.hearing import HEAT_BOOK, Hearing
from services.scoring.entrypoints.words import Words, iso
from shared.http import Caller, ProblemError
from shared.service import Service

WINDOW = "^2[0-9]{3}-(0[1-9]|1[0-2])$"
EDGES_AT_ONCE = 100


def _slice(
    window: Annotated[str | None, Query(pattern=WINDOW, description="a month: 2026-01")] = None,
    kind: str | None = None,
    line: Line | None = None,
) -> Slice:
    return Slice(window, kind, line)


def _words(request: HttpRequest) -> Words:
    return Words(is_chinese=request.headers.get("accept-language", "").lower().startswith("zh"))


Part = Annotated[Slice, Depends(_slice)]
"""Which duties are asked for."""
Language = Annotated[Words, Depends(_words)]
"""The language that is asked for."""


def routes(service: Service[Any], hearing: Hearing, scores: Scores) -> APIRouter:
    """Return the routes of scoring; units are told in order of their code and never ranked (mission §3)."""
    router = APIRouter(prefix="/v1/units/{unit}")

    @router.get("/score")
    async def one(
        unit: str,
        caller: Caller,
        part: Part,
        words: Language,
        *,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> dict[str, Any]:
        """Return what a unit's own duties add up to, and every one of them with the facts behind it (K11)."""
        _known(service, unit, caller.unit)
        as_of = await hearing.as_of()
        rows, came_back = await scores.rows(unit, as_of, part)
        shown = [row for row in rows if row.duty > after]
        return {
            "unit": unit,
            **_asked(part, as_of),
            "rate": words.rate(score(rows, came_back)),
            "rows": [words.row(row, came_back, service.tree.units[unit].zone) for row in shown[:limit]],
            "after": shown[limit - 1].duty if len(shown) > limit else "",
        }

    @router.get("/levels")
    async def levels(unit: str, caller: Caller, part: Part, words: Language) -> dict[str, Any]:
        """Return a row for each depth below a unit: what its territories add up to, together."""
        _known(service, unit, caller.unit)
        tree, as_of = service.tree, await hearing.as_of()
        found = [
            (codes, [unit for code in codes for unit in territory(tree, code)])
            for codes in depths(tree, tree.committee_of(unit))
        ]
        rates = await scores.rates([unit for _, units in found for unit in units], as_of, part)
        items = [
            {
                "depth": depth,
                "levels": sorted({tree.units[code].level for code in codes}),
                "territories": sum(not tree.units[code].is_closed for code in codes),
                **words.side(total(units, rates)),
            }
            for depth, (codes, units) in enumerate(found)
        ]
        return {"unit": unit, **_asked(part, as_of), "items": items}

    @router.get("/edges")
    async def edges(
        unit: str,
        caller: Caller,
        part: Part,
        words: Language,
        *,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=EDGES_AT_ONCE)] = EDGES_AT_ONCE,
    ) -> dict[str, Any]:
        """Return both sides of each edge at and below a unit: where pressure is lost (V1)."""
        _known(service, unit, caller.unit)
        tree, as_of, heat = service.tree, await hearing.as_of(), await _heat(service)
        codes = [code for code in uppers(tree, tree.committee_of(unit)) if code > after]
        found = [one for code in codes[:limit] if (one := edge(tree, code)) is not None]
        rates = await scores.rates([u for one in found for u in (*one.upper, *one.lower)], as_of, part)
        items = [
            {"unit": one.unit, **words.edge(*sides(one, rates)), **_flag(heat, one.unit)} for one in found
        ]
        after = codes[limit - 1] if len(codes) > limit else ""
        return {"unit": unit, **_asked(part, as_of), "items": items, "after": after}

    return router


def _known(service: Service[Any], unit: str, root: str) -> None:
    """Refuse a unit that does not exist or lies outside the caller's subtree, alike."""
    if unit not in service.tree.units or not service.tree.is_within(unit, root):
        raise ProblemError(
            404,
            "unknown_unit",
            f"There is no unit {shown(unit)} in your subtree.",
            f"管辖范围内没有单位 {shown(unit)}。",
        )


async def _heat(service: Service[Any]) -> Heat:
    book = service.books.get(HEAT_BOOK)
    heat: Heat = await book.peek(HEAT) if book is not None else await service.read(HEAT)
    return heat


def _asked(part: Slice, as_of: Any) -> dict[str, Any]:
    return {"as_of": iso(as_of), "window": part.window, "kind": part.kind, "line": part.line}


def _flag(heat: Heat, unit: str) -> Mapping[str, Any]:
    return {"flagged": unit in heat.flags, "windows": list(heat.flags.get(unit, ()))}
