"""Lesson 5: no message is lost by a later one, none is done twice, and none stops its partition."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.envelope import MAX_FACT_BYTES, Envelope
from contracts.topics import PARTITIONS, TOPICS
from deploy.embedded import servers
from shared import ids, metrics
from shared.commands import rebuild_states, verify_books
from shared.consumer import TooManyDeadLettersError
from shared.ids import partition_of
from shared.kafka import BATCH_BYTES
from shared.ledger import Entry
from shared.mongo import MongoStore, connect, disconnect
from shared.reading import pages_of
from shared.relay import Outbound, Work
from shared.service import Plan, Service
from shared.settings import Settings
from shared.state import Inbound
from tests.support.eventually import eventually
from tests.support.process import Process, running, settings_of
from tests.support.servers import running as running_server
from tests.support.tally import SHAPE, build, fulfilled, half_filed, names, opened
from tests.support.wire import Owner, committed_of, facts_on, put

pytestmark = pytest.mark.usefixtures("driver")

P = 7
"""The partition on which everything happens; the others show that nothing else does."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own: the topics of the registry carry garbage here."""
    with running_server(servers.broker(tmp_path)) as server:
        yield server.address


class Place:
    """A service's name, settings, and what it leaves behind in its database and on its topics."""

    def __init__(self, folder: Path, broker: str, mongo_uri: str) -> None:
        self.name = f"tally-{ids.new_id()}"
        self.broker = broker
        self.settings = settings_of(Settings, folder, broker_address=broker, mongo_uri=mongo_uri)
        self.client = connect(mongo_uri)
        self.store = MongoStore(self.client, self.name)

    def service(self, **settings: Any) -> Service[Any]:
        """Return a new process of the service, not started."""
        return Service(self.settings.model_copy(update=settings), self.name)

    async def entries(self) -> list[Entry]:
        """Return all entries of the partition's book."""
        return [entry async for page in pages_of(self.store, P) for entry in page.entries]

    async def tallied(self) -> Counter[str]:
        """Return how often each fact was counted."""
        counted = [
            event for entry in await self.entries() for event in entry.events if event.topic == "reminders"
        ]
        return Counter(Envelope.parse(event.value).data["heard"] for event in counted)

    async def sources(self) -> list[Any]:
        """Return what caused the entries, in their order."""
        return [entry.source for entry in await self.entries()]

    async def committed(self, topic: str) -> int | None:
        """Return the offset from which the service would go on with the partition."""
        return (await committed_of(self.broker, self.name, topic)).get(P)

    async def dead_letters(self) -> list[Any]:
        """Return what lies among the dead letters of both topics, from this service or another."""
        return await facts_on(self.broker, *(TOPICS[topic].dead_letters for topic in ("duties", "reports")))


@pytest.fixture
async def place(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Place]:
    place = Place(tmp_path, broker, mongo_uri)
    yield place
    await disconnect(place.client)


class PowerCutError(Exception):
    """The process is gone."""


class Doomed:
    """A process that dies between its page and the commit of the offsets."""

    def __init__(self, service: Service[Any], *, speaks: bool) -> None:
        self.service = service
        self._apply = service._apply
        self._has_spoken = asyncio.Event()
        service._apply = self.apply  # type: ignore[method-assign]
        if not speaks:
            service._on_page = lambda page: None  # type: ignore[method-assign]
            self._has_spoken.set()

    def build(self, service: Service[Any]) -> Plan[Any]:
        """Return the plan, with an ear for what the relay has sent and not yet marked."""
        return replace(build(service), tell=self.tell)

    async def apply(self, records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        """Apply records, and die."""
        self.service.store.set_marks = self.mark  # type: ignore[method-assign]
        await self._apply(records)
        await self._has_spoken.wait()
        # Without its books it can neither write nor say a thing while it goes down.
        self.service.books.clear()
        raise PowerCutError

    async def mark(self, marks: Mapping[int, Any]) -> None:
        """Never come to mark what was said of the last batch, however late it is since the last mark."""
        if marks:
            await asyncio.Event().wait()

    async def tell(self, work: Work) -> None:
        """Let the process die once something was said, before it is marked."""
        if any(entry.events for _, pages in work for page in pages for entry in page.entries):
            self._has_spoken.set()
            await asyncio.Event().wait()


def keyed(record: Outbound) -> tuple[bytes, bytes]:
    return (record.key or "").encode(), record.value


async def a_poisoned_batch(owner: Owner, broker: str) -> list[tuple[bytes, bytes]]:
    """Put a poisonous record, a good one, one that the rule fails on, and a good one behind them."""
    malformed, good, better = islice(names("x", P), 3)
    bad = next(names("bad", P))
    records = [
        (f"duty:{malformed}".encode(), b"{"),
        keyed(owner.record(opened(good))),
        keyed(owner.record(opened(bad))),
        keyed(owner.record(opened(better))),
    ]
    await put(broker, "duties", P, records)
    return records


class Survival(NamedTuple):
    """What is there after a process died between page and commit, and another went on."""

    records: list[tuple[bytes, bytes]]
    offsets: list[int | None]
    sources: list[list[Any]]
    tallied: Counter[str]
    dead_letters: Counter[tuple[bytes, bytes]]


async def die_and_go_on(place: Place, *, speaks: bool) -> Survival:
    """Let a process die over a batch with poison in it, before or after it said a thing; start another."""
    doomed = Doomed(place.service(said_every=timedelta(hours=1)), speaks=speaks)
    process = await Process(doomed.service, doomed.build).until_ready()
    await eventually(lambda: all(book.said == book.head for book in process.service.opened()))
    records = await a_poisoned_batch(Owner(place.broker, "reporting", "duties"), place.broker)
    with pytest.raises(PowerCutError):
        await process.task
    with pytest.raises(PowerCutError):
        await process.stop()
    offset, sources = await place.committed("duties"), await place.sources()

    async with running(place.service(), build) as again:
        await eventually(lambda: is_committed(place, "duties", 4))
        await eventually(lambda: all(book.said == book.head for book in again.service.opened()))
    return Survival(
        records,
        [offset, await place.committed("duties")],
        [sources, await place.sources()],
        await place.tallied(),
        Counter((record.key, record.value) for record in await place.dead_letters()),
    )


async def is_committed(place: Place, topic: str, at_least: int) -> bool:
    return (await place.committed(topic) or -1) >= at_least


class Aftermath(NamedTuple):
    """What is there after all kinds of records were heard on one partition."""

    sent: dict[str, Outbound]
    tallied: Counter[str]
    entries: list[Entry]
    dead_letters: list[Any]
    offsets: dict[str, int | None]
    ignored: float
    books: list[int]
    faults: list[Any]
    different: list[str]


async def hear_everything(place: Place) -> Aftermath:
    """Let a service hear every kind of record, good ones last, and stop."""
    duties, reports = Owner(place.broker, "reporting", "duties"), Owner(place.broker, "reporting", "reports")
    free = names("x", P)
    sent: dict[str, Outbound] = {}

    def record(kind: str, owner: Owner, fact: Any, **changes: Any) -> None:
        sent[kind] = owner.record(fact)._replace(partition=P, **changes)

    record("twice", duties, opened(next(free)))
    record("first", duties, opened(late := next(free)))
    record("second", duties, fulfilled(late))
    for n, name in enumerate(islice(free, 4)):
        record(f"duty {n}", duties, opened(name))
        record(f"report {n}", reports, half_filed(name))
    record("malformed", duties, opened(next(free)), value=b"{")
    record("not text", duties, opened(next(free)), value=b"\xff\xfe")
    record("empty", duties, opened(next(free)), value=b"")
    record("too large", duties, opened(next(free)), value=b"x" * (MAX_FACT_BYTES + 1))
    record("larger than a batch", duties, opened(next(free)), value=b"x" * (BATCH_BYTES + 1))
    record("rule fails", duties, opened(next(names("bad", P))))
    record(
        "elsewhere",
        duties,
        opened(next(n for n in map(str, range(99)) if partition_of(f"duty:{n}", PARTITIONS) != P)),
    )
    record("no key", duties, opened(next(free)), key=None)
    record("unknown type", duties, opened(next(free)))
    imagined = sent["unknown type"].value.replace(b"duty-opened.v1", b"duty-imagined.v9")
    sent["unknown type"] = sent["unknown type"]._replace(value=imagined)
    record("unknown field", duties, opened(next(free)))
    tomorrow = sent["unknown field"].value.replace(b'"period":', b'"tomorrow":{"deep":[1]},"period":')
    sent["unknown field"] = sent["unknown field"]._replace(value=tomorrow)
    record("last duty", duties, opened(next(free)))
    record("last report", reports, half_filed(next(free)))

    async def lay(topic: str, *kinds: str) -> None:
        chosen = [sent[kind] for kind in kinds]
        await put(
            place.broker, topic, P, [(one.key.encode() if one.key else None, one.value) for one in chosen]
        )

    unknown = metrics.RECORDS.labels("duties", "unknown", "ignored")
    before = unknown._value.get()
    async with running(place.service(), build) as process:
        await lay("duties", "twice", "second", "duty 0", "duty 1")
        await eventually(lambda: is_committed(place, "duties", 4))
        await lay("reports", "report 0", "report 1", "report 2", "report 3")
        await eventually(lambda: is_committed(place, "reports", 4))
        await lay("duties", "duty 3", "duty 2", "first", "twice")
        await lay("duties", "malformed", "not text", "twice", "empty", "too large", "rule fails", "elsewhere")
        await lay("duties", "larger than a batch")
        await lay("duties", "no key", "unknown type", "malformed", "unknown field", "last duty")
        await lay("reports", "last report", "report 0")
        await eventually(lambda: is_committed(place, "duties", 21))
        await eventually(lambda: is_committed(place, "reports", 6))
        books = sorted(book.number for book in process.service.opened())
    _, faults = await verify_books(place.store, PARTITIONS, {})
    _, different = await rebuild_states(place.store, PARTITIONS, SHAPE, write=False)
    return Aftermath(
        sent,
        await place.tallied(),
        await place.entries(),
        await place.dead_letters(),
        {topic: await place.committed(topic) for topic in ("duties", "reports")},
        unknown._value.get() - before,
        books,
        faults,
        different,
    )


class Played(NamedTuple):
    """Three services at once, each on a broker of its own, because joining a group takes seconds."""

    silent: Survival
    """It died before it had said a thing."""
    spoken: Survival
    """It died after it had said everything, before it had marked that."""
    aftermath: Aftermath


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, mongo_uri: str) -> Played:
    """Play everything once for all tests that look at what became of it."""

    async def play(*brokers: str) -> Played:
        places = [Place(tmp_path_factory.mktemp("place"), broker, mongo_uri) for broker in brokers]
        try:
            return Played(
                *await asyncio.gather(
                    die_and_go_on(places[0], speaks=False),
                    die_and_go_on(places[1], speaks=True),
                    hear_everything(places[2]),
                )
            )
        finally:
            for place in places:
                await disconnect(place.client)

    with ExitStack() as stack:
        brokers = [
            stack.enter_context(running_server(servers.broker(tmp_path_factory.mktemp("broker")))).address
            for _ in Played._fields
        ]
        runner = stack.enter_context(asyncio.Runner(loop_factory=asyncio.new_event_loop))
        return runner.run(play(*brokers))


@pytest.fixture
def aftermath(played: Played) -> Aftermath:
    """Return what became of every kind of record."""
    return played.aftermath


def test_a_kill_between_page_and_commit_makes_the_batch_come_again(played: Played) -> None:
    assert [survival.offsets for survival in (played.silent, played.spoken)] == [[None, 4], [None, 4]]


def test_what_comes_again_after_a_kill_is_a_duplicate(played: Played) -> None:
    for survival in (played.silent, played.spoken):
        before, after = survival.sources
        assert len(before) == 4
        assert before == after


def test_lesson_5_the_good_ones_behind_poison_are_done_once(played: Played) -> None:
    for survival in (played.silent, played.spoken):
        _, good, _, better = survival.records
        assert survival.tallied == {Envelope.parse(value).id: 1 for _, value in (good, better)}


def test_poison_is_said_among_the_dead_letters_once(played: Played) -> None:
    poison, _, bad, _ = played.silent.records
    assert played.silent.dead_letters == {unsaid(poison): 1, bad: 1}


def test_poison_is_said_once_more_if_the_process_died_before_it_marked_that_it_was_said(
    played: Played,
) -> None:
    """One entry of the ledger, two records with the same bytes: at least once can do no better."""
    poison, _, bad, _ = played.spoken.records
    assert played.spoken.dead_letters == {unsaid(poison): 2, bad: 2}


def unsaid(record: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return what is said of a record that is no fact: its key, which is an identifier, and no byte of it."""
    return record[0], b""


def id_of(record: Outbound) -> str:
    return Envelope.parse(record.value).id


def test_no_record_stops_its_partition(aftermath: Aftermath) -> None:
    assert aftermath.offsets == {"duties": 21, "reports": 6}
    assert aftermath.books == list(range(PARTITIONS))
    assert {id_of(aftermath.sent[kind]) for kind in ("last duty", "last report")} <= set(aftermath.tallied)


def test_the_same_message_three_times_is_counted_once(aftermath: Aftermath) -> None:
    assert aftermath.tallied[id_of(aftermath.sent["twice"])] == 1


def test_what_comes_before_what_it_follows_is_counted_once_as_well(aftermath: Aftermath) -> None:
    assert [aftermath.tallied[id_of(aftermath.sent[kind])] for kind in ("second", "first")] == [1, 1]


@pytest.mark.parametrize("n", range(4))
def test_the_order_between_topics_does_not_matter(aftermath: Aftermath, n: int) -> None:
    duty, report = aftermath.sent[f"duty {n}"], aftermath.sent[f"report {n}"]
    assert [aftermath.tallied[id_of(record)] for record in (duty, report)] == [1, 1]


def test_a_field_that_is_not_known_yet_is_passed_over(aftermath: Aftermath) -> None:
    assert aftermath.tallied[id_of(aftermath.sent["unknown field"])] == 1


def test_a_type_that_is_not_known_yet_is_ignored_and_counted(aftermath: Aftermath) -> None:
    unknown = aftermath.sent["unknown type"]

    assert aftermath.ignored == 1
    assert id_of(unknown) not in aftermath.tallied
    assert unknown.value not in [record.value for record in aftermath.dead_letters]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("malformed", "json_invalid"),
        ("not text", "json_invalid"),
        ("empty", "json_invalid"),
        ("too large", "larger than 262144 bytes"),
        ("larger than a batch", "larger than 262144 bytes"),
        ("rule fails", "ArithmeticError"),
        ("elsewhere", "lies in a partition where its key does not belong"),
        ("no key", "name different streams"),
    ],
)
def test_a_bad_record_lies_among_the_dead_letters_once_with_the_reason(
    aftermath: Aftermath, kind: str, reason: str
) -> None:
    sent = aftermath.sent[kind]

    (found,) = (
        [record for record in aftermath.dead_letters if record.key == sent.key.encode()]
        if sent.key is not None
        else [record for record in aftermath.dead_letters if record.key.startswith(b"unreadable:duties/")]
    )
    assert found.value == (sent.value if kind == "rule fails" else b"")
    assert found.topic == "duties-dlq"
    assert reason in dict(found.headers)["dlq-reason"].decode()


def test_nothing_but_bad_records_is_among_the_dead_letters(aftermath: Aftermath) -> None:
    assert len(aftermath.dead_letters) == 8
    assert set(aftermath.tallied.values()) == {1}
    assert len(aftermath.tallied) == 14


def test_what_was_kept_verifies_and_can_be_rebuilt(aftermath: Aftermath) -> None:
    assert (aftermath.faults, aftermath.different) == ([], [])


async def test_ten_dead_letters_in_a_row_stop_the_service(place: Place) -> None:
    """Something is wrong with us then, not with them: a whole topic is not thrown away."""
    keys = [f"duty:{name}".encode() for name in islice(names("garbage", P), 12)]
    process = await Process(place.service(), build).until_ready()

    await put(place.broker, "duties", P, [(key, b"garbage") for key in keys[:9]])
    await eventually(lambda: is_committed(place, "duties", 9))
    assert await process.is_ready()
    await put(place.broker, "duties", P, [(key, b"garbage") for key in keys[9:]])
    with pytest.raises(TooManyDeadLettersError):
        await process.task

    with pytest.raises(TooManyDeadLettersError):
        await process.stop()
    assert process.service._unready() == "TooManyDeadLettersError: duties"
    assert await place.committed("duties") == 9
