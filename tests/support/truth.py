"""What really happened, read from the pages alone, and what must be true of it in the end."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from contracts.envelope import Envelope, Said, said_type
from shared.clock import from_micros
from shared.decider import Decider
from shared.ids import partition_of
from shared.ledger import Page, from_document, verify
from shared.relay import Outbound
from shared.state import DeadLetter, DeadLetterReplayed, Record
from shared.testing.memory import MemoryBroker, MemoryDatabase


class Published(NamedTuple):
    """A fact on its way out, as the ledger holds it."""

    book: int
    key: str
    sequence: int
    time: datetime
    type: str
    data: dict[str, Any]
    value: bytes


@dataclass
class Truth:
    """All pages of one service, in the order in which they were inserted."""

    database: MemoryDatabase
    pages: list[Page] = field(default_factory=list)
    facts: list[Published] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    applied: dict[tuple[str, int], int] = field(default_factory=dict)
    parked: set[bytes] = field(default_factory=set)
    causes: dict[str, list[Published]] = field(default_factory=dict)

    def learn(self) -> None:
        """Read the pages that have come since."""
        if len(self.database.pages) > len(self.pages):
            for document in list(islice(self.database.pages.values(), len(self.pages), None)):
                self._read(from_document(document))

    def _read(self, page: Page) -> None:
        self.pages.append(page)
        for entry in page.entries:
            facts = []
            for event in entry.events:
                if event.reason is not None:
                    self.parked.add(event.value)
                elif event.topic is not None:
                    read = Envelope.parse(event.value)
                    facts.append(
                        Published(
                            page.book, event.key, read.sequence, read.time, read.type, read.data, event.value
                        )
                    )
            self.facts += facts
            self.counts[entry.stream] += len(facts)
            if entry.cause.startswith("ask"):
                assert entry.cause not in self.causes, f"{entry.cause} was decided twice"
            self.causes[entry.cause] = facts
            if entry.source is not None:
                assert entry.source not in self.applied, f"{entry.source} was applied twice"
                self.applied[entry.source] = page.number

    def book(self, number: int) -> list[Page]:
        """Return the pages of a book in their order."""
        return sorted((page for page in self.pages if page.book == number), key=lambda page: page.number)


def check_chain(truth: Truth, books: int, broker: MemoryBroker, topic: str) -> None:
    """Every chain verifies, and every head that was published is the hash of its page."""
    heads: dict[int, dict[int, bytes]] = defaultdict(dict)
    for _, _, said in saids(broker.past, topic):
        for head in said.heads:
            page, _, hexed = head.partition(":")
            book, _, nth = page.partition("/")
            heads[int(book)][int(nth)] = bytes.fromhex(hexed)
    for number in range(books):
        assert not list(verify(number, truth.book(number), heads[number]))


def check_counts(truth: Truth) -> None:
    """Nothing was decided on a state that lacked something: every stream counts 1, 2, 3 and so on."""
    counted: dict[str, list[int]] = defaultdict(list)
    said: dict[str, list[int]] = defaultdict(list)
    for book in {page.book for page in truth.pages}:
        for page in truth.book(book):
            for entry in page.entries:
                for event in entry.events:
                    if event.topic is not None and event.reason is None:
                        read = Envelope.parse(event.value)
                        counted[entry.stream].append(read.data["count"])
                        said[event.key].append(read.sequence)
    for numbers in (*counted.values(), *said.values()):
        assert numbers == list(range(1, len(numbers) + 1))


def check_states(truth: Truth, books: int, decider: Decider[Any]) -> None:
    """The states in the database are the fold of all pages from the first one on."""
    for book in range(books):
        records: dict[str, Record[Any]] = {}
        for page in truth.book(book):
            for entry in page.entries:
                record = records.setdefault(entry.stream, decider.shape.new(entry.stream))
                if record.parked:
                    kinds = {event.type for event in entry.events}
                    assert kinds & {DeadLetter.type, DeadLetterReplayed.type}, f"{entry} passed a dead letter"
                decider.shape.fold(record, entry, page.number)
        for stream, record in records.items():
            assert truth.database.states.get(stream) == decider.shape.to_document(record, book)
    streams = {entry.stream for page in truth.pages for entry in page.entries}
    assert set(truth.database.states) == streams


def check_rings(truth: Truth) -> None:
    """Each promised moment rang exactly once, and never early."""
    promised, rang = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for fact in truth.facts:
        moment = fact.data["rings_at"]
        if fact.data["heard"] == "ring":
            rang[fact.key, moment] += 1
            assert fact.time >= from_micros(moment), f"{fact} rang early"
        elif moment is not None:
            promised[fact.key, moment] += 1
    assert rang == promised


def check_heard_once(a: Truth, b: Truth, strays: set[str | None]) -> None:
    """The second service has applied each fact of the first exactly once, in the order of its stream."""
    facts = [fact for fact in a.facts if fact.type.startswith("a.")]
    heard = [source for source in b.applied if source[0].startswith("/a#")]
    assert Counter(heard) == Counter((f"/a#{fact.key}", fact.sequence) for fact in facts)
    order: dict[str, list[int]] = defaultdict(list)
    for page in sorted(b.pages, key=lambda page: page.number):
        for entry in page.entries:
            if entry.source is not None and entry.source[0] in {f"/a#{fact.key}" for fact in facts}:
                order[entry.source[0]].append(entry.source[1])
    for subject, sequences in order.items():
        assert subject.removeprefix("/a#") in strays or sequences == sorted(sequences)


def check_said(truth: Truth, broker: MemoryBroker, topic: str, strays: set[str | None]) -> None:
    """All facts are out; they came in order; and whoever said that all was out had all out."""
    books = {fact.value: fact.book for fact in truth.facts}
    for log in broker.past:
        for (name, partition), records in log.items():
            if name != topic:
                continue
            first: dict[bytes, int] = {}
            for offset, record in enumerate(records):
                if record.value in books:
                    first.setdefault(record.value, offset)
            _check_order(first, strays)
            mine = [fact for fact in truth.facts if partition_of(fact.key, broker.partitions) == partition]
            incarnation = f"incarnation-{broker.past.index(log) + 1}"
            for offset, said in said_in(records, topic):
                if said.incarnation != incarnation:
                    continue
                for fact in mine:
                    if fact.time < said.through and fact.book in said.books:
                        assert first.get(fact.value, offset + 1) < offset, f"{fact} came after {said}"
    out = {record.value for log in [broker.logs] for records in log.values() for record in records}
    assert all(fact.value in out for fact in truth.facts)


def _check_order(first: dict[bytes, int], strays: set[str | None]) -> None:
    """First appearances are in the order of each stream."""
    seen: dict[str, int] = defaultdict(int)
    for value in sorted(first, key=first.__getitem__):
        read = Envelope.parse(value)
        assert read.subject in strays or read.sequence > seen[read.subject], f"{read.id} came out of order"
        seen[read.subject] = max(seen[read.subject], read.sequence)


def said_in(records: Sequence[Outbound], topic: str) -> list[tuple[int, Said]]:
    """Return every Said of a log and its offset."""
    found = []
    for offset, record in enumerate(records):
        if record.key is None and said_type(topic).encode() in record.value:
            found.append((offset, Said.model_validate(Envelope.parse(record.value).data)))
    return found


def saids(logs: Sequence[dict[tuple[str, int], list[Outbound]]], topic: str) -> list[tuple[int, int, Said]]:
    """Return every Said of a topic, with its partition and offset."""
    return [
        (partition, offset, said)
        for log in logs
        for (name, partition), records in log.items()
        if name == topic
        for offset, said in said_in(records, topic)
    ]


def check_told(truth: Truth, told: Mapping[bytes, int]) -> None:
    """People were told of every fact that was said."""
    assert not [fact for fact in truth.facts if not told.get(fact.value)]


def check_callers(asked: Sequence[Any], truth: Truth) -> None:
    """What a caller was told is so: applied is kept as told, lost was not kept."""
    for one in asked:
        facts = truth.causes.get(one.cause, [])
        match one.told:
            case "applied":
                assert facts, f"{one} is not in the ledger"
                assert facts[0].data["count"] == one.count, f"{one} was told something else"
            case "unknown":
                pass
            case _:
                assert one.cause not in truth.causes, f"{one} is in the ledger"
