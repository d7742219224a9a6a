"""Sums over the stored rows: one query by an index, less the work that came back."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.tree import Tree
from services.scoring.domain.model import MICROSECOND, Row, micros
from services.scoring.domain.months import ends_at, starts_at
from services.scoring.domain.outcome import Return, returns
from services.scoring.domain.rate import Rate
from services.scoring.domain.view import ALL, SUMMED, Slice
from shared.mongo import Index, MongoStore
from shared.state import Shape

MANY = 5_000
"""More units than this are not named in queries: all are summed, and the others left out."""
NAMED_AT_ONCE = 50
"""The embedded server compares each row that it finds with every unit named."""
VIEWS: tuple[Index, ...] = (
    [("view.unit", 1), ("view.due_at", 1)],
    [("view.due_at", 1)],
    [("view.continues", 1)],
)


class Sums:
    """What the rows of units add up to, as of a moment: a duty counts once it was due before that."""

    def __init__(self, store: MongoStore, tree: Tree, shape: Shape[Any]) -> None:
        self._store, self._tree, self._shape = store, tree, shape

    async def rates(
        self, units: Collection[str] | None, as_of: datetime | None, part: Slice = ALL
    ) -> dict[str, Rate]:
        """Return the rate of each unit that has any row, of all units if None."""
        if as_of is None:
            return {}
        found: dict[str, Rate] = {}
        for zone, where in self._queries(units, as_of, part).items():
            rates = await self._sum(units, where)
            found |= {u: rate for u, rate in rates.items() if zone is None or self._zone(u) == zone}
        return found

    async def rows(
        self, unit: str, as_of: datetime | None, part: Slice = ALL
    ) -> tuple[list[Row], Mapping[Return, str]]:
        """Return the rows behind the rate of a unit, and the work among them that came back."""
        if as_of is None:
            return [], {}
        (where,) = self._queries([unit], as_of, part).values()
        found = await self._store.find_states({"view.unit": unit, **where})
        return [self._row(document) for document in found], await self._returns([unit])

    def _queries(
        self, units: Collection[str] | None, as_of: datetime, part: Slice
    ) -> dict[str | None, dict[str, Any]]:
        """Return what to ask for each zone; None stands for all zones if no window is asked for."""
        where = {f"view.{k}": str(v) for k, v in (("kind", part.kind), ("line", part.line)) if v is not None}
        if part.window is None:
            return {None: {"view.due_at": {"$lt": micros(as_of)}, **where}}
        zones = {self._zone(unit) for unit in (self._tree.units if units is None else units)} - {""}
        return {zone: {"view.due_at": _due_in(part.window, zone, as_of), **where} for zone in zones}

    async def _sum(self, units: Collection[str] | None, where: Mapping[str, Any]) -> dict[str, Rate]:
        rates: dict[str, Rate] = {}
        returned = await self._returns(units)
        for named in _parts(units):
            query = dict(where) if named is None else {"view.unit": {"$in": named}, **where}
            mine = returned.keys() if named is None else {one for one in returned if one[0] in named}
            came_back = await self._came_back(mine, query)
            if came_back:
                query["_id"] = {"$nin": sorted(came_back)}
            sums = await self._store.sum_states(query, "view.unit", SUMMED)
            rates |= {unit: Rate(*(row[field] for field in SUMMED)) for unit, row in sums.items()}
            for shown in came_back.values():
                rates[shown["unit"]] = rates.get(shown["unit"], Rate()) + Rate(0, shown["due"])
        wanted = rates.keys() if units is None else set(units)
        return {unit: rate for unit, rate in rates.items() if unit in wanted}

    async def _came_back(
        self, known: Collection[Return], query: Mapping[str, Any]
    ) -> dict[str, Mapping[str, Any]]:
        """Return the views of the rows of a query whose work came back: they count as due only."""
        if not known:
            return {}
        where = {"_id": {"$in": sorted({duty for _, duty in known})}, **query}
        found = {document["_id"]: document["view"] for document in await self._store.find_states(where)}
        return {duty: shown for duty, shown in found.items() if (shown["unit"], duty) in known}

    async def _returns(self, units: Collection[str] | None) -> dict[Return, str]:
        """Return the work that came back: it is little, and found by itself unless one unit is asked for."""
        where: dict[str, Any] = {"view.continues": {"$gt": ""}}
        if units is not None and len(units) == 1:
            where = {"view.unit": next(iter(units)), **where}
        found = [self._row(document) for document in await self._store.find_states(where)]
        return returns(row for row in found if units is None or row.unit in units)

    def _row(self, document: Mapping[str, Any]) -> Row:
        row: Row = self._shape.from_document(document).body
        return row

    def _zone(self, unit: str) -> str:
        return self._tree.units[unit].zone if unit in self._tree.units else ""


def _parts(units: Collection[str] | None) -> Sequence[Sequence[str] | None]:
    """Return the units to name in each query, None where none is named."""
    if units is None or len(units) > MANY:
        return [None]
    named = sorted(set(units))
    return [named[n : n + NAMED_AT_ONCE] for n in range(0, len(named), NAMED_AT_ONCE)]


def _due_in(window: str, zone: str, as_of: datetime) -> dict[str, int]:
    """Return the due moments of a window that lie before a moment; its first moment is not in it."""
    end = min(ends_at(window, zone) + MICROSECOND, as_of)
    return {"$gt": micros(starts_at(window, zone)), "$lt": micros(end)}
