"""The one file that knows the database driver: pages, states, marks and leases of one service."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from inspect import isawaitable
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import cramjam
from bson import decode, encode
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, InsertOne, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern

from shared.clock import Reading, from_micros, real_now, to_micros
from shared.ledger import Page, from_document, is_erasure, page_id, to_document
from shared.store import (
    Document,
    NotAnErasureError,
    PageTakenError,
    SpoiltPageError,
    StoreUnavailableError,
)

DUPLICATE_KEY = 11000
THERE_ALREADY = {51002, 51003}
"""A role, a user of this name exists."""
LOOKED_UP_AT_ONCE = 50
"""The embedded server compares each document that it finds with every value asked for: 200 cost it twice."""
WAYS, BYTES_AT_ONCE = 4, 1024 * 1024
"""Commands that insert pages side by side, and how much of them one holds if it is more than a page."""
LEVEL = 1
"""Of zstd: a page of a deadline takes a twentieth of its room, in 1 µs a duty."""
Index = Sequence[tuple[str, int]]

SAFE, CERTAIN = WriteConcern("majority", j=True), ReadConcern("majority")


def connect(
    uri: str, driver: Literal["motor", "pymongo"] = "motor", login: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """Return a client of the chosen driver; nothing is sent before it is used."""
    make: Any = AsyncIOMotorClient if driver == "motor" else AsyncMongoClient
    return make(uri, tz_aware=True, serverSelectionTimeoutMS=5_000, socketTimeoutMS=20_000, **login)


async def disconnect(client: Any) -> None:
    """Close a client; one driver closes at once, the other when awaited."""
    closing = client.close()
    if closing is not None:
        await closing


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the driver raises when the database is away into our own error."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WTimeoutError) as error:
        raise StoreUnavailableError(str(error)) from error


class _Leaving(NamedTuple):
    """A page on its way into the database, and who waits for it."""

    page: Page
    document: RawBSONDocument
    place: asyncio.Future[None]


class MongoStore:
    """``shared.store.Store`` on MongoDB's wire protocol: write concern majority with journal."""

    def __init__(self, client: Any, database: str) -> None:
        """Use *database* of *client*."""
        self.client = client
        self.database = client.get_database(database, write_concern=SAFE, read_concern=CERTAIN)
        self.pages = self.database["pages"]
        self.states = self.database["states"]
        self._marks = self.database["marks"]
        self._owners = self.database["owners"]
        self._leaving: list[_Leaving] = []
        self._ways = WAYS
        self._inserting: set[asyncio.Task[None]] = set()

    async def make_indexes(self, views: Sequence[Index] = ()) -> None:
        """Make the indexes of the kit and of a service's queries over ``states``."""
        with _translated():
            await self.states.create_index([("book", 1), ("wake_at", 1)], name="wakes")
            await self.states.create_index([("book", 1), ("letters", 1)], name="letters")
            for view in views:
                await self.states.create_index(list(view))

    async def insert_page(self, page: Page) -> None:
        """Insert a page durably; raise PageTakenError if its number is taken.

        Pages of several books that come together, or while others are being written, go in one command.
        """
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Encoded while the page is in the processor's caches, and once.
        self._leaving.append(_Leaving(page, RawBSONDocument(encode(_packed(page))), place))
        if self._ways:
            self._ways -= 1
            task = asyncio.create_task(self._insert_leaving())
            self._inserting.add(task)
            task.add_done_callback(self._inserting.discard)
        await place

    async def _insert_leaving(self) -> None:
        """Insert the pages that are waiting, those of a megabyte at a time, until there are none.

        It begins in the next turn of the event loop: who comes in this one comes along.
        """
        try:
            while self._leaving:
                sizes = accumulate(len(one.document.raw) for one in self._leaving)
                many = max(1, sum(size <= BYTES_AT_ONCE for size in sizes))
                taken, self._leaving = self._leaving[:many], self._leaving[many:]
                for one, end in zip(taken, await self._insert_pages(taken), strict=True):
                    if one.place.done():
                        continue
                    if end is None:
                        one.place.set_result(None)
                    else:
                        one.place.set_exception(end)
        finally:
            self._ways += 1

    async def _insert_pages(self, pages: Sequence[_Leaving]) -> list[Exception | None]:
        """Insert pages durably and return for each what went wrong."""
        try:
            with _translated():
                await self.pages.insert_many([one.document for one in pages], ordered=False)
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:
                return [StoreUnavailableError(str(error.details["writeConcernErrors"]))] * len(pages)
            faults = {fault["index"]: fault for fault in error.details["writeErrors"]}
            return [_fault_of(one.page, faults.get(n)) for n, one in enumerate(pages)]
        except Exception as error:  # noqa: BLE001 each of those who wait for a page is told
            return [error] * len(pages)
        return [None] * len(pages)

    async def read_pages(self, book: int, numbers: Sequence[int]) -> list[Page]:
        """Return the pages of these numbers that exist, in order; by ``_id``, as a range may scan."""
        wanted = [page_id(book, number) for number in numbers]
        with _translated():
            found = await self.pages.find({"_id": {"$in": wanted}}).to_list(None)
        return sorted(map(unpacked, found), key=lambda page: page.number)

    async def erase_page(self, page: Page) -> None:
        """Write a page over itself without what was erased; the only write that ever changes a page."""
        there = await self.read_pages(page.book, [page.number])
        if not there or not is_erasure(there[0], page):
            raise NotAnErasureError(page.id)
        with _translated():
            await self.pages.replace_one({"_id": page.id, "hash": page.hash}, _packed(page))

    async def taken(self, numbers: Mapping[int, int]) -> set[int]:
        """Return the books whose page of the given number exists, in one query."""
        books = {page_id(book, number): book for book, number in numbers.items()}
        with _translated():
            found = await self.pages.find({"_id": {"$in": list(books)}}, {"_id": 1}).to_list(None)
        return {books[document["_id"]] for document in found}

    async def load_states(self, streams: Collection[str]) -> list[Document]:
        """Return the stored states of these streams."""
        wanted = list(streams)
        found: list[Document] = []
        with _translated():
            for n in range(0, len(wanted), LOOKED_UP_AT_ONCE):
                part = wanted[n : n + LOOKED_UP_AT_ONCE]
                found += await self.states.find({"_id": {"$in": part}}).to_list(len(part))
        return found

    async def write_states(self, documents: Sequence[Document], new: Collection[str] = ()) -> None:
        """Write each state over an older one only; a newer one there is left as it is."""
        # An insert costs a fraction of a guarded upsert; and nothing is older than a first version.
        writes = [
            InsertOne(one) if one.get("version") == 1 or one["_id"] in new else _over_older(one)
            for one in documents
        ]
        there: list[int] = []
        with _translated():
            try:
                await self.states.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                faults = error.details["writeErrors"]
                if any(e["code"] != DUPLICATE_KEY for e in faults):
                    raise
                there = [e["index"] for e in faults]
        if again := [documents[n] for n in there if documents[n]["_id"] in new]:
            await self.write_states(again)

    async def mend_states(self, documents: Sequence[Document]) -> None:
        """Write states whatever is there; for ``rebuild``, while no service writes."""
        with _translated():
            await self.states.bulk_write([ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents])

    async def waking(self, book: int, until: int, limit: int) -> list[tuple[int, str]]:
        """Return ``(wake_at, stream)`` of a book up to a moment, in order."""
        query = {"book": book, "wake_at": {"$lte": until}}
        with _translated():
            rows = (
                await self.states.find(query, {"wake_at": 1}).sort("wake_at", 1).limit(limit).to_list(limit)
            )
        return [(row["wake_at"], row["_id"]) for row in rows]

    async def parked(self, book: int, limit: int) -> list[Document]:
        """Return a book's stored states that hold dead letters."""
        with _translated():
            found: list[Document] = (
                await self.states.find({"book": book, "letters": {"$gt": 0}}).limit(limit).to_list(limit)
            )
        return found

    async def count_parked(self, books: Collection[int]) -> int:
        """Return how many stored states of these books hold dead letters."""
        count = 0
        with _translated():
            for book in books:
                count += await self.states.count_documents({"book": book, "letters": {"$gt": 0}})
        return count

    async def marks(self, book: int) -> Mapping[str, Any]:
        """Return the marks of a book."""
        with _translated():
            found: Document | None = await self._marks.find_one({"_id": book})
        return found or {}

    async def set_marks(self, marks: Mapping[int, Mapping[str, Any]]) -> None:
        """Set marks of books; what was applied never goes back."""
        writes = []
        for book, mine in marks.items():
            applied = {key: value for key, value in mine.items() if key == "applied"}
            others = {key: value for key, value in mine.items() if key != "applied"}
            update = ({"$max": applied} if applied else {}) | ({"$set": others} if others else {})
            writes.append(UpdateOne({"_id": book}, update, upsert=True))
        with _translated():
            if writes:
                await self._marks.bulk_write(writes)

    async def find_states(self, where: Mapping[str, Any]) -> list[Document]:
        """Return the states that an indexed query finds, in order of their stream."""
        with _translated():
            found: list[Document] = await self.states.find(dict(where)).to_list(None)
        return sorted(found, key=lambda document: str(document["_id"]))

    async def sum_states(
        self, where: Mapping[str, Any], by: str, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """Return the sums of fields over the states that an indexed query finds, for each value of *by*."""
        sums = {name: {"$sum": f"${field}"} for name, field in _named(fields).items()}
        pipeline = [{"$match": dict(where)}, {"$group": {"_id": f"${by}", **sums}}]
        with _translated():
            rows = await self._gathered(pipeline)
        return {row["_id"]: {field: row[name] for name, field in _named(fields).items()} for row in rows}

    async def tally_states(
        self, where: Mapping[str, Any], by: str, least: str
    ) -> dict[tuple[int, str], tuple[int, int]]:
        """Return how many states an indexed query finds in each book for each value of *by*.

        Beside the number stands the smallest value of *least* among them.
        """
        group = {
            "_id": {"book": "$book", "by": f"${by}"},
            "count": {"$sum": 1},
            "least": {"$min": f"${least}"},
        }
        with _translated():
            rows = await self._gathered([{"$match": dict(where)}, {"$group": group}])
        return {(row["_id"]["book"], row["_id"]["by"]): (row["count"], row["least"]) for row in rows}

    async def _gathered(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        asked = self.states.aggregate(pipeline)
        found: list[Document] = await (await asked if isawaitable(asked) else asked).to_list(None)
        return found

    async def newest_at(self, book: int) -> int:
        """Return the moment of a book's newest page in microseconds, 0 if it has none."""
        number = (await self.marks(book)).get("applied", 0)
        newest = 0
        while pages := await self.read_pages(book, range(max(number, 1), number + 64)):
            newest, number = pages[-1].at, pages[-1].number + 1
        return newest

    async def claim(self, book: int, owner: str, address: str, lease: timedelta) -> bool:
        """Take or keep the lease of a book; tell whether it is ours. Leases are real time."""
        now = real_now()
        with _translated():
            try:
                result = await self._owners.update_one(
                    {"_id": book, "$or": [{"owner": owner}, {"until": {"$lt": to_micros(now)}}]},
                    {"$set": {"owner": owner, "address": address, "until": to_micros(now + lease)}},
                    upsert=True,
                )
            except DuplicateKeyError:
                return False
        return bool(result.matched_count or result.upserted_id is not None)

    async def announce(self, books: Collection[int], owner: str, address: str) -> None:
        """Say where books are written that Kafka dealt to this replica; no lease, it only shows the way."""
        until = to_micros(real_now() + timedelta(days=3650))
        update = {"$set": {"owner": owner, "address": address, "until": until}}
        with _translated():
            await self._owners.bulk_write([UpdateOne({"_id": book}, update, upsert=True) for book in books])

    async def release(self, book: int, owner: str) -> None:
        """Give a lease back."""
        with _translated():
            await self._owners.update_one({"_id": book, "owner": owner}, {"$set": {"until": 0}})

    async def owner(self, book: int) -> str | None:
        """Return the address of the replica that holds a book."""
        with _translated():
            found = await self._owners.find_one({"_id": book})
        return found["address"] if found and found["until"] > to_micros(real_now()) else None


def _packed(page: Page) -> Document:
    """Return a page as the database keeps it; its entries, which repeat themselves a lot, are compressed."""
    whole = to_document(page)
    entries = encode({"entries": whole["entries"]})
    return whole | {"entries": bytes(cramjam.zstd.compress(entries, LEVEL))}


def unpacked(document: Document) -> Page:
    """Return the page that a document of the database holds; an old one may hold its entries as they are."""
    try:
        entries = document["entries"]
        if isinstance(entries, bytes):
            document = {**document, **decode(bytes(cramjam.zstd.decompress(entries)))}
        return from_document(document)
    except (LookupError, TypeError, ValueError, BSONError, cramjam.DecompressionError) as error:
        nothing = {"at": 0, "prev_hash": b"", "hash": b""}
        raise SpoiltPageError(from_document(nothing | document | {"entries": (), "actor": ""})) from error


def _fault_of(page: Page, fault: Mapping[str, Any] | None) -> Exception | None:
    """Return what a page's error in an insert of many means."""
    if fault is None:
        return None
    if fault["code"] == DUPLICATE_KEY:
        return PageTakenError(page.id)
    return OperationFailure(fault["errmsg"], fault["code"])


def _named(fields: Sequence[str]) -> dict[str, str]:
    """Return a name for each field, since that of a sum may hold no dot."""
    return {field.replace(".", "_"): field for field in fields}


class ClockDocument:
    """The one document of the hurried clock."""

    def __init__(self, client: Any) -> None:
        """Keep it in a database of its own, as safely as pages: a moment that was seen does not come back."""
        self._clock = client.get_database("clock", write_concern=SAFE, read_concern=CERTAIN)["clock"]

    async def read(self) -> Reading:
        """Return what the document says."""
        with _translated():
            found = await self._clock.find_one({"_id": "clock"})
        if found is None:
            raise StoreUnavailableError("nobody has set the story's clock")
        return Reading(from_micros(found["real"]), from_micros(found["story"]), found["speed"])

    async def write(self, reading: Reading) -> None:
        """Set the clock for everybody."""
        document = {
            "real": to_micros(reading.real),
            "story": to_micros(reading.story),
            "speed": reading.speed,
        }
        with _translated():
            await self._clock.replace_one({"_id": "clock"}, {"_id": "clock", **document}, upsert=True)


def _over_older(state: Document) -> ReplaceOne[Document]:
    """Return the write of a state over an older one; over a newer one it fails as a duplicate."""
    return ReplaceOne({"_id": state["_id"], "page": {"$lt": state["page"]}}, state, upsert=True)


async def insert_new(collection: Any, documents: Sequence[Document]) -> list[Document]:
    """Insert the documents whose ``_id`` is new and return them; what is there already stays as it is."""
    if not documents:
        return []
    with _translated():
        try:
            await collection.insert_many(list(documents), ordered=False)
        except BulkWriteError as error:
            faults = error.details["writeErrors"]
            if any(e["code"] != DUPLICATE_KEY for e in faults):
                raise
            known = {e["index"] for e in faults}
            return [document for n, document in enumerate(documents) if n not in known]
    return list(documents)


async def ensure(client: Any, user: str, password: str, privileges: Sequence[Mapping[str, Any]]) -> None:
    """Make a user and the role of its name, or set both again; for whoever may administer the server."""
    roles = [{"role": user, "db": "admin"}]
    with _translated():
        await _made_or_set(client, "Role", user, {"privileges": list(privileges), "roles": []})
        await _made_or_set(client, "User", user, {"pwd": password, "roles": roles})


async def _made_or_set(client: Any, kind: str, name: str, what: Mapping[str, Any]) -> None:
    try:
        await client["admin"].command(f"create{kind}", name, **what)
    except OperationFailure as error:
        if error.code not in THERE_ALREADY:
            raise
        await client["admin"].command(f"update{kind}", name, **what)
