"""What lies on the topics, and what the ledgers have to say."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.envelope import Envelope, Fact
from contracts.topics import FACTS, PARTITIONS, TOPICS
from deploy.embedded.check import BUILDERS
from deploy.embedded.findings import Said, read_records
from shared.ledger import Page
from shared.mongo import MongoStore, connect, disconnect
from shared.reading import pages_of
from tests.faults.verdict import Verdict


@dataclass
class Topics:
    """What lies on the topics of our services."""

    values: dict[tuple[str, bytes], int] = field(default_factory=Counter)
    facts: list[Said] = field(default_factory=list)

    @classmethod
    async def read(cls, address: str, verdict: Verdict) -> "Topics":
        """Read all topics; the same identity with other bytes is a fact that was doubled."""
        found = cls()
        first: dict[tuple[str, str], bytes] = {}
        async for record in read_records(address, [t.name for t in TOPICS.values() if t.producers]):
            found.values[record.topic, record.value] += 1
            envelope = Envelope.parse(record.value)
            known = first.setdefault((envelope.source, envelope.id), record.value)
            if known != record.value:
                verdict.wrong["doubled"].append(f"{envelope.id} is said in two ways")
            if found.values[record.topic, record.value] == 1:
                fact = FACTS[envelope.type].model_validate(envelope.data)
                found.facts.append(Said(envelope, fact))
        verdict.facts = len(found.values)
        verdict.again = sum(found.values.values()) - len(found.values)
        return found

    def of(self, *kinds: type[Fact]) -> list[Said]:
        """Return the facts of some kinds."""
        return [said for said in self.facts if isinstance(said.fact, kinds)]


async def check_ledgers(mongo_uri: str, topics: Topics, verdict: Verdict) -> None:
    """What was decided was said, what was said was decided, and no fact was applied twice."""
    client = connect(mongo_uri)
    decided: set[tuple[str, bytes]] = set()
    for name in BUILDERS:
        store = MongoStore(client, name)
        for book in range(PARTITIONS):
            pages = [page async for page in pages_of(store, book)]
            decided |= said_by(pages)
            verdict.wrong["doubled"] += [f"{name}: {one} was applied twice" for one in applied_twice(pages)]
    await disconnect(client)
    said = set(topics.values)
    verdict.wrong["lost"] += [f"{topic}: {value[:80]!r} was never said" for topic, value in decided - said]
    verdict.wrong["other"] += [f"{topic}: {value[:80]!r} was not decided" for topic, value in said - decided]


def said_by(pages: Iterable[Page]) -> set[tuple[str, bytes]]:
    """Return what pages have to say."""
    return {
        (event.topic, event.value)
        for page in pages
        for entry in page.entries
        for event in entry.events
        if event.topic is not None and event.reason is None
    }


def applied_twice(pages: Iterable[Page]) -> list[str]:
    """Return the facts heard that made two entries of one stream."""
    heard = Counter(
        (entry.stream, entry.source)
        for page in pages
        for entry in page.entries
        if entry.source is not None and not any(event.reason is not None for event in entry.events)
    )
    return [f"{source} on {stream}" for (stream, source), count in heard.items() if count > 1]
