"""Reading a book from its first page."""

from collections.abc import AsyncIterator, Sequence

from shared.book import PROBE
from shared.ledger import Page
from shared.store import SpoiltPageError, Store


async def pages_of(store: Store, book: int, *, is_checking: bool = False) -> AsyncIterator[Page]:
    """Yield every page of a book, from the first one on.

    A spoilt one raises SpoiltPageError; who *is_checking* gets what is left of it, which fits no hash.
    """
    first = 1
    while True:
        numbers = range(first, first + PROBE)
        try:
            pages = await store.read_pages(book, numbers)
        except SpoiltPageError:
            if not is_checking:
                raise
            pages = [page for number in numbers for page in await _page(store, book, number)]
        for page in pages:
            yield page
        if len(pages) < PROBE:
            return
        first += PROBE


async def _page(store: Store, book: int, number: int) -> Sequence[Page]:
    try:
        return await store.read_pages(book, [number])
    except SpoiltPageError as error:
        return [error.header]
