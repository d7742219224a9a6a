"""Every query that is sent to the database is backed by an index."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from contracts.directory import UnitPlaced
from contracts.duties import Line
from deploy.embedded.keys import make_token
from services.inspection.app import build as build_inspection
from services.reminders.adapters.notices import NoticeList
from services.reminders.app import build as build_reminders
from services.reporting.app import build as build_reporting
from services.scoring.adapters.sums import Sums
from services.scoring.app import build as build_scoring
from services.scoring.domain.model import Row
from services.scoring.domain.rate import Rate
from services.scoring.domain.view import Slice
from shared import ids
from shared.access import Identity, Verifier
from shared.clock import EPOCH, MICROSECOND, Reading
from shared.http import api
from shared.ledger import GENESIS, seal
from shared.mongo import ClockDocument, MongoStore
from shared.service import Plan, Service
from shared.settings import Settings
from shared.state import Record
from tests.support.hierarchy import Directory, divisions
from tests.support.process import settings_of

FAR = 2**62
DUE = datetime(2026, 1, 31, 16, tzinfo=UTC)
SMALL = {"owners": "one document per book, and there are twelve"}
"""Collections that may be scanned, and why."""


class Ear(CommandListener):
    """Hears what a client asks of the database; Python 3.11 has no word for what overrides."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:  # type: ignore[explicit-override]
        command = {**event.command}
        name = event.command_name
        if name == "find":
            self.asked.append((command["find"], {k: command[k] for k in ("filter", "sort") if k in command}))
        elif name == "aggregate":
            self.asked.append((command["aggregate"], {"filter": command["pipeline"][0]["$match"]}))
        elif name in ("update", "delete"):
            self.asked += [(command[name], {"filter": dict(one["q"])}) for one in command[f"{name}s"]]
        elif name in ("distinct", "findAndModify", "mapReduce"):
            raise AssertionError(f"{name}: nobody asks the database to explain it here")

    def succeeded(self, event: Any) -> None:  # type: ignore[explicit-override]
        pass

    def failed(self, event: Any) -> None:  # type: ignore[explicit-override]
        pass


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def settings(tmp_path: Path, mongo_uri: str) -> Settings:
    return settings_of(Settings, tmp_path, broker_address="127.0.0.1:1", mongo_uri=mongo_uri)


@pytest.fixture
async def store(mongo_uri: str, ear: Ear) -> AsyncIterator[MongoStore]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongo_uri, event_listeners=[ear], tz_aware=True
    )
    yield MongoStore(client, ids.new_id())
    await client.close()


def leads(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield by which field each part of a plan finds its documents, however the server nests it."""
    match plan.get("stage"):
        case "COLLSCAN":
            yield "nothing"
        case "IXSCAN" | "EXPRESS_IXSCAN":
            yield next(iter(plan["keyPattern"]))
        case "IDHACK":
            yield "_id"
        case _:
            pass
    for below in (*plan.get("inputStages", ()), plan.get("inputStage"), plan.get("queryPlan")):
        if below:
            yield from leads(below)


async def explain(store: MongoStore, collection: str, what: Mapping[str, Any]) -> set[str]:
    """Return by which fields the database finds something."""
    asked = {"explain": {"find": collection, **what}, "verbosity": "queryPlanner"}
    answer = await store.database.command(asked)
    return set(leads(answer["queryPlanner"]["winningPlan"]))


async def is_indexed(store: MongoStore, collection: str, what: Mapping[str, Any]) -> bool:
    """Tell whether the database finds something by an index that begins with what is to be equal.

    The embedded server looks a single condition up by its index and filters what it finds by the others,
    but its ``explain`` shows that for the first condition alone; MongoDB shows it for the whole.
    """
    conditions = what["filter"]
    exact = {k for k, v in conditions.items() if not isinstance(v, Mapping) or "$in" in v}
    plans = [await explain(store, collection, what)]
    if not any(name.startswith("$") for name in conditions):
        plans += [await explain(store, collection, {"filter": {k: v}}) for k, v in conditions.items()]
    return any(plan and plan <= (exact or set(conditions)) for plan in plans)


async def unindexed(store: MongoStore, ear: Ear) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what was asked so far and would scan a collection."""
    asked = [one for one in ear.asked if one[0] not in SMALL]
    assert asked, "nothing was asked"
    return [one for one in asked if not await is_indexed(store, *one)]


def a_service(settings: Settings, store: MongoStore) -> Service[Any]:
    """Return a service that is not started and whose queries are heard."""
    service: Service[Any] = Service(settings, "heard")
    service.client.close()
    service.client, service.store = store.client, store
    return service


async def ask(settings: Settings, plan: Plan[Any], path: str, role: str, **query: str) -> None:
    """Ask a service for something as somebody with a role at the root."""

    async def no_progress() -> dict[str, Any]:
        return {}

    app = api(
        plan.name,
        router=plan.router,
        verifier=Verifier(settings.public_key),
        is_ready=lambda: None,
        progress=no_progress,
    )
    token = make_token(settings.public_key.parent, Identity(sub="somebody", unit="33", roles=(role,)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as http:
        answer = await http.get(path, params=query, headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success


async def test_the_queries_of_the_kit_are_indexed(store: MongoStore, ear: Ear) -> None:
    await store.make_indexes()
    await store.insert_page(seal(0, 1, [], "one", 1, GENESIS))
    await store.write_states([{"_id": f"x{n}", "book": 0, "page": 1, "wake_at": n} for n in range(50)])

    await store.read_pages(0, range(1, 65))
    await store.load_states([f"x{n}" for n in range(500)])
    await store.waking(0, 25, 10)
    await store.waking(0, FAR, 1)
    await store.parked(0, 10)
    await store.set_marks({0: {"applied": 1, "said": 1}})
    await store.marks(0)
    await store.newest_at(0)
    await store.claim(0, "one", "here:1", timedelta(minutes=1))
    await store.owner(0)
    await store.release(0, "one")

    assert {collection for collection, _ in ear.asked} == {"pages", "states", "marks", "owners"}
    assert await unindexed(store, ear) == []


async def test_what_is_counted_every_now_and_then_is_found_by_an_index(
    settings: Settings, store: MongoStore, ear: Ear
) -> None:
    """Of three hundred watches each third is open and each hundredth parked."""
    service = a_service(settings, store)
    plan: Plan[Any] = build_reminders(service)
    await store.make_indexes(plan.views)
    await store.write_states(
        [
            {
                "_id": f"d{n}",
                "book": n % 12,
                "page": 1,
                "wake_at": n,
                "view": {"open": f"{n % 2}/main", "due_at": 1_000 + n} if n % 3 == 0 else {},
                **({"letters": 2} if n % 100 == 0 else {}),
            }
            for n in range(300)
        ]
    )
    ear.asked.clear()

    assert await store.count_parked(range(12)) == 3
    assert await store.count_parked([1, 2]) == 0
    assert plan.count is not None
    await plan.count(range(12))
    await plan.count([3])

    tally = await store.tally_states({"view.open": {"$gt": ""}}, "view.open", "view.due_at")
    assert sum(count for count, _ in tally.values()) == 100
    assert tally[3, "1/main"] == (25, 1_003)
    assert {collection for collection, _ in ear.asked} == {"states"}
    assert await unindexed(store, ear) == []


async def test_the_hurried_clock_is_found_by_its_identity(store: MongoStore, ear: Ear) -> None:
    await ClockDocument(store.client).write(Reading(EPOCH, EPOCH))
    await ClockDocument(store.client).read()

    assert ear.asked == [("clock", {"filter": {"_id": "clock"}})] * 2


async def test_the_list_of_notices_is_read_by_its_indexes(
    settings: Settings, store: MongoStore, ear: Ear
) -> None:
    notices = NoticeList(a_service(settings, store))
    await notices.make_indexes()
    await store.database["notices"].insert_many(
        [{"_id": n, "cursor": f"{n:020d}", "post": f"p{n % 7}"} for n in range(50)]
    )

    await notices.read(post=None, after="", limit=10)
    await notices.read(post="p1", after=f"{20:020d}", limit=10)

    assert [sorted(what["filter"]) for _, what in ear.asked] == [["cursor"], ["cursor", "post"]]
    assert await unindexed(store, ear) == []


async def test_reports_are_found_by_their_unit_and_period(
    settings: Settings, store: MongoStore, ear: Ear
) -> None:
    service = a_service(settings, store)
    plan: Plan[Any] = build_reporting(service)
    service.tree = Directory().imported(divisions()).tree
    await store.make_indexes(plan.views)
    await store.write_states(
        [
            {"_id": f"r{n}", "book": 0, "page": 1, "view": {"unit": f"u{n}", "period": f"{2000 + n % 30}"}}
            for n in range(300)
        ]
    )
    ear.asked.clear()

    for more in ({}, {"period": "2025"}, {"period": "2025", "status": "open"}):
        await ask(settings, plan, "/v1/reports", "operator", unit="330305", **more)

    asked = [set(what["filter"]) for _, what in ear.asked]
    assert asked == [{"view.unit"}, {"view.unit", "view.period"}, {"view.unit", "view.period"}]
    assert await unindexed(store, ear) == []


async def test_scores_are_summed_over_indexed_rows_and_as_a_fold_would_sum_them(
    settings: Settings, store: MongoStore, ear: Ear
) -> None:
    """Each unit has done all of its six duties; one piece of work in five came back."""
    service = a_service(settings, store)
    plan: Plan[Any] = build_scoring(service)
    service.tree.apply(UnitPlaced(unit="u1", name="", kind="", parent=None), 1)
    await store.make_indexes(plan.views)
    shape = plan.decider.shape
    rows = [
        Row(
            f"d{n}",
            unit=f"u{n % 50}",
            kind="lesson",
            line=Line.MAIN,
            due_at=DUE,
            fulfilled_at=DUE,
            continues=f"d{n - 50}" if n % 5 == 1 and n >= 50 else None,
        )
        for n in range(300)
    ]
    await store.write_states([shape.to_document(Record(row.duty, row, page=1), 0) for row in rows])
    ear.asked.clear()

    scores, after = Sums(store, service.tree, shape), DUE + MICROSECOND
    part = Slice("2026-01", "lesson", Line.MAIN)
    assert await scores.rates(["u1", "u2"], after) == {"u1": Rate(1, 6), "u2": Rate(6, 6)}
    assert await scores.rates(["u1", "nowhere"], after, part) == {"u1": Rate(1, 6)}
    assert len(await scores.rates(None, after)) == 50
    assert await scores.rates(None, after, Slice("2026-01")) == {"u1": Rate(1, 6)}
    assert await scores.rates(None, DUE) == {}
    found, came_back = await scores.rows("u1", after, part)
    assert (len(found), len(came_back)) == (6, 5)

    assert {name for _, what in ear.asked for name in what["filter"]} == {
        *("view.unit", "view.due_at", "view.continues", "view.kind", "view.line", "_id")
    }
    assert await unindexed(store, ear) == []


async def test_inspections_are_found_by_their_unit(settings: Settings, store: MongoStore, ear: Ear) -> None:
    service = a_service(settings, store)
    plan: Plan[Any] = build_inspection(service)
    service.tree = Directory().imported(divisions()).tree
    await store.make_indexes(plan.views)
    shape = plan.decider.shape
    records = [Record(f"u{n}", shape.initial(f"u{n}"), page=1) for n in range(99)]
    views = [{"unit": f"u{n}", "is_pending": n < 5} if n % 9 else {} for n in range(99)]
    await store.write_states(
        [shape.to_document(one, 0) | {"view": view} for one, view in zip(records, views, strict=True)]
    )
    ear.asked.clear()

    for more in ({}, {"status": "proposed"}):
        await ask(settings, plan, "/v1/inspections", "inspector", unit="330305", **more)

    asked = [set(what["filter"]) for _, what in ear.asked]
    assert asked == [{"view.unit"}, {"view.unit", "view.is_pending"}]
    assert await unindexed(store, ear) == []


async def test_a_query_that_no_index_backs_is_found_out(store: MongoStore, ear: Ear) -> None:
    await store.make_indexes()
    await store.write_states([{"_id": "x", "book": 0, "page": 1, "wake_at": 1}])

    await store.find_states({"version": 1})
    await store.find_states({"$or": [{"_id": "x"}, {"version": 1}]})
    await store.find_states({"page": 1, "wake_at": 1})

    assert [sorted(what["filter"]) for _, what in await unindexed(store, ear)] == [
        ["version"],
        ["$or"],
        ["page", "wake_at"],
    ]


async def test_a_collection_that_may_be_scanned_is_small(store: MongoStore, ear: Ear) -> None:
    for book in range(12):
        await store.claim(book, "one", "here:1", timedelta(minutes=1))
        await store.claim(book, "two", "there:2", timedelta(minutes=1))

    assert await store.database["owners"].count_documents({}) == 12
