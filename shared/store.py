"""What the kit asks of a database; one port, kept by ``MongoStore`` and ``MemoryStore`` alike."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from shared.ledger import Page

Document = dict[str, Any]


class PageTakenError(Exception):
    """Another writer has inserted the page of this number."""


class StoreUnavailableError(Exception):
    """The database did not answer; what was asked may or may not have happened."""


class NotAnErasureError(Exception):
    """A page may lose salts and private values, and nothing else of it may ever change."""


class SpoiltPageError(Exception):
    """A page is there and cannot be read: somebody changed the database, or its disk failed."""

    def __init__(self, header: Page) -> None:
        """Keep what is left of the page: *header* has no entries and no actor, and so fits no hash."""
        super().__init__(
            f"page {header.id} cannot be read: run verify / 第 {header.id} 页无法读取，请运行 verify"
        )
        self.header = header


class Store(Protocol):
    """Pages, states and marks of one service."""

    async def insert_page(self, page: Page) -> None:
        """Insert a page durably; raise PageTakenError if its number is taken by another page."""

    async def read_pages(self, book: int, numbers: Sequence[int]) -> list[Page]:
        """Return the pages of these numbers that exist, in order; raise SpoiltPageError if one is spoilt."""

    async def erase_page(self, page: Page) -> None:
        """Write a page over itself without what was erased; raise NotAnErasureError for any other change."""

    async def taken(self, numbers: Mapping[int, int]) -> set[int]:
        """Return the books whose page of the given number exists."""

    async def load_states(self, streams: Collection[str]) -> list[Document]:
        """Return the stored states of these streams, absent ones left out."""

    async def write_states(self, documents: Sequence[Document], new: Collection[str] = ()) -> None:
        """Write each state over an older one only: guarded by ``page``; *new* ones are likely not there."""

    async def mend_states(self, documents: Sequence[Document]) -> None:
        """Write states whatever is there; for ``rebuild``, while no service writes."""

    async def waking(self, book: int, until: int, limit: int) -> list[tuple[int, str]]:
        """Return ``(wake_at, stream)`` of a book's stored states up to a moment in microseconds, in order."""

    async def parked(self, book: int, limit: int) -> list[Document]:
        """Return a book's stored states that hold dead letters."""

    async def count_parked(self, books: Collection[int]) -> int:
        """Return how many stored states of these books hold dead letters."""

    async def marks(self, book: int) -> Mapping[str, Any]:
        """Return the marks of a book: ``applied``, ``said``, ``told``, ``incarnation``."""

    async def set_marks(self, marks: Mapping[int, Mapping[str, Any]]) -> None:
        """Set marks of books; those of one book all at once."""
