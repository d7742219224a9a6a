"""What a stream has come to: a fold of its entries, with the page at which it stands."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter

from contracts.envelope import Envelope, Fact, Model
from shared.ledger import Entry

S = TypeVar("S")


class Seen(NamedTuple):
    """Which versions of a source stream were heard: the last one, and the gaps before it, ends included."""

    last: int = 0
    missing: tuple[tuple[int, int], ...] = ()

    def has(self, sequence: int) -> bool:
        """Tell whether a version was heard already."""
        return sequence <= self.last and not any(first <= sequence <= last for first, last in self.missing)

    def plus(self, sequence: int) -> "Seen":
        """Return what is known after a version was heard; no gap is ever forgotten, or it would be lost."""
        if sequence > self.last:
            gap = ((self.last + 1, sequence - 1),) if sequence > self.last + 1 else ()
            return Seen(sequence, (*self.missing, *gap))
        before = ((first, min(last, sequence - 1)) for first, last in self.missing)
        behind = ((max(first, sequence + 1), last) for first, last in self.missing)
        return Seen(self.last, tuple(sorted(gap for gap in {*before, *behind} if gap[0] <= gap[1])))


NOTHING_SEEN = Seen()


class Inbound(NamedTuple):
    """A record as it came from Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    token: str = ""
    """The bearer token of a foreign system's record; never kept."""


class DeadLetter(Fact, topic=None, prefix="", key="stream"):
    """A record that could not be read or applied, kept in the state of its stream until replayed."""

    stream: str
    origin: str
    key_text: str | None
    value_base64: str
    reason: str
    source: tuple[str, int] | None = None
    """What the request would be remembered by; only what is applied goes into ``seen``."""

    @classmethod
    def of(
        cls, stream: str, record: Inbound, reason: str, source: tuple[str, int] | None = None
    ) -> "DeadLetter":
        """Return the dead letter of a record."""
        return cls(
            stream=stream,
            origin=f"{record.topic}/{record.partition}/{record.offset}",
            key_text=None if record.key is None else record.key.decode(errors="replace"),
            value_base64=base64.b64encode(record.value).decode(),
            reason=reason,
            source=source,
        )

    def record(self) -> Inbound:
        """Return the record as it came."""
        topic, partition, offset = self.origin.split("/")
        key = None if self.key_text is None else self.key_text.encode()
        return Inbound(topic, int(partition), int(offset), key, base64.b64decode(self.value_base64))


class DeadLetterReplayed(Fact, topic=None, prefix="", key="stream"):
    """The first dead letter of a stream was taken out; what it came to stands beside it in the same entry."""

    stream: str
    origin: str


class ErasedEntry(Model):
    """An entry of a stream that lost its words, and the digest of what was left of it."""

    page: int
    version: int
    left: str


class TextErased(Fact, topic=None, prefix="", key="stream"):
    """Words of people were erased from entries of a stream; who, when and why stays."""

    stream: str
    by: str
    """An identifier, never a name."""
    ground: str
    order: str
    """What the erasure was ordered by: an identifier of a file."""
    entries: tuple[ErasedEntry, ...]


KIT_FACTS: dict[str, type[Fact]] = {fact.type: fact for fact in (DeadLetter, DeadLetterReplayed, TextErased)}


@dataclass(slots=True)
class Record(Generic[S]):
    """A stream's state and what the kit must remember beside it."""

    stream: str
    body: S
    page: int = 0
    version: int = 0
    correlation: str = ""
    sequences: dict[str, int] = field(default_factory=dict)
    """The last sequence said on each subject that this stream speaks on."""
    seen: dict[str, Seen] = field(default_factory=dict)
    parked: tuple[DeadLetter, ...] = ()
    is_stored: bool = False
    """Whether the database is known to hold a state of the stream, though an older one."""
    foreseen: Any = None
    """What was decided ahead on this very state; it goes when the state does."""

    def draft(self) -> "Record[S]":
        """Return a copy to decide on; who changes a mapping of it puts a new one there."""
        return Record(
            self.stream,
            self.body,
            self.page,
            self.version,
            self.correlation,
            self.sequences,
            self.seen,
            self.parked,
            self.is_stored,
        )


@dataclass(frozen=True, slots=True)
class Shape(Generic[S]):
    """How a service's states are folded, kept and found again."""

    initial: Callable[[str], S]
    evolve: Callable[[S, Fact], S]
    adapter: TypeAdapter[S]
    facts: Mapping[str, type[Fact]]
    """Every type that may stand in the ledger, the private ones included."""
    wake_at: Callable[[S], int | None] = lambda _: None
    """The next moment, in microseconds, at which the stream has something to say."""
    view: Callable[[S], Mapping[str, Any]] = lambda _: {}
    """What queries ask for."""

    def new(self, stream: str) -> Record[S]:
        """Return the record of a stream that nobody has heard of."""
        return Record(stream, self.initial(stream))

    def fold(self, record: Record[S], entry: Entry, page: int) -> None:
        """Take an entry of the ledger into a record; the only way a stored page changes a state."""
        record.page, record.version, record.foreseen = page, entry.version, None
        record.correlation = record.correlation or entry.correlation
        if entry.source is not None:
            subject, sequence = entry.source
            record.seen[subject] = record.seen.get(subject, NOTHING_SEEN).plus(sequence)
        for event in entry.events:
            if event.reason is None:
                envelope = Envelope.parse(event.value)
                self.take(record, event.key, self.read(event.type, envelope))
                # Counting would begin anew behind a gap: what was taken back from the topics may have one.
                record.sequences[event.key] = envelope.sequence

    def take(self, record: Record[S], key: str, fact: Fact) -> None:
        """Let one fact change a record."""
        record.sequences[key] = record.sequences.get(key, 0) + 1
        # Asked of the type string first: isinstance of a pydantic class costs a call into its metaclass.
        if fact.type not in KIT_FACTS:
            record.body = self.evolve(record.body, fact)
        elif isinstance(fact, DeadLetter):
            record.parked = (*record.parked, fact)
        elif isinstance(fact, DeadLetterReplayed):
            record.parked = record.parked[1:]

    def read(self, type_: str, envelope: Envelope) -> Fact:
        """Return the fact that an event of the ledger holds."""
        fact_type = KIT_FACTS.get(type_) or self.facts[type_]
        return fact_type.read(envelope.data)

    def to_document(self, record: Record[S], book: int) -> dict[str, Any]:
        """Return a record as the database keeps it."""
        document: dict[str, Any] = {
            "_id": record.stream,
            "book": book,
            "page": record.page,
            "version": record.version,
            "correlation": record.correlation,
            "sequences": list(record.sequences.items()),
            "seen": [(subject, seen.last, seen.missing) for subject, seen in record.seen.items()],
            "parked": [letter.model_dump() for letter in record.parked],
            "view": dict(self.view(record.body)),
            "body": self.adapter.dump_json(record.body),
        }
        if record.parked:
            document["letters"] = len(record.parked)
        wake_at = None if record.parked else self.wake_at(record.body)
        if wake_at is not None:
            document["wake_at"] = wake_at
        return document

    def from_document(self, document: Mapping[str, Any]) -> Record[S]:
        """Return the record that a document of the database holds."""
        return Record(
            document["_id"],
            self.adapter.validate_json(document["body"]),
            document["page"],
            document["version"],
            document["correlation"],
            dict(map(tuple, document["sequences"])),
            {
                subject: Seen(last, tuple((a, b) for a, b in missing))
                for subject, last, missing in document["seen"]
            },
            tuple(DeadLetter.model_validate(letter) for letter in document["parked"]),
            is_stored=True,
        )
