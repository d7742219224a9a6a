"""A foreign system puts records on ``duties-in`` over the wire, and its duty is watched and missed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from contracts.duties import DutyOpened, DutyRefused, Line
from contracts.duties_in import DutyBrought, DutyDone
from contracts.envelope import Envelope, Fact, encode
from contracts.escalations import DutyMissed, EscalationRaised
from contracts.topics import PARTITIONS
from deploy.embedded import servers
from deploy.embedded.keys import make_token
from shared.access import Identity
from shared.clock import MICROSECOND
from shared.ids import partition_of
from tests.support.eventually import eventually
from tests.support.servers import running
from tests.support.village import TOWNSHIP, VILLAGE, a_village
from tests.support.wire import committed_of, facts_on

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DUE = datetime(2026, 3, 31, 16, tzinfo=UTC)
DUTY = "training.lesson-1"
WISH = DutyBrought(
    duty=DUTY, unit=VILLAGE, kind="lesson", line=Line.MAIN, recipient=TOWNSHIP, period="2026-Q1", due_at=DUE
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own."""
    with running(servers.broker(tmp_path)) as server:
        yield server.address


async def send(broker: str, fact: Fact, event: str, token: str | None) -> None:
    """Send a record as a foreign system does: a key, an envelope with an id of its own, a header."""
    value = encode(fact, source="urn:training", sequence=0, time=NOW, correlation=event, cause=event)
    value = value.replace(f'"id":"{fact.subject}/0"'.encode(), f'"id":"{event}"'.encode())
    headers = [] if token is None else [("authorization", f"Bearer {token}".encode())]
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        where = partition_of(fact.subject, PARTITIONS)
        await producer.send_and_wait("duties-in", value, fact.subject.encode(), where, headers=headers)


async def said(broker: str, *topics: str) -> list[dict[str, Any]]:
    """Return type and data of what was said about the duty."""
    envelopes = [Envelope.parse(record.value) for record in await facts_on(broker, *topics)]
    return [{"type": one.type} | one.data for one in envelopes if one.data.get("duty") == DUTY]


async def test_a_duty_brought_before_reporting_has_read_the_directory_is_opened_and_escalates(
    tmp_path: Path, broker: str, mongo_uri: str
) -> None:
    async with a_village(tmp_path, broker, mongo_uri, at=NOW) as village:
        token = make_token(tmp_path, Identity(sub="training", unit=TOWNSHIP, roles=("duties:lesson",)))
        await village.stop("reporting")
        await send(broker, WISH, "e-0", None)
        await send(broker, WISH, "e-1", token)
        await send(broker, DutyDone(duty=DUTY, unit=VILLAGE, done_at=DUE), "e-2", token)
        await village.start("reporting")

        facts = await eventually(lambda: at_least(2, broker))
        assert [fact["type"] for fact in facts] == [DutyOpened.type, DutyRefused.type]
        assert (facts[1]["word"], facts[1]["request"]) == ("done_in_future", "e-2")
        (letter,) = await facts_on(broker, "duties-in-dlq")
        assert dict(letter.headers)["dlq-reason"].startswith(b"no valid token")
        where = partition_of(WISH.subject, PARTITIONS)
        await eventually(lambda: is_committed(broker, where, 3))

        await village.set_clock(DUE + MICROSECOND)
        climb = await eventually(lambda: at_least(2, broker, "escalations"))
        assert [fact["type"] for fact in climb] == [DutyMissed.type, EscalationRaised.type]
        assert climb[1]["post"] == f"{VILLAGE}/handler"


async def at_least(count: int, broker: str, topic: str = "duties") -> Any:
    facts = await said(broker, topic)
    return facts if len(facts) >= count else None


async def is_committed(broker: str, partition: int, offset: int) -> bool:
    return (await committed_of(broker, "reporting", "duties-in")).get(partition) == offset
