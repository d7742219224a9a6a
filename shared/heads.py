"""Heads outside the database: which pages were published as the newest, and whether they still stand."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from shared.ledger import Page
from shared.store import Store

_HEAD = re.compile(r"(\d+)/([1-9]\d*):([0-9a-f]{64})", re.ASCII)
_ACTOR = "adopt:"
WHO = re.compile(r"[\w.@-]{1,64}")
"""Who adopts: one word, as it becomes part of the page's actor."""


class Head(NamedTuple):
    """The newest page of a book, as it was published at some moment."""

    book: int
    number: int
    hash: bytes

    @property
    def text(self) -> str:
        """Return it as Said and the file of heads hold it."""
        return f"{self.book}/{self.number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the head that a text holds; None for a line torn by a crash and for a book without pages."""
        found = _HEAD.fullmatch(text.strip())
        return cls(int(found[1]), int(found[2]), bytes.fromhex(found[3])) if found else None


class Adoption(NamedTuple):
    """A restored book goes on: who said so, and the newest heads of the life before that are void by it.

    It is the actor of the pages that ``adopt`` appends, so that it stands in the chain of hashes.
    """

    who: str
    supersedes: tuple[Head, ...]

    @property
    def actor(self) -> str:
        """Return it as a page's actor."""
        return " ".join((f"{_ACTOR}{self.who}", *(head.text for head in self.supersedes)))

    @property
    def until(self) -> int:
        """Return the last number of the life before."""
        return max((head.number for head in self.supersedes), default=0)

    @classmethod
    def of(cls, page: Page) -> Self | None:
        """Return the adoption that a page is part of, None if it is none."""
        if not page.actor.startswith(_ACTOR):
            return None
        who, *heads = page.actor.removeprefix(_ACTOR).split(" ")
        return cls(who, tuple(head for head in map(Head.parse, heads) if head is not None))


def read_heads(path: Path | None) -> dict[int, list[Head]]:
    """Return the heads of each book that were written outside the database, in the order of writing."""
    heads: dict[int, list[Head]] = {}
    if path is not None and path.exists():
        for line in path.read_text().splitlines():
            head = Head.parse(line)
            if head is not None:
                heads.setdefault(head.book, []).append(head)
    return heads


def append_heads(path: Path, heads: Iterable[Head]) -> None:
    """Write heads to the file outside the database (lesson 15)."""
    with path.open("a") as file:
        file.writelines(f"{head.text}\n" for head in heads)


def newest_heads(path: Path | None, books: Iterable[int]) -> list[Head]:
    """Return the last written head of each of these books."""
    heads = read_heads(path)
    return [heads[book][-1] for book in books if book in heads]


async def lacking(store: Store, heads: Iterable[Head]) -> list[Head]:
    """Return the heads whose pages the ledger does not hold and that no finished adoption has made void.

    *heads* are read before the ledger is: a page is published after it is inserted.
    """
    found: list[Head] = []
    for head in heads:
        pages = await store.read_pages(head.book, [head.number])
        if not (pages and pages[0].hash == head.hash) and not await _is_void(store, head):
            found.append(head)
    return found


async def _is_void(store: Store, head: Head) -> bool:
    adopted = (await store.marks(head.book)).get("adopted", 0)
    pages = await store.read_pages(head.book, [adopted]) if adopted else []
    adoption = Adoption.of(pages[0]) if pages else None
    return adoption is not None and head in adoption.supersedes


def standing(pages: Iterable[Page], heads: Sequence[Head]) -> Mapping[int, bytes]:
    """Return the written heads of a book that its pages must agree with.

    An adoption makes those of the life before void, but only as far as the file itself names its page:
    who can write the database alone cannot pass a cut tail off as a restore.
    """
    spans = _spans(pages)
    stand: dict[int, bytes] = {}
    for _, number, page_hash in heads:
        first, until = spans.get((number, page_hash), (0, -1))
        stand = {n: one for n, one in stand.items() if not first <= n <= until} if until > 0 else stand
        stand.setdefault(number, page_hash)
    return stand


def _spans(pages: Iterable[Page]) -> dict[tuple[int, bytes], tuple[int, int]]:
    """Return for each page of an adoption which numbers the life before had used beyond the restored ones."""
    spans: dict[tuple[int, bytes], tuple[int, int]] = {}
    first, actor = 0, ""
    for page in pages:
        adoption = Adoption.of(page)
        first, actor = (first if page.actor == actor else page.number), page.actor
        if adoption is not None:
            spans[page.number, page.hash] = (first, adoption.until)
    return spans
