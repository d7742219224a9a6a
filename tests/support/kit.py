"""Small parts for tests of one book: a clock that is set by hand, a writer, a reader of records."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.envelope import Fact, encode
from shared.book import Book
from shared.consumer import Heard, Intake
from shared.decider import Decider, Request
from shared.ids import partition_of
from shared.ledger import Page, to_document
from shared.relay import Relay
from shared.state import Inbound
from shared.testing.memory import MemoryBroker, MemoryOutlet, MemoryStore
from tests.support.toy import Chimed, Counted, Hear, Noted, Rang, on_a, stream_of_a, toy

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PARTITIONS = 3


class HandClock:
    """Business time that stands where it was put."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment

    def real(self, moment: datetime) -> datetime:
        return moment

    async def refresh(self) -> None:
        return


async def a_book(
    store: MemoryStore,
    *,
    decider: Decider[Any] | None = None,
    actor: str = "one",
    number: int = 0,
    **options: Any,
) -> Book[Any]:
    """Return an open book of the toy."""
    book = Book(
        number,
        store=store,
        decider=decider or toy(Noted, Chimed),
        clock=options.pop("clock", None) or HandClock(),
        source="/b",
        actor=actor,
        **options,
    )
    await book.open()
    return book


def a_relay(book: Book[Any], store: MemoryStore, broker: MemoryBroker, **options: Any) -> Relay:
    """Return what says a book of the toy, and once a second that it has said all."""
    return Relay(
        lambda: [book],
        store=store,
        outlet=MemoryOutlet(broker),
        clock=HandClock(),
        source="/b",
        topics=["b"],
        partitions=broker.partitions,
        of=1,
        every=timedelta(seconds=1),
        **options,
    )


def an_intake(book: Book[Any], heard: Heard | None = None, **options: Any) -> Intake:
    """Return what applies records of topic ``a`` to *book*, whatever their partition."""
    defaults: dict[str, Any] = {
        "topics": {"a": on_a},
        "facts": {fact.type: fact for fact in (Counted, Rang)},
        "stream_of": stream_of_a,
    }
    return Intake(
        books=lambda _, __: book if book.is_open else None,
        partitions=PARTITIONS,
        heard=heard or Heard(),
        **(defaults | options),
    )


def a_request(number: int = 0, name: str = "x", cause: str = "ask", rings_in: int | None = None) -> Request:
    """Return a caller's request."""
    return Request(f"b:{name}", Hear(cause, number, rings_in), cause)


def a_record(
    sequence: int = 1, name: str = "x", *, offset: int | None = None, fact: Fact | None = None, **changes: Any
) -> Inbound:
    """Return a fact of the first service as it lies on topic ``a``."""
    fact = fact or Counted(name=name, count=sequence, heard="ask")
    value = encode(fact, source="/a", sequence=sequence, time=NOON, correlation=f"a:{name}", cause="ask")
    key = f"a:{name}"
    record = Inbound("a", partition_of(key, PARTITIONS), offset or sequence, key.encode(), value)
    return record._replace(**changes)


async def pages(store: MemoryStore, book: int = 0) -> Sequence[Page]:
    """Return all pages of a book."""
    return await store.read_pages(book, range(1, 10_000))


def as_version_0_1(page: Page) -> dict[str, Any]:
    """Return a page as version 0.1 kept it: not compressed, each field named."""
    entries = [entry._asdict() for entry in page.entries]
    for entry in entries:
        entry["events"] = [event._asdict() for event in entry.pop("events")]
    return to_document(page) | {"entries": entries}


async def entries(store: MemoryStore, book: int = 0) -> list[Any]:
    """Return all entries of a book."""
    return [entry for page in await pages(store, book) for entry in page.entries]
