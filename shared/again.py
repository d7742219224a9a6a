"""For operators of a cluster that lost records: let a service say everything in its books again."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import httpx

from shared.store import Store

ASKED_WITHIN = 3.0


class OwnedStore(Store, Protocol):
    """A store that also knows where books are written."""

    async def owner(self, book: int) -> str | None:
        """Return the address of the replica that holds a book."""


async def answers(address: str) -> bool:
    """Tell whether a service answers at an address, whatever it says."""
    try:
        async with httpx.AsyncClient(timeout=ASKED_WITHIN) as http:
            await http.get(f"http://{address}/live")
    except httpx.TransportError:
        return False
    return True


async def writers(
    store: OwnedStore, books: Sequence[int], asked: Callable[[str], Awaitable[bool]] = answers
) -> list[str]:
    """Return the addresses of the replicas that write some of these books and answer.

    A running relay knows by heart what it has said: it would not see that its mark was taken back, and
    would soon set it again.
    """
    addresses = {address for book in books if (address := await store.owner(book)) is not None}
    return [address for address in sorted(addresses) if await asked(address)]


async def take_back(store: Store, books: Sequence[int]) -> dict[int, int]:
    """Take the marks of what was said back to the first page; return how far they had come."""
    marks = {book: await store.marks(book) for book in books}
    said = {book: mine["said"] for book, mine in marks.items() if mine.get("said")}
    await store.set_marks({book: {"said": 0, "incarnation": marks[book]["incarnation"]} for book in said})
    return said
