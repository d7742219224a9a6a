"""Erasing the words of people in one stream: said in the ledger first, then done in pages and state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from shared.book import Book
from shared.decider import Erase, Request
from shared.erasure import Found, find
from shared.ledger import Page
from shared.mongo import MongoStore
from shared.reading import pages_of
from shared.state import Shape, TextErased
from shared.store import Store

LEASE = timedelta(minutes=5)
"""How long a book is kept from its service if this process is killed meanwhile."""
AT_ONCE = 500
"""Entries named by one fact, which has to fit into a page."""
NOWHERE = ""
"""Nobody can reach the process that erases."""


class BookHeldError(Exception):
    """A service writes the book, and would write the words back from its memory."""

    def __init__(self, book: int, address: str | None) -> None:
        """Say which book, and where its service listens if that is known."""
        super().__init__(f"book {book} is held by {address or 'a process that is gone'}")
        self.address = address


class UnknownStreamError(Exception):
    """No page holds an entry of the stream."""


class Ground(StrEnum):
    """Why words are erased."""

    REQUEST = "request"
    """The person asked for it."""
    ORDER = "order"
    RETENTION = "retention"
    """They were kept as long as they may be."""
    MISTAKE = "mistake"
    """They ought not to have been written."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody answers for: which stream, from which pages, why; identifiers only."""

    stream: str
    by: str
    ground: Ground
    order: str
    first: int = 1
    last: int | None = None


async def book_of(store: Store, books: int, stream: str) -> int:
    """Return the book of a stream.

    Raises:
        UnknownStreamError: there is none.
    """
    for document in await store.load_states([stream]):
        return int(document["book"])
    for book in range(books):
        if await _pages_with(store, book, stream):
            return book
    raise UnknownStreamError(stream)


@asynccontextmanager
async def held(store: MongoStore, book: int, actor: str, *, is_stopped: bool) -> AsyncIterator[None]:
    """Keep a book from its service inside the block; *is_stopped*: a killed one has left its name there.

    Raises:
        BookHeldError: a service holds it, or took it meanwhile: then stop it and erase again.
    """
    if not await store.claim(book, actor, NOWHERE, LEASE):
        if not is_stopped:
            raise BookHeldError(book, await store.owner(book))
        await store.announce([book], actor, NOWHERE)
    try:
        yield
        if not await store.claim(book, actor, NOWHERE, LEASE):
            raise BookHeldError(book, await store.owner(book))
    finally:
        await store.release(book, actor)


async def erase(store: Store, book: Book[Any], shape: Shape[Any], wish: Wish) -> Found:
    """Erase what people wrote in a stream; after a kill the same wish again does the rest.

    The fact comes first: a page without words of which no fact says so would be a forgery.
    """
    await book.open()
    pages = await _pages_with(store, book.number, wish.stream)
    found = find(pages, wish.stream, shape.facts, wish.first, wish.last)
    for n in range(0, len(found.unsaid), AT_ONCE):
        fact = TextErased(
            stream=wish.stream,
            by=wish.by,
            ground=wish.ground,
            order=wish.order,
            entries=found.unsaid[n : n + AT_ONCE],
        )
        await book.handle([Request(wish.stream, Erase(fact), f"erase:{wish.by}")])
    await book.close()
    for page in found.pages:
        await store.erase_page(page)
    await _mend(store, book.number, shape, wish.stream)
    return found


async def _pages_with(store: Store, book: int, stream: str) -> list[Page]:
    pages = pages_of(store, book)
    return [page async for page in pages if any(entry.stream == stream for entry in page.entries)]


async def _mend(store: Store, book: int, shape: Shape[Any], stream: str) -> None:
    """Write the state of a stream as its pages have it now."""
    record = shape.new(stream)
    for page in await _pages_with(store, book, stream):
        for entry in (entry for entry in page.entries if entry.stream == stream):
            shape.fold(record, entry, page.number)
    if record.page:
        await store.mend_states([shape.to_document(record, book)])
