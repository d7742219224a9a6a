"""A score equals the score recomputed from the first page: the proof, apart from every view."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from contracts.tree import Tree
from services.scoring.adapters.sums import Sums
from services.scoring.domain.model import Row
from services.scoring.domain.outcome import returns, score
from services.scoring.domain.rate import Rate
from shared.mongo import MongoStore
from shared.reading import pages_of
from shared.state import Record, Shape

FAR = datetime(9999, 1, 1, tzinfo=UTC)
"""As of then every duty has been due; what is compared must not depend on who asks when."""


async def scores(store: MongoStore, books: int, shape: Shape[Any]) -> dict[str, Rate]:
    """Return the score of every unit, folded from the first page of every book."""
    records: dict[str, Record[Any]] = {}
    for book in range(books):
        async for page in pages_of(store, book):
            for entry in page.entries:
                record = records.setdefault(entry.stream, shape.new(entry.stream))
                shape.fold(record, entry, page.number)
    rows = [r.body for r in records.values() if isinstance(r.body, Row) and r.body.due_at is not None]
    came_back = returns(rows)
    by_unit: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_unit[row.unit].append(row)
    return {unit: score(mine, came_back) for unit, mine in by_unit.items()}


async def recompute(store: MongoStore, books: int, shape: Shape[Any]) -> tuple[int, list[str]]:
    """Return how many scores there are, and the units whose stored rows add up to another one."""
    right = await scores(store, books, shape)
    stored = await Sums(store, Tree(), shape).rates(None, FAR)
    return len(right), sorted(unit for unit in {*right, *stored} if right.get(unit) != stored.get(unit))
