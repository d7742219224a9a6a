"""Reading a book from its first page."""

from collections.abc import AsyncIterator

from shared.book import PROBE
from shared.ledger import Page
from shared.store import Store


async def pages_of(store: Store, book: int) -> AsyncIterator[Page]:
    """Yield every page of a book, from the first one on."""
    first = 1
    while True:
        pages = await store.read_pages(book, range(first, first + PROBE))
        for page in pages:
            yield page
        if len(pages) < PROBE:
            return
        first += PROBE
