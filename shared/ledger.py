"""Books of pages: what was decided, in order, chained by hashes; one insert is lock, outbox and audit."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

MAX_ENTRIES = 1_000
MAX_PAGE_BYTES = 4 * 1024 * 1024
GENESIS = b"\0" * 32


class Event(NamedTuple):
    """One fact as it lies in the ledger: its bytes are the ones that Kafka and HTTP carry."""

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
    h = hashlib.sha256(salt)
    h.update(to_json((stream, version, cause, correlation, source)))
    for topic, type_, key, value, reason in events:
        # The length comes first: else bytes could be moved from one event to the next, unnoticed.
        h.update(to_json((topic, type_, key, reason, len(value))))
        h.update(value)
    return h.digest()


def is_whole(entry: Entry) -> bool:
    """Tell whether an entry is what was sealed, or erased altogether."""
    if not entry.salt:
        return not any(event.value for event in entry.events)
    return entry.digest == digest(
        entry.salt, entry.stream, entry.version, entry.cause, entry.correlation, entry.source, entry.events
    )


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
    return sum([len(event.value) for event in events]) + 400


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
    """Return a page as the database keeps it."""
    return {
        "_id": page.id,
        "entries": [
            {
                "stream": stream,
                "version": version,
                "cause": cause,
                "correlation": correlation,
                "source": source,
                "salt": salt,
                "digest": digest,
                "events": [
                    {"topic": topic, "type": type_, "key": key, "value": value, "reason": reason}
                    for topic, type_, key, value, reason in events
                ],
            }
            for stream, version, cause, correlation, source, events, salt, digest in page.entries
        ],
        "actor": page.actor,
        "at": page.at,
        "prev_hash": page.prev_hash,
        "hash": page.hash,
    }


def from_document(document: Mapping[str, Any]) -> Page:
    """Return the page that a document of the database holds."""
    book, number = document["_id"].split("/")
    return Page(
        int(book),
        int(number),
        tuple(
            Entry(
                e["stream"],
                e["version"],
                e["cause"],
                e["correlation"],
                (e["source"][0], e["source"][1]) if e["source"] else None,
                tuple(Event(**event) for event in e["events"]),
                e["salt"],
                e["digest"],
            )
            for e in document["entries"]
        ),
        document["actor"],
        document["at"],
        document["prev_hash"],
        document["hash"],
    )


class Fault(NamedTuple):
    """What ``verify`` found wrong, and at which page."""

    page: str
    problem: str


def verify(book: int, pages: Iterable[Page], heads: Mapping[int, bytes]) -> Iterable[Fault]:
    """Yield what is wrong with a book, read from its first page: gaps, changes, a cut tail.

    *heads* are page numbers and hashes of this book that were published outside the database (lesson 15).
    """
    prev, number = GENESIS, 0
    for page in pages:
        number += 1
        if page.number != number:
            yield Fault(page_id(book, number), "is missing")
            number = page.number
        if page.prev_hash != prev:
            yield Fault(page.id, "does not follow the page before it")
        for entry in page.entries:
            if not is_whole(entry):
                yield Fault(page.id, f"entry {entry.stream} v{entry.version} was changed")
        if page.hash != page_hash(
            page.prev_hash, book, page.number, page.actor, page.at, (e.digest for e in page.entries)
        ):
            yield Fault(page.id, "was changed")
        if heads.get(page.number, page.hash) != page.hash:
            yield Fault(page.id, "is not the page whose hash was published")
        prev = page.hash
    if heads and max(heads) > number:
        yield Fault(page_id(book, number + 1), f"is cut off: page {max(heads)} was published")
