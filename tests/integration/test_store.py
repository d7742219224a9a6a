"""One promise, three keepers: the store in memory, MongoDB through motor, and MongoDB through PyMongo."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import cramjam
import pytest
from bson import encode
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError, OperationFailure

from shared import ids
from shared import mongo as mongo_module
from shared.book import PROBE
from shared.clock import Reading, from_micros, to_micros
from shared.commands import verify_books
from shared.ledger import GENESIS, Entry, Event, Fault, Page, digest, seal, to_document
from shared.mongo import ClockDocument, MongoStore, connect, disconnect, insert_new
from shared.reading import pages_of
from shared.store import PageTakenError, SpoiltPageError, StoreUnavailableError
from shared.testing.memory import MemoryStore
from tests.support.eventually import eventually
from tests.support.kit import NOON, as_version_0_1
from tests.support.servers import DRIVERS


@pytest.fixture(params=("memory", *DRIVERS))
async def store(request: pytest.FixtureRequest, mongo_uri: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
        return
    client = connect(mongo_uri, request.param)
    store = MongoStore(client, ids.new_id())
    await store.make_indexes()
    yield store
    await disconnect(client)


@pytest.fixture(params=DRIVERS)
async def mongo(request: pytest.FixtureRequest, mongo_uri: str) -> AsyncIterator[MongoStore]:
    client = connect(mongo_uri, request.param)
    yield MongoStore(client, ids.new_id())
    await disconnect(client)


def a_page(number: int, *, book: int = 0, actor: str = "one", at: int = 0) -> Page:
    event = Event("b", "b.noted.v1", "b:x", '{"名":"洞头区"}'.encode())
    content = ("b:x", number, "ask", "b:x", ("/a#a:x", number), (event,))
    entry = Entry(*content, b"salt" * 4, digest(b"salt" * 4, *content))
    return seal(book, number, [entry], actor, at, GENESIS)


def a_state(stream: str = "b:x", *, page: int, book: int = 0, **more: Any) -> dict[str, Any]:
    """Return a state whose stream has had a version on each page."""
    return {
        "_id": stream,
        "book": book,
        "page": page,
        "version": page,
        "body": f"as of page {page}".encode(),
        **more,
    }


async def test_a_page_comes_back_as_it_was_inserted(store: Any) -> None:
    page = a_page(1)

    await store.insert_page(page)

    assert await store.read_pages(0, [1]) == [page]


async def test_a_page_of_version_0_1_comes_back_too(mongo: MongoStore) -> None:
    await mongo.pages.insert_one(as_version_0_1(a_page(1)))
    await mongo.insert_page(a_page(2))

    assert await mongo.read_pages(0, [1, 2]) == [a_page(1), a_page(2)]


@pytest.mark.parametrize("is_empty", [False, True])
@pytest.mark.parametrize(
    "spoilt",
    [
        {"$set": {"entries": b"no binary of ours"}},
        {"$set": {"entries": bytes(cramjam.zstd.compress(b"no rows"))}},
        {"$set": {"entries": bytes(cramjam.zstd.compress(encode({"entries": [["too short"]]})))}},
        {"$set": {"entries": 7}},
        {"$unset": {"entries": 1}},
    ],
)
async def test_a_spoilt_page_is_read_as_nothing_else_and_verify_names_it_alone(
    mongo: MongoStore, spoilt: Any, *, is_empty: bool
) -> None:
    pages = [a_page(1)]
    for number in range(2, PROBE + 3):
        entries = () if is_empty else a_page(number).entries
        pages.append(seal(0, number, entries, "one", 0, pages[-1].hash))
    for page in pages:
        await mongo.insert_page(page)
    await mongo.pages.update_one({"_id": "0/2"}, spoilt)

    with pytest.raises(SpoiltPageError, match="0/2"):
        await mongo.read_pages(0, [1, 2])
    with pytest.raises(SpoiltPageError):
        [page async for page in pages_of(mongo, 0)]
    assert await verify_books(mongo, 1, {}) == (PROBE + 2, [Fault("0/2", "was changed")])


async def test_a_page_of_many_alike_takes_a_tenth_of_its_room(mongo: MongoStore) -> None:
    page = a_page(1)
    many = page._replace(entries=page.entries * 200)
    await mongo.insert_page(many)

    (kept,) = await mongo.pages.find().to_list(None)
    assert len(encode(kept)) < len(encode(to_document(many))) / 10


async def test_the_number_of_a_page_is_taken_once_and_for_all(store: Any) -> None:
    await store.insert_page(a_page(1))

    with pytest.raises(PageTakenError):
        await store.insert_page(a_page(1, actor="two"))

    assert [page.actor for page in await store.read_pages(0, [1])] == ["one"]


async def test_the_same_number_of_another_book_is_free(store: Any) -> None:
    await store.insert_page(a_page(1))
    await store.insert_page(a_page(1, book=10))

    assert [page.book for page in await store.read_pages(1, [1])] == []
    assert [page.book for page in await store.read_pages(10, [1])] == [10]


async def test_pages_that_come_together_go_in_few_commands_and_only_whose_number_is_taken_fails(
    mongo: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(encode(mongo_module._packed(a_page(1, actor="two"))))
    monkeypatch.setattr(mongo_module, "BYTES_AT_ONCE", 5 * size)
    commands: list[int] = []
    insert = mongo._insert_pages

    async def insert_pages(pages: Sequence[Any]) -> list[Exception | None]:
        commands.append(len(pages))
        return await insert(pages)

    monkeypatch.setattr(mongo, "_insert_pages", insert_pages)
    await mongo.insert_page(a_page(1, book=5))

    pages = [a_page(1, book=book, actor="two") for book in range(12)]
    ends = await asyncio.gather(*map(mongo.insert_page, pages), return_exceptions=True)

    assert [type(end) for end in ends] == [type(None)] * 5 + [PageTakenError] + [type(None)] * 6
    assert sorted(commands) == [1, 2, 5, 5]
    for page in pages:
        (found,) = await mongo.read_pages(page.book, [1])
        assert found.actor == ("one" if page.book == 5 else "two")


@pytest.mark.parametrize(
    ("details", "ends"),
    [
        ({"writeErrors": [], "writeConcernErrors": [{"errmsg": "late"}]}, [StoreUnavailableError] * 2),
        (
            {"writeErrors": [{"index": 1, "code": 1, "errmsg": "no"}], "writeConcernErrors": []},
            [type(None), OperationFailure],
        ),
    ],
    ids=["not kept for certain", "one refused"],
)
async def test_each_page_of_a_command_learns_what_became_of_it(
    mongo: MongoStore, details: dict[str, Any], ends: list[type]
) -> None:
    class Pages:
        async def insert_many(self, *_: Any, **__: Any) -> None:
            raise BulkWriteError(details)

    mongo.pages = Pages()
    inserting = [mongo.insert_page(a_page(1, book=book)) for book in range(2)]

    assert [type(end) for end in await asyncio.gather(*inserting, return_exceptions=True)] == ends


async def test_who_gives_up_waiting_for_his_page_holds_nobody_up(mongo: MongoStore) -> None:
    leaving = [asyncio.ensure_future(mongo.insert_page(a_page(1, book=book))) for book in range(2)]
    await asyncio.sleep(0)
    leaving[0].cancel()

    assert (await asyncio.gather(*leaving, return_exceptions=True))[1] is None
    await mongo.insert_page(a_page(2, book=1))


async def test_pages_are_read_in_order_and_absent_ones_are_left_out(store: Any) -> None:
    for number in (2, 11, 1, 9, 10):
        await store.insert_page(a_page(number))

    assert [page.number for page in await store.read_pages(0, range(1, 65))] == [1, 2, 9, 10, 11]
    assert [page.number for page in await store.read_pages(0, [11, 3, 2])] == [2, 11]


@pytest.mark.parametrize("new", [(), ("b:new",), ("b:ahead", "b:new", "b:behind")])
async def test_a_state_is_written_over_an_older_one_only_within_one_batch(
    store: Any, new: tuple[str, ...]
) -> None:
    """Whatever is taken for new."""
    await store.write_states([a_state("b:ahead", page=7), a_state("b:behind", page=3)])

    await store.write_states(
        [a_state("b:ahead", page=5), a_state("b:new", page=5), a_state("b:behind", page=5)], new
    )

    found = await store.load_states(["b:ahead", "b:behind", "b:new", "b:never"])
    assert {state["_id"]: state["page"] for state in found} == {"b:ahead": 7, "b:behind": 5, "b:new": 5}
    assert {state["_id"]: state["body"] for state in found}["b:ahead"] == b"as of page 7"


async def test_a_first_version_is_written_once_and_never_over_a_later_one(store: Any) -> None:
    await store.write_states([a_state("b:ahead", page=2), a_state("b:twice", page=1)])

    await store.write_states([a_state(f"b:{name}", page=1) for name in ("ahead", "twice", "new")])

    found = await store.load_states(["b:ahead", "b:twice", "b:new"])
    assert {state["_id"]: state["page"] for state in found} == {"b:ahead": 2, "b:twice": 1, "b:new": 1}


async def test_a_state_that_wakes_no_more_is_found_no_more(store: Any) -> None:
    await store.write_states([a_state(page=1, wake_at=5)])
    await store.write_states([a_state(page=2)])

    assert await store.waking(0, 100, 10) == []


async def test_the_earliest_wake_first_and_only_those_of_the_book(store: Any) -> None:
    await store.write_states(
        [
            a_state("late", page=1, wake_at=30),
            a_state("early", page=1, wake_at=10),
            a_state("never", page=1),
            a_state("beyond", page=1, wake_at=31),
            a_state("middle", page=1, wake_at=20),
            a_state("elsewhere", page=1, book=1, wake_at=1),
        ]
    )

    assert await store.waking(0, 30, 10) == [(10, "early"), (20, "middle"), (30, "late")]
    assert await store.waking(0, 30, 2) == [(10, "early"), (20, "middle")]


async def test_what_was_applied_never_goes_back(store: Any) -> None:
    await store.set_marks({0: {"applied": 5}})
    await store.set_marks({0: {"applied": 3}})

    assert (await store.marks(0))["applied"] == 5


async def test_marks_of_several_books_are_set_together(store: Any) -> None:
    await store.set_marks({})
    await store.set_marks({0: {"applied": 5, "said": 4}, 1: {"said": 2, "incarnation": "first"}})

    first, second = await store.marks(0), await store.marks(1)
    assert (first["applied"], first["said"]) == (5, 4)
    assert (second["said"], second["incarnation"]) == (2, "first")


async def test_what_was_said_may_go_back_when_a_broker_comes_back_empty(store: Any) -> None:
    await store.set_marks({0: {"applied": 5}})
    await store.set_marks({0: {"said": 9, "incarnation": "first"}})
    await store.set_marks({0: {"said": 0, "incarnation": "second"}})

    marks = await store.marks(0)
    assert (marks["applied"], marks["said"], marks["incarnation"]) == (5, 0, "second")
    assert not await store.marks(1)


async def test_a_page_keeps_its_microseconds(store: Any) -> None:
    moment = to_micros(NOON) + 123_457
    await store.insert_page(a_page(1, at=moment))
    await store.write_states([a_state(page=1, wake_at=moment)])

    assert [page.at for page in await store.read_pages(0, [1])] == [moment]
    assert await store.waking(0, moment, 1) == [(moment, "b:x")]
    assert await store.waking(0, moment - 1, 1) == []


async def test_the_hurried_clock_keeps_its_microseconds(mongo: MongoStore) -> None:
    moment = from_micros(to_micros(NOON) + 123_457)
    reading = Reading(moment, moment + timedelta(days=365, microseconds=1), 2.5)
    document = ClockDocument(mongo.client)

    await document.write(reading)

    assert await document.read() == reading


async def test_a_lease_is_held_by_one_until_it_is_given_back(mongo: MongoStore) -> None:
    minute = timedelta(minutes=1)

    assert await mongo.claim(0, "one", "here:1", minute)
    assert not await mongo.claim(0, "two", "there:2", minute)
    assert await mongo.claim(0, "one", "here:1", minute)
    assert await mongo.owner(0) == "here:1"

    await mongo.release(0, "two")
    assert await mongo.owner(0) == "here:1"
    await mongo.release(0, "one")
    assert await mongo.owner(0) is None
    assert await mongo.claim(0, "two", "there:2", minute)


async def test_a_lease_that_is_not_kept_expires(mongo: MongoStore) -> None:
    await mongo.claim(0, "one", "here:1", timedelta(milliseconds=50))

    assert await eventually(lambda: mongo.claim(0, "two", "there:2", timedelta(minutes=1)))
    assert not await mongo.claim(0, "one", "here:1", timedelta(minutes=1))


async def test_a_document_that_is_there_is_not_inserted_again(mongo: MongoStore) -> None:
    notices = mongo.database["notices"]
    await notices.insert_one({"_id": "b", "told": "first"})

    new = await insert_new(notices, [{"_id": one, "told": "second"} for one in ("a", "b", "c")])

    assert [document["_id"] for document in new] == ["a", "c"]
    assert (await notices.find_one({"_id": "b"}))["told"] == "first"


async def test_the_newest_page_is_found_behind_the_states(mongo: MongoStore) -> None:
    for number in range(1, 71):
        await mongo.insert_page(a_page(number, at=number))
    await mongo.set_marks({0: {"applied": 2}})

    assert await mongo.newest_at(0) == 70
    assert await mongo.newest_at(1) == 0


# PyMongo drops the connection that it is just making when a client is closed; the collector meets it here.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_database_that_is_away_is_told_from_one_that_refuses(driver: str) -> None:
    make: Any = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}[driver]
    client = make("mongodb://127.0.0.1:1/?directConnection=true", serverSelectionTimeoutMS=50)
    store = MongoStore(client, "nobody")
    try:
        with pytest.raises(StoreUnavailableError):
            await store.insert_page(a_page(1))
        with pytest.raises(StoreUnavailableError):
            await store.load_states(["b:x"])
    finally:
        await disconnect(client)
        del client, store
        gc.collect()


async def test_sums_of_states_are_grouped_by_a_field_and_what_is_not_asked_for_is_left_out(
    mongo: MongoStore,
) -> None:
    views = [("u1", 1, 5), ("u1", 0, 7), ("u2", 1, 9), ("u3", 1, 20)]
    await mongo.write_states(
        [
            {**a_state(f"d{n}", page=1), "view": {"unit": unit, "on_time": on_time, "due_at": due_at}}
            for n, (unit, on_time, due_at) in enumerate(views)
        ]
    )
    await mongo.write_states([a_state("without a view", page=1)])

    where = {"view.due_at": {"$lt": 20}, "_id": {"$nin": ["d2"]}}
    sums = await mongo.sum_states(where, "view.unit", ("view.on_time", "view.due_at"))

    assert sums == {"u1": {"view.on_time": 1, "view.due_at": 12}}
