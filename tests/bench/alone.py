"""Reminders alone on deadline day: its duties laid into its own store, and what it would hear of others."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from contracts.directory import PostPlan, TenureStarted, UnitPlaced
from contracts.duties import DutyOpened, Line
from contracts.envelope import Envelope, Fact, Said, encode, encode_said
from contracts.escalations import EscalationRaised
from contracts.topics import PARTITIONS
from deploy.embedded.keys import make_keys
from deploy.embedded.servers import HOST, Server, free_port
from services.reminders.app import SHAPE
from services.reminders.domain.ladder import MICROSECOND
from services.reminders.domain.model import DutyWatched, Watch
from shared.book import Book
from shared.clock import EPOCH, SystemClock, real_now
from shared.decider import Decider, Request
from shared.ids import partition_of
from shared.kafka import KafkaOutlet
from shared.mongo import MongoStore, connect, disconnect, unpacked
from shared.relay import Outbound

VILLAGES = 4_000
"""Duties beyond these are further ones of the same villages: the tree is not what is measured."""
OWNER, DIRECTORY = "/zeren/reporting", "/zeren/directory"
PART = 1_000
_GREETING = b"GET /live HTTP/1.0\r\n\r\n"


def laid(_: Watch, opened: DutyOpened, __: datetime) -> Sequence[Fact]:
    """Watch a duty of which everybody was reminded: the next that it has to say is that it was missed."""
    next_at = opened.due_at + MICROSECOND
    return [DutyWatched(duty=opened.duty, owner=OWNER, opened=opened, next_at=next_at)]


def duty(n: int, due_at: datetime) -> DutyOpened:
    """Return the opening of the n-th duty."""
    report = f"2026.main-responsibility.3303{n:08d}"
    return DutyOpened(
        duty=f"{report}@330305",
        unit=_village(n % VILLAGES),
        kind="double-report",
        line=Line.MAIN,
        recipient="330305",
        period="2026",
        due_at=due_at,
        policy="double-report/1",
        occurrence=report,
        title="2026年度履行主体责任情况报告",
    )


def number(duty: str) -> int:
    """Return which duty an id names: the first is 0."""
    return int(duty.partition("@")[0][-8:])


def _village(n: int) -> str:
    return f"3303{n:08d}"


def tree() -> list[Fact]:
    """Return a province, a city, counties, towns and villages, everywhere somebody in every post."""
    facts: list[Fact] = []
    roles = ("handler", "leader_in_charge", "head")
    posts = tuple(PostPlan(role=role, rank_class="principal") for role in roles)
    above: dict[str, str | None] = {"33": None, "3303": "33"}
    above |= {f"3303{n:02d}": "3303" for n in range(10)}
    above |= {f"3303{n:03d}": f"3303{n % 10:02d}" for n in range(100, 200)}
    above |= {_village(n): f"3303{100 + n % 100:03d}" for n in range(VILLAGES)}
    for unit, parent in above.items():
        facts.append(UnitPlaced(unit=unit, name=unit, kind="party_committee", parent=parent, posts=posts))
        facts += [
            TenureStarted(unit=unit, post=f"{unit}/{role}", person=f"p-{unit}-{role}", from_at=EPOCH)
            for role in roles
        ]
    return facts


@dataclass(frozen=True)
class Alone:
    """A service in a process of its own, reminders by default, on servers that are up and have topics."""

    mongo_uri: str
    kafka: str
    incarnation: str
    folder: Path
    name: str = "reminders"

    async def lay(self, moments: Sequence[datetime]) -> None:
        """Lay a duty for each of *moments*, at which it is due, into the store, by the kit's own books."""
        client = connect(self.mongo_uri, "pymongo")
        store = MongoStore(client, "reminders")
        await store.make_indexes()
        books = [self._book(number, store) for number in range(PARTITIONS)]
        for book in books:
            await book.open()
        wishes: dict[int, list[Request]] = {number: [] for number in range(PARTITIONS)}
        for n, due_at in enumerate(moments):
            opened = duty(n, due_at)
            wishes[partition_of(opened.subject, PARTITIONS)].append(
                Request(f"watch:{opened.duty}", opened, opened.subject)
            )
        for book in books:
            mine = wishes.pop(book.number)
            for first in range(0, len(mine), PART):
                await book.handle(mine[first : first + PART])
            await book.close()
            marks = {"said": book.head, "told": book.head, "incarnation": self.incarnation}
            await store.set_marks({book.number: marks})
        await disconnect(client)

    def _book(self, number: int, store: MongoStore) -> Book[Watch]:
        return Book(
            number,
            store=store,
            decider=Decider(laid, SHAPE),
            clock=SystemClock(),
            source="/zeren/reminders",
            actor="bench",
            distance=10**9,
        )

    async def say_tree(self, facts: Iterable[Fact] = ()) -> None:
        """Say the tree, or another one, as the directory would."""
        sequences: dict[str, int] = {}
        records = []
        for fact in facts or tree():
            key = fact.subject
            sequence = sequences[key] = sequences.get(key, 0) + 1
            value = encode(
                fact, source=DIRECTORY, sequence=sequence, time=real_now(), correlation=key, cause=key
            )
            records.append(Outbound("directory", partition_of(key, PARTITIONS), key, value))
        async with self.outlet() as outlet:
            await outlet.send(records)
            await self.say_said(outlet)

    async def say_said(self, outlet: KafkaOutlet) -> tuple[datetime, datetime]:
        """Say for directory and reporting that all before now is out; return now, and when it was kept."""
        now = real_now()
        saids = {"directory": self._said(DIRECTORY, now), "duties": self._said(OWNER, now)}
        await outlet.send(
            [
                Outbound(topic, n, None, encode_said(said, topic=topic, partition=n, time=now))
                for topic, said in saids.items()
                for n in range(PARTITIONS)
            ]
        )
        return now, real_now()

    def _said(self, source: str, through: datetime) -> Said:
        return Said(source=source, books=(0,), of=1, through=through, incarnation=self.incarnation)

    @asynccontextmanager
    async def outlet(self) -> AsyncIterator[KafkaOutlet]:
        """Speak on the broker."""
        outlet = KafkaOutlet(self.kafka)
        await outlet.start()
        try:
            yield outlet
        finally:
            await outlet.stop()

    def service(self) -> Server:
        """Return the process of the service, not started."""
        port = free_port()
        public_key = make_keys(self.folder / "keys")
        settings = {
            "MONGO_URI": self.mongo_uri,
            "KAFKA_ADDRESS": self.kafka,
            "KAFKA_SESSION": "PT3S",
            "HTTP_HOST": HOST,
            "HTTP_PORT": str(port),
            "PUBLIC_KEY": str(public_key.resolve()),
            "LOG_JSON": "true",
        }
        environment = {f"{self.name.upper()}_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", f"services.{self.name}"]
        return Server(self.name, port, command, _GREETING, self.folder / f"{self.name}.log", environment)

    async def rows(self) -> Collection[str]:
        """Return the duty of each rung that stands in the ledger."""
        client: Any = AsyncMongoClient(self.mongo_uri)
        try:
            found = client["reminders"]["pages"].find()
            return [
                entry.stream.removeprefix("watch:")
                async for page in found
                for entry in unpacked(page).entries
                for event in entry.events
                if event.type == EscalationRaised.type
            ]
        finally:
            await client.close()


def raised(record: Any) -> str | None:
    """Return the duty whose first rung a record of ``escalations`` tells of; the miss lies before it."""
    if record.key is None or b"escalation-raised" not in record.value[:400]:
        return None
    return str(Envelope.parse(record.value).data["duty"])


async def is_ready(service: Server) -> bool:
    """Tell whether the process can do its work."""
    try:
        reader, writer = await asyncio.open_connection(HOST, service.port)
        writer.write(b"GET /ready HTTP/1.0\r\n\r\n")
        line = await reader.readline()
        writer.close()
    except OSError:
        return False
    return b" 200 " in line
