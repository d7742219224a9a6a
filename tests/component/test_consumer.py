"""Records that come in, good and bad: no partition stops, nothing is lost, nothing is done twice."""

from collections import Counter
from typing import Any

import pytest

from contracts.envelope import MAX_FACT_BYTES, Said, encode_said
from shared import deadletter
from shared.book import Book
from shared.clock import MICROSECOND
from shared.consumer import REMEMBERED, Heard, NotYetError, TooManyDeadLettersError
from shared.state import Inbound
from shared.testing.memory import MemoryStore
from tests.support.kit import NOON, PARTITIONS, a_book, a_record, a_request, an_intake, entries
from tests.support.toy import Chimed, Counted, Hear, Noted, on_a, toy


class Bug:
    """A mistake in the rule that can be put right."""

    is_there = True

    def __call__(self, command: Hear) -> bool:
        return self.is_there and command.number == 2


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def book(store: MemoryStore) -> Book[Any]:
    return await a_book(store)


def dead_letters(rows: list[Any]) -> list[str]:
    return [event.reason for entry in rows for event in entry.events if event.topic == "a-dlq"]


async def test_the_same_message_twice_is_one_entry(store: MemoryStore, book: Book[Any]) -> None:
    intake = an_intake(book)

    await intake.apply([a_record(1), a_record(1, offset=2)])
    await intake.apply([a_record(1, offset=3)])

    assert [entry.source for entry in await entries(store)] == [("/a#a:x", 1)]


async def test_messages_out_of_order_are_each_applied_once(store: MemoryStore, book: Book[Any]) -> None:
    intake = an_intake(book)
    for sequence in (4, 5, 4, 3, 5):
        await intake.apply([a_record(sequence)])

    assert Counter(entry.source for entry in await entries(store)) == {("/a#a:x", n): 1 for n in (3, 4, 5)}


async def test_a_fact_that_changes_nothing_is_remembered(store: MemoryStore, book: Book[Any]) -> None:
    intake = an_intake(book)
    await intake.apply([a_record(5), a_record(6)])
    await intake.apply([a_record(7), a_record(6)])

    heard = [(entry.source[1], len(entry.events)) for entry in await entries(store)]
    assert heard == [(5, 1), (6, 0), (7, 0)]


async def test_a_fact_that_is_refused_is_remembered(store: MemoryStore, book: Book[Any]) -> None:
    intake = an_intake(book)
    await intake.apply([a_record(5), a_record(12)])
    await intake.apply([a_record(4), a_record(12)])

    assert [entry.source[1] for entry in await entries(store)] == [5, 12, 4]


async def test_an_unknown_type_is_ignored_and_counted(store: MemoryStore, book: Book[Any]) -> None:
    counted: list[tuple[str, str, str]] = []
    intake = an_intake(book, facts={}, on_outcome=lambda *what: counted.append(what))

    offsets = await intake.apply([a_record(1)])

    assert counted == [("a", "unknown", "ignored")]
    assert list(offsets.values()) == [2]
    assert not await entries(store)


async def test_an_unknown_field_is_ignored(store: MemoryStore, book: Book[Any]) -> None:
    record = a_record(1)

    await an_intake(book).apply(
        [record._replace(value=record.value.replace(b'"count"', b'"tomorrow":[1],"count"'))]
    )

    assert [entry.source for entry in await entries(store)] == [("/a#a:x", 1)]


@pytest.mark.parametrize(
    ("record", "reason", "stream"),
    [
        (a_record(1, value=b"x" * (MAX_FACT_BYTES + 1)), "larger than", "b:x"),
        (a_record(1, value=b"not an envelope"), "json_invalid", "b:x"),
        (a_record(1, value=a_record(1).value.replace(b'"count":1', b'"count":"?"')), "count", "b:x"),
        (a_record(1, partition=(a_record(1).partition + 1) % PARTITIONS), "partition", "unreadable:a/"),
        (a_record(1, key=None), "different streams", "unreadable:a/"),
        (a_record(1, key=b"\xff"), "different streams", "unreadable:a/"),
        (a_record(1, name="x", value=a_record(1, name="y").value), "different streams", "b:x"),
    ],
)
async def test_a_record_that_cannot_be_read_is_parked_and_said(
    store: MemoryStore, book: Book[Any], record: Inbound, reason: str, stream: str
) -> None:
    offsets = await an_intake(book).apply([record, a_record(1, name="z", offset=9)])

    rows = await entries(store)
    assert reason in dead_letters(rows)[0]
    assert rows[0].stream.startswith(stream)
    assert rows[1].stream == "b:z"
    assert (record.topic, record.partition) in offsets


async def test_the_same_garbage_twice_is_one_dead_letter_even_at_another_offset(
    store: MemoryStore, book: Book[Any]
) -> None:
    intake = an_intake(book)

    await intake.apply([a_record(1, value=b"garbage"), a_record(1, value=b"garbage", offset=7)])
    await intake.apply([a_record(1, value=b"other garbage", offset=1)])

    assert len(dead_letters(await entries(store))) == 2


async def test_a_mistake_in_the_mapping_of_a_fact_stops_no_partition(
    store: MemoryStore, book: Book[Any]
) -> None:
    def on_fact(*_: object) -> None:
        raise LookupError("no such unit")

    offsets = await an_intake(book, topics={"a": on_fact}).apply([a_record(1)])

    (reason,) = dead_letters(await entries(store))
    assert reason.startswith("LookupError at test_consumer.py:")
    assert list(offsets.values()) == [2]


async def test_what_follows_a_dead_letter_joins_it_and_is_replayed_in_order(store: MemoryStore) -> None:
    bug = Bug()
    book = await a_book(store, decider=toy(Noted, Chimed, bug))
    intake = an_intake(book)
    await intake.apply([a_record(n) for n in (1, 2, 4, 5)])
    await intake.apply([a_record(n) for n in (5, 2)])
    assert (await book.peek("b:x")).count == 1

    bug.is_there = False
    applied, last = await deadletter.replay(book, intake, "b:x", cause="operator")
    await intake.apply([a_record(n) for n in (2, 4, 5, 10)])

    assert (applied, last.result) == (3, "nothing")
    assert [entry.source[1] for entry in await entries(store) if entry.source] == [1, 2, 4, 5, 10]


async def test_a_dead_letter_that_fails_again_stays_first(store: MemoryStore) -> None:
    book = await a_book(store, decider=toy(Noted, Chimed, Bug()))
    intake = an_intake(book)
    await intake.apply([a_record(n) for n in (2, 4)])

    applied, last = await deadletter.replay(book, intake, "b:x", cause="operator")

    assert applied == 0
    assert isinstance(last.error, ArithmeticError)
    assert len(dead_letters(await entries(store))) == 2


async def test_a_stream_goes_on_when_what_can_never_be_read_is_discarded(
    store: MemoryStore, book: Book[Any]
) -> None:
    intake = an_intake(book)
    await intake.apply([a_record(1, value=b"garbage"), a_record(4), a_record(5)])

    await deadletter.discard(book, "b:x", cause="operator")
    applied, _ = await deadletter.replay(book, intake, "b:x", cause="operator")

    assert applied == 2
    assert (await book.peek("b:x")).count == 2


async def test_a_record_read_at_last_is_not_applied_again_when_it_comes_again(
    store: MemoryStore, book: Book[Any]
) -> None:
    class Strict(Counted, topic="a", prefix="a", key="name"):
        new: int

    too_strict = an_intake(book, facts={Counted.type: Strict})
    await too_strict.apply([a_record(5)])

    intake = an_intake(book)
    await deadletter.replay(book, intake, "b:x", cause="operator")
    await intake.apply([a_record(5)])

    assert (await book.peek("b:x")).count == 1


async def test_nobody_decides_on_a_parked_stream_before_it_is_replayed(
    store: MemoryStore, book: Book[Any]
) -> None:
    await book.handle([a_request(cause="before", rings_in=10)])
    await an_intake(book).apply([a_record(1, value=b"garbage")])

    (outcome,) = await book.handle([a_request(cause="after")])

    assert outcome.refusal is not None
    assert outcome.refusal.word == "stream-parked"
    assert await book.due(NOON.replace(year=2027)) == []
    assert "wake_at" not in store.database.states["b:x"]


async def test_ten_dead_letters_in_a_row_on_a_topic_stop_the_service(book: Book[Any]) -> None:
    intake = an_intake(book)
    await intake.apply([a_record(n, name=f"x{n}", value=b"garbage") for n in range(9)])
    await intake.apply([a_record(1, name="good")])
    await intake.apply([a_record(n, name=f"y{n}", value=b"garbage") for n in range(9)])

    with pytest.raises(TooManyDeadLettersError):
        await intake.apply([a_record(n, name=f"z{n}", value=b"garbage") for n in range(1)])


async def test_who_stopped_at_ten_dead_letters_stops_at_them_again_after_a_restart(
    book: Book[Any],
) -> None:
    bad = [a_record(n, name=f"x{n}", value=b"garbage") for n in range(10)]
    with pytest.raises(TooManyDeadLettersError):
        await an_intake(book).apply(bad)
    head = book.head

    with pytest.raises(TooManyDeadLettersError):
        await an_intake(book).apply(bad)

    assert book.head == head


async def test_what_waits_behind_one_dead_letter_is_no_row_of_ten(book: Book[Any]) -> None:
    intake = an_intake(book)

    await intake.apply([a_record(1, value=b"garbage"), *(a_record(n) for n in range(2, 30))])
    await intake.apply([a_record(1, name="y", value=b"garbage")])


class TestAForeignTopic:
    """Anybody may write there, so that its mistakes are not ours."""

    async def test_what_cannot_be_read_parks_no_stream_and_what_follows_goes_on(
        self, store: MemoryStore, book: Book[Any]
    ) -> None:
        await an_intake(book, foreign=("a",)).apply([a_record(1, value=b"garbage"), a_record(2)])

        assert [entry.stream.partition("/")[0] for entry in await entries(store)] == ["unreadable:a", "b:x"]
        assert await book.parked("b:x") == ()

    async def test_no_number_of_unreadable_records_in_a_row_stops_the_service(self, book: Book[Any]) -> None:
        garbage = [a_record(n, name=f"x{n}", value=b"garbage") for n in range(30)]

        assert await an_intake(book, foreign=("a",)).apply(garbage)

    async def test_ten_mistakes_of_our_own_rule_in_a_row_stop_the_service(self, store: MemoryStore) -> None:
        book = await a_book(store, decider=toy(Noted, Chimed, Bug()))

        with pytest.raises(TooManyDeadLettersError):
            await an_intake(book, foreign=("a",)).apply([a_record(2, name=f"x{n}") for n in range(10)])

    async def test_nobody_speaks_there_for_a_service_of_ours(self, book: Book[Any]) -> None:
        heard = Heard()

        assert await an_intake(book, heard, foreign=("a",)).apply([said(NOON)])

        assert heard.through("a", 0, "/a") is None


async def test_a_record_that_must_wait_holds_its_partition_and_no_other(
    store: MemoryStore, book: Book[Any]
) -> None:
    waiting = True

    def on_fact(envelope: Any, fact: Any, record: Inbound) -> Any:
        if waiting and fact.name == "slow":
            raise NotYetError
        return on_a(envelope, fact, record)

    counted: list[tuple[str, str, str]] = []
    intake = an_intake(book, topics={"a": on_fact}, on_outcome=lambda *what: counted.append(what))
    place = a_record(1, name="slow").partition
    fellow, other = (
        next(f"x{n}" for n in range(99) if (a_record(1, name=f"x{n}").partition == place) == is_same)
        for is_same in (True, False)
    )
    batch = [
        a_record(1, name=fellow),
        a_record(1, name="slow", offset=2),
        a_record(2, name=fellow, offset=3),
        a_record(1, name=other),
    ]

    offsets = await intake.apply(batch)
    assert offsets == {("a", batch[-1].partition): 2}
    assert [entry.stream for entry in await entries(store)] == [f"b:{fellow}", f"b:{other}"]
    assert counted.count(("a", "any", "held")) == 1

    waiting = False
    assert await intake.apply(batch[:3]) == {("a", place): 4}
    rows = [(entry.stream, entry.source[1]) for entry in await entries(store)]
    assert rows[2:] == [("b:slow", 1), (f"b:{fellow}", 2)]


def said(through: Any, book: int = 0, of: int = 1, incarnation: str = "") -> Inbound:
    word = Said(source="/a", books=(book,), of=of, through=through, incarnation=incarnation)
    return Inbound("a", 0, 50, None, encode_said(word, topic="a", partition=0, time=NOON))


async def test_said_is_heard_once_every_book_has_said_it(book: Book[Any]) -> None:
    heard = Heard()
    intake = an_intake(book, heard)

    await intake.apply([said(NOON, of=2)])
    assert heard.through("a", 0, "/a") is None
    await intake.apply([said(NOON - MICROSECOND, book=1, of=2)])

    assert heard.through("a", 0, "/a") == NOON - MICROSECOND


async def test_said_is_not_heard_before_what_came_before_it_is_applied(book: Book[Any]) -> None:
    heard = Heard()
    await book.close()
    name = next(f"x{n}" for n in range(99) if a_record(1, name=f"x{n}").partition == 0)

    assert await an_intake(book, heard).apply([a_record(1, name=name), said(NOON)]) == {}

    assert heard.through("a", 0, "/a") is None


async def test_lateness_counts_from_when_the_owner_said_all_before_a_moment_not_from_when_it_was_heard(
    book: Book[Any],
) -> None:
    heard = Heard()

    await an_intake(book, heard).apply([said(NOON), said(NOON + MICROSECOND), said(NOON + 9 * MICROSECOND)])

    assert heard.first_through("a", 0, "/a", NOON - MICROSECOND) == NOON
    assert heard.first_through("a", 0, "/a", NOON) == NOON + MICROSECOND
    assert heard.first_through("a", 0, "/a", NOON + 9 * MICROSECOND) is None


async def test_what_is_heard_again_does_not_change_when_the_owner_first_said_all(
    book: Book[Any],
) -> None:
    """Nor does it push out what is remembered."""
    heard = Heard()
    older = [said(NOON - n * MICROSECOND) for n in range(REMEMBERED)]
    again = [said(NOON + 9 * MICROSECOND) for _ in range(REMEMBERED)]

    await an_intake(book, heard).apply([said(NOON), said(NOON + 9 * MICROSECOND), *older, *again])

    found = [heard.first_through("a", 0, "/a", NOON + n * MICROSECOND) for n in (-1, 0, 8, 9)]
    assert found == [NOON, NOON + 9 * MICROSECOND, NOON + 9 * MICROSECOND, None]


async def test_said_of_a_broker_that_was_lost_is_not_heard(book: Book[Any]) -> None:
    heard = Heard()
    heard.incarnation = "second"

    await an_intake(book, heard).apply([said(NOON, incarnation="first")])
    assert heard.through("a", 0, "/a") is None
    await an_intake(book, heard).apply([said(NOON, incarnation="second")])

    assert heard.through("a", 0, "/a") == NOON


@pytest.mark.parametrize("sequence", [2**63, 10**400])
async def test_a_sequence_that_the_database_has_no_room_for_is_a_dead_letter(
    store: MemoryStore, book: Book[Any], sequence: int
) -> None:
    await an_intake(book).apply([a_record(1), a_record(sequence, offset=2)])

    assert dead_letters(await entries(store)) == [f"sequence: larger than {2**63 - 1}"]
