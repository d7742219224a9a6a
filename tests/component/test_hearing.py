"""A process lives through a broker that is away, comes back as it was, or comes back empty."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from contracts.directory import UnitClosed, UnitRenamed
from contracts.envelope import Envelope
from contracts.escalations import DutyMissed
from contracts.topics import PARTITIONS
from services.reminders.app import build
from shared.clock import MICROSECOND
from shared.consumer import Heard
from shared.hearing import Hearing
from shared.kafka import BELOW_FOR, Certainty, KafkaEars, rewind
from shared.relay import BrokerUnavailableError, NoTopicsError
from shared.table import DirectoryTable
from shared.testing.memory import MemoryOutlet
from tests.support.reminders import DUE, OPENED_AT, a_duty, a_village
from tests.support.running import Running


class Scene:
    """A broker, what hears it, and a list of what was done in which order."""

    def __init__(self, holds: str | None = "first") -> None:
        self.holds = holds
        self.is_away = False
        self.made = 0
        self.done: list[str] = []
        self.heard = Heard()
        self.heard.begin("first")
        self.hearing = Hearing(
            self.heard,
            looks=self.look,
            make_topics=self.make_topics,
            listen=lambda: SceneEars(self, self.heard.incarnation),
            on_replaced=self.replaced,
        )

    async def look(self) -> str:
        if self.is_away:
            raise BrokerUnavailableError("away")
        if self.holds is None:
            raise NoTopicsError("empty")
        return self.holds

    async def make_topics(self) -> str:
        if self.holds is None:
            self.made += 1
            self.holds = f"made {self.made}"
        return self.holds

    async def replaced(self) -> None:
        self.done.append(f"replaced {self.heard.incarnation}")


class SceneEars:
    """Ears that note what is done with them."""

    def __init__(self, scene: Scene, incarnation: str | None) -> None:
        self.scene, self.incarnation = scene, incarnation

    async def start(self) -> None:
        if self.scene.is_away:
            raise BrokerUnavailableError("away")
        self.scene.done.append(f"hear {self.incarnation}")

    async def stop(self) -> None:
        await asyncio.sleep(0)
        self.scene.done.append(f"end {self.incarnation}")

    async def rewind(self) -> None:
        pass

    async def lag(self) -> Mapping[str, int]:
        return {"duties": 3}


async def test_a_broker_that_is_away_and_comes_back_as_it_was_is_heard_on() -> None:
    scene = Scene()
    await scene.hearing.start()
    scene.is_away = True
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError):
            await scene.hearing.look()
    scene.is_away = False

    await scene.hearing.look()

    assert (scene.done, scene.made) == (["hear first"], 0)


async def test_whoever_sees_an_empty_broker_first_makes_the_topics_and_hears_what_is_there_then() -> None:
    scene = Scene()
    await scene.hearing.start()
    scene.holds = None

    await scene.hearing.look()
    await scene.hearing.look()

    assert scene.done == ["hear first", "end first", "replaced first", "hear made 1"]
    assert (scene.made, scene.heard.incarnation) == (1, "made 1")


async def test_topics_that_another_process_has_made_again_are_heard_from_their_beginning() -> None:
    scene = Scene()
    await scene.hearing.start()
    scene.holds = "second"

    await scene.hearing.look()

    assert scene.done == ["hear first", "end first", "replaced first", "hear second"]
    assert scene.made == 0


async def test_a_broker_that_is_away_at_the_start_is_heard_as_soon_as_it_is_there() -> None:
    scene = Scene()
    scene.is_away = True
    await scene.hearing.start()
    scene.is_away = False

    await scene.hearing.look()

    assert scene.hearing.is_up
    assert scene.done == ["end first", "hear first"]


async def test_who_stands_by_or_stops_hears_nothing_of_a_new_broker() -> None:
    scene = Scene()
    scene.holds = "second"
    await scene.hearing.look()
    await scene.hearing.start()
    await scene.hearing.stop()
    scene.holds = "third"

    await scene.hearing.look()

    assert scene.done == ["replaced first", "hear second", "end second", "replaced second"]


class Consumer:
    """One partition as a consumer sees it, and the connections that it has."""

    def __init__(self, position: int, end: int | None) -> None:
        self.at, self.end = position, end
        self._client = self
        self._conns: dict[str, object] = {"node": object()}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", 0)}

    def highwater(self, _: TopicPartition) -> int | None:
        return self.end

    async def position(self, _: TopicPartition) -> int:
        return self.at

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    def reconnect(self) -> None:
        self._conns = {"node": object()}


@pytest.mark.parametrize(("end", "read_from"), [(14, 0), (15, 15), (16, 15), (None, 15)])
async def test_a_partition_that_ends_before_what_was_read_of_it_is_read_again(
    end: int | None, read_from: int
) -> None:
    """A live consumer silently skipped ten of fifteen records that were said again."""
    consumer, below = Consumer(15, end), Counter[TopicPartition]()
    for _ in range(BELOW_FOR):
        assert consumer.at == 15
        await rewind(consumer, below)
    assert consumer.at == read_from


@pytest.mark.parametrize(
    ("consumers", "lag"),
    [
        ([], {}),
        ([Consumer(15, None)], {"t": 0}),
        ([Consumer(15, 15)], {"t": 0}),
        ([Consumer(15, 18)], {"t": 3}),
        ([Consumer(15, 18), Consumer(2, 4)], {"t": 5}),
        ([Consumer(15, 18), Consumer(15, 14)], {"t": 3}),
    ],
)
async def test_what_lies_between_the_position_and_the_end_of_each_partition_is_the_lag_of_its_topic(
    consumers: list[Consumer], lag: dict[str, int]
) -> None:
    ears = KafkaEars("nobody:9092")
    begun = [SimpleNamespace(consumer=consumer) for consumer in consumers]
    ears.broker = SimpleNamespace(subscribers=[SimpleNamespace(), *begun])  # type: ignore[assignment]

    assert await ears.lag() == lag


async def test_who_does_not_hear_the_broker_tells_no_lag() -> None:
    scene = Scene()
    assert await scene.hearing.lag() == {}
    await scene.hearing.start()
    assert await scene.hearing.lag() == {"duties": 3}


async def test_a_partition_that_ended_too_early_for_a_moment_is_read_on() -> None:
    consumer, below = Consumer(15, 14), Counter[TopicPartition]()
    for end in (14, 14, 15, 14, 14):
        consumer.end = end
        await rewind(consumer, below)
    assert consumer.at == 15


async def test_what_was_read_over_a_new_connection_is_of_the_old_data_only_if_the_broker_says_so() -> None:
    answers: list[Any] = ["first", "first", KafkaConnectionError("away"), "second"]

    async def read() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    certainty, consumer = Certainty("first", read), Consumer(0, 0)
    assert await certainty.of(consumer)
    assert await certainty.of(consumer)
    assert len(answers) == 3
    for is_sure in (True, False, False):
        consumer.reconnect()
        assert await certainty.of(consumer) is is_sure


async def test_a_process_lives_through_an_empty_broker_and_says_and_hears_everything_again(
    tmp_path: Path,
) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    service, outlet = running.service, MemoryOutlet(running.broker)
    service.heard.begin(running.broker.incarnation)
    ears: list[SceneEars] = []

    def listen() -> SceneEars:
        ears.append(SceneEars(Scene(), service.heard.incarnation))
        return ears[-1]

    hearing = Hearing(
        service.heard,
        looks=outlet.incarnation,
        make_topics=outlet.incarnation,
        listen=listen,
        on_replaced=service._on_replaced,
    )
    await hearing.start()
    service.heard.incarnation = ""  # of the others' words in this test
    await running.hears(*a_village().facts, a_duty())
    await running.at(DUE + MICROSECOND)
    await running.relay.drain()
    (said,) = (facts_of(log) for log in running.broker.past)
    assert DutyMissed.type in {read.type for read in said}
    service.heard.incarnation = running.broker.incarnation

    running.broker.lose_everything()
    await hearing.look()

    assert not service._stopping.is_set()
    assert [one.incarnation for one in ears] == ["incarnation-1", "incarnation-2"]
    assert service.heard.through_all("directory", PARTITIONS, "/zeren/directory") is None
    assert not service.shelf.ours
    assert "village" in service.tree.units
    await service.shelf.open_all(set(range(PARTITIONS)))
    service.heard.incarnation = ""
    await running.hears_again(running.others.records)
    await running.at(DUE + 2 * MICROSECOND)
    await running.relay.drain()
    assert identities(facts_of(running.broker.logs)) == identities(said)


async def test_the_tree_of_an_empty_broker_is_read_anew_and_shown_when_it_is_whole(tmp_path: Path) -> None:
    """A fact that was passed over while the broker was replaced is taken in all the same."""
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    village = await running.hears(*a_village().facts)
    tree, table = running.service.tree, running.service.table
    renamed, closed = running.others.say(
        [UnitRenamed(unit="village", name="new"), UnitClosed(unit="village")], OPENED_AT
    )
    await table.apply([closed])
    table.begin()

    await table.apply(village[:1])
    assert "village" in tree.units, "the old tree is shown until the new one is whole"
    await table.apply([*village, renamed, closed])
    await running.hears_all_said("directory", OPENED_AT)
    assert tree.units["village"].name == "village", "an old Said does not tell that it is whole"
    read_whole(table)

    assert (tree.units["village"].name, tree.units["village"].is_closed) == ("new", True)


async def test_who_knew_the_tree_goes_on_answering_while_he_reads_it_anew(tmp_path: Path) -> None:
    running = await Running("reminders", build, tmp_path, OPENED_AT).start()
    service, table = running.service, running.service.table
    assert service.is_blind()
    await running.hears(*a_village().facts)
    await running.hears_all_said("directory", OPENED_AT)
    read_whole(table)
    assert not service.is_blind()

    table.begin()

    assert (service.is_blind(), table.is_read) == (False, False)


def read_whole(table: DirectoryTable) -> None:
    """Let a table learn that every partition was read to its end."""
    for partition in range(PARTITIONS):
        table.note_read(partition)


def facts_of(logs: Any) -> list[Envelope]:
    """Return the facts of a broker's logs."""
    return [Envelope.parse(record.value) for log in logs.values() for record in log if record.key is not None]


def identities(facts: list[Envelope]) -> Counter[str]:
    """Return what was said, and how often."""
    return Counter(f"{read.source}#{read.id}" for read in facts)
