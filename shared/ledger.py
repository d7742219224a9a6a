"""Books of pages: what was decided, in order, chained by hashes; one insert is lock, outbox and audit."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

MAX_ENTRIES = 1_000
MAX_PAGE_BYTES = 4 * 1024 * 1024
GENESIS = b"\0" * 32
_EMPTY = hashlib.sha256()
"""To hash an entry takes two thirds of the time if it begins with a copy of this."""
ERASURE = "private.text-erased.v1"
"""The type of the fact that says which entries were erased, and what was left of each."""


class Event(NamedTuple):
    """One fact as it lies in the ledger: its bytes are the ones that Kafka and HTTP carry.

    Fields of an event and of an entry are kept in this order: a new one comes last and has a default.
    """

    topic: str | None
    """None: private, never published."""
    type: str
    key: str
    value: bytes
    reason: str | None = None
    """Why it is a dead letter; None if it is none."""


class Entry(NamedTuple):
    """What one request decided on one stream; without events if it decided nothing."""

    stream: str
    version: int
    cause: str
    correlation: str
    source: tuple[str, int] | None
    """The stream and sequence of the fact that was heard; None if a request or the time caused it."""
    events: tuple[Event, ...]
    salt: bytes
    digest: bytes


class Page(NamedTuple):
    """One immutable document: the decisions of one batch."""

    book: int
    number: int
    entries: tuple[Entry, ...]
    actor: str
    at: int
    prev_hash: bytes
    hash: bytes

    @property
    def id(self) -> str:
        """Return the identity that can be inserted once."""
        return page_id(self.book, self.number)


def page_id(book: int, number: int) -> str:
    """Return the identity of a page."""
    return f"{book}/{number}"


def digest(  # noqa: PLR0917 in the order in which it is hashed
    salt: bytes,
    stream: str,
    version: int,
    cause: str,
    correlation: str,
    source: tuple[str, int] | None,
    events: Sequence[Event],
) -> bytes:
    """Return the salted digest of an entry: with salt and bodies erased it still stands in the chain."""
    # The lengths come first: else bytes could be moved from one event to the next, unnoticed.
    heads, values = [], [salt]
    for topic, type_, key, value, reason in events:
        heads.append((topic, type_, key, reason, len(value)))
        values.append(value)
    values.insert(1, to_json((stream, version, cause, correlation, source, heads)))
    hashed = _EMPTY.copy()
    hashed.update(b"".join(values))
    return hashed.digest()


def is_erased(entry: Entry) -> bool:
    """Tell whether an entry was erased: nobody can compute its digest any more."""
    return not entry.salt


def is_whole(entry: Entry) -> bool:
    """Tell whether an entry is what was sealed; one that was erased is not."""
    return not is_erased(entry) and entry.digest == digest(entry.salt, *entry[:6])


def left_of(entry: Entry) -> str:
    """Return the digest of an entry as it stands, which the fact about its erasure names."""
    return digest(b"", *entry[:6]).hex()


def is_erasure(before: Page, after: Page) -> bool:
    """Tell whether *after* is *before* without salts and private values of some entries, and nothing else."""
    return (
        before._replace(entries=()) == after._replace(entries=())
        and len(before.entries) == len(after.entries)
        and all(map(_only_loses, before.entries, after.entries))
    )


def _only_loses(before: Entry, after: Entry) -> bool:
    if before == after:
        return True
    return (
        is_erased(after)
        and after._replace(salt=before.salt, events=before.events) == before
        and len(before.events) == len(after.events)
        and all(map(_is_kept, before.events, after.events))
    )


def _is_kept(before: Event, after: Event) -> bool:
    """Tell whether an event was left in place; one that was published may not change at all."""
    may_change = before.topic is None or before.reason is not None
    return (before.topic, before.type) == (after.topic, after.type) and (may_change or before == after)


def page_hash(  # noqa: PLR0917 in the order in which it is hashed
    prev_hash: bytes, book: int, number: int, actor: str, at: int, digests: Iterable[bytes]
) -> bytes:
    """Return the hash that the next page chains to."""
    h = hashlib.sha256(prev_hash)
    h.update(f"{book}/{number}\0{actor}\0{at}\0".encode())
    for one in digests:
        h.update(one)
    return h.digest()


def seal(  # noqa: PLR0917 in the order of a page
    book: int, number: int, entries: Sequence[Entry], actor: str, at: int, prev_hash: bytes
) -> Page:
    """Return the page of *entries* that follows the page hashed *prev_hash*."""
    digests = [entry.digest for entry in entries]
    return Page(
        book,
        number,
        tuple(entries),
        actor,
        at,
        prev_hash,
        page_hash(prev_hash, book, number, actor, at, digests),
    )


def weigh(events: Sequence[Event]) -> int:
    """Return how many bytes an entry of these events adds to a page, about."""
    weight = 400
    for event in events:
        weight += len(event.value)
    return weight


def parts(entries: Sequence[Entry], most: int = MAX_ENTRIES) -> Iterable[Sequence[Entry]]:
    """Yield entries in parts that fit into a page each."""
    first, size = 0, 0
    for n, entry in enumerate(entries):
        weight = weigh(entry.events)
        if n > first and (n - first == most or size + weight > MAX_PAGE_BYTES):
            yield entries[first:n]
            first, size = n, 0
        size += weight
    if entries[first:]:
        yield entries[first:]


def to_document(page: Page) -> dict[str, Any]:
    """Return a page as a document: of its entries and their events the fields in order, without names."""
    return {
        "_id": page.id,
        "entries": page.entries,
        "actor": page.actor,
        "at": page.at,
        "prev_hash": page.prev_hash,
        "hash": page.hash,
    }


def from_document(document: Mapping[str, Any]) -> Page:
    """Return the page that a document holds; one of version 0.1 names the fields of its entries."""
    book, number = document["_id"].split("/")
    return Page(
        int(book),
        int(number),
        tuple(map(_entry, document["entries"])),
        document["actor"],
        document["at"],
        document["prev_hash"],
        document["hash"],
    )


def _entry(kept: Mapping[str, Any] | Sequence[Any]) -> Entry:
    if isinstance(kept, Mapping):
        named = {**kept, "events": [[event[name] for name in Event._fields] for event in kept["events"]]}
        kept = [named[name] for name in Entry._fields]
    stream, version, cause, correlation, source, events, salt, digest = kept
    heard = (source[0], source[1]) if source else None
    said = tuple(Event(*event) for event in events)
    return Entry(stream, version, cause, correlation, heard, said, salt, digest)


class Fault(NamedTuple):
    """What ``verify`` found wrong, and at which page."""

    page: str
    problem: str


Place = tuple[int, str, int]
"""The number of a page, and the stream and version of one of its entries."""


def erasures(entry: Entry) -> dict[Place, str]:
    """Return which entries an entry says were erased, each with the digest of what was left of it."""
    named: dict[Place, str] = {}
    for event in entry.events:
        if event.type == ERASURE:
            data = from_json(event.value)["data"]
            named |= {(one["page"], data["stream"], one["version"]): one["left"] for one in data["entries"]}
    return named


def verify(book: int, pages: Iterable[Page], heads: Mapping[int, bytes]) -> Iterable[Fault]:
    """Yield what is wrong with a book, read from its first page: gaps, changes, a cut tail.

    *heads* are page numbers and hashes of this book that were published outside the database (lesson 15).
    An entry may be erased if a whole entry of the book says so, and says what was left.
    """
    prev, number = GENESIS, 0
    erased: dict[Place, str] = {}
    named: dict[Place, str] = {}
    for page in pages:
        number += 1
        if page.number != number:
            yield Fault(page_id(book, number), "is missing")
            number = page.number
        if page.prev_hash != prev:
            yield Fault(page.id, "does not follow the page before it")
        for entry in page.entries:
            if is_erased(entry):
                erased[page.number, entry.stream, entry.version] = left_of(entry)
            elif is_whole(entry):
                named |= erasures(entry)
            else:
                yield Fault(page.id, f"entry {entry.stream} v{entry.version} was changed")
        if page.hash != page_hash(
            page.prev_hash, book, page.number, page.actor, page.at, (e.digest for e in page.entries)
        ):
            yield Fault(page.id, "was changed")
        if heads.get(page.number, page.hash) != page.hash:
            yield Fault(page.id, "is not the page whose hash was published")
        prev = page.hash
    yield from _wrong_erasures(book, erased, named)
    if heads and max(heads) > number:
        yield Fault(page_id(book, number + 1), f"is cut off: page {max(heads)} was published")


def _wrong_erasures(book: int, erased: Mapping[Place, str], named: Mapping[Place, str]) -> Iterable[Fault]:
    for place in sorted(erased.keys() | named.keys()):
        number, stream, version = place
        where = f"entry {stream} v{version}"
        if place not in named:
            yield Fault(page_id(book, number), f"{where} was erased, and no fact says so")
        elif place not in erased:
            yield Fault(page_id(book, number), f"{where} is to be erased: erase it again")
        elif erased[place] != named[place]:
            yield Fault(page_id(book, number), f"{where} was changed after it was erased")
