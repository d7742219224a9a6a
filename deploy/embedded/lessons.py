"""Another system of the story: it brings lessons by topic, and says over HTTP when one was held."""

from collections.abc import Iterable
from datetime import datetime

from aiokafka import AIOKafkaProducer

from contracts.duties import Line
from contracts.duties_in import DutyBrought
from contracts.envelope import encode
from deploy.embedded.client import Client
from deploy.embedded.parameters import ZONE, Parameters
from deploy.embedded.people import People

OWNER = "party-school"
KIND = "lesson"
TITLE = "{month}月党课"


def lessons(parameters: Parameters, rows: Iterable[dict[str, str]]) -> list[DutyBrought]:
    """Return the lessons of the year: one township of each county, its committee and its villages'."""
    rows = [row for row in rows if row["code"].startswith(parameters.root)]
    townships = {row["parent"]: row["code"] for row in reversed(rows) if row["level"] == "township"}
    chosen = set(townships.values())
    units = [row for row in rows if row["code"] in chosen or row["parent"] in chosen]
    return [
        DutyBrought(
            duty=f"{OWNER}.{parameters.year}-{month:02d}.{row['code']}",
            unit=row["code"],
            kind=KIND,
            line=Line.MAIN,
            recipient=row["parent"],
            period=f"{parameters.year}-{month:02d}",
            due_at=datetime(parameters.year, month + 1, 1, tzinfo=ZONE),
            title=TITLE.format(month=month),
        )
        for month in parameters.lessons
        for row in units
    ]


async def bring(address: str, client: Client, wishes: Iterable[DutyBrought], at: datetime) -> None:
    """Put the wishes on ``duties-in``, each with the owner's token; bringing them again changes nothing."""
    headers = [("authorization", f"Bearer {client.token(OWNER, f'duties:{KIND}')}".encode())]
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        sent = []
        for wish in wishes:
            value = encode(
                wish, source=f"/{OWNER}", sequence=1, time=at, correlation=wish.duty, cause=wish.duty
            )
            sent.append(await producer.send("duties-in", value, key=wish.subject.encode(), headers=headers))
        for one in sent:
            await one


class Lessons:
    """Who holds his lessons when."""

    def __init__(self, client: Client, people: People, parameters: Parameters) -> None:
        """Plan for *people*."""
        self._client, self._people, self._parameters = client, people, parameters

    def plan(self, wishes: Iterable[DutyBrought], now: datetime) -> None:
        """Plan what every unit does about its lessons."""
        p = self._parameters
        for wish in wishes:
            dice = self._people.dice(wish.duty)
            self._people.tally.due[wish.due_at] += 1
            lot, early, late = dice.random(), dice.choice(p.lesson_days[0]), dice.choice(p.lesson_days[1])
            days = -early if lot < p.lessons_on_time else late
            at = self._people.slot(wish.due_at, days, dice, p.hours[-1:])
            if lot < p.lessons_on_time + p.lessons_late and at > now:
                self._people.plan(at, wish.duty, self._finish, wish.duty)

    async def _finish(self, duty: str) -> None:
        path = f"/v1/duties/{duty}/fulfilments"
        answer = await self._client.post("reporting", path, f"duties:{KIND}", by=OWNER, json={})
        if answer["result"] != "refused":
            self._people.tally.lessons[duty] = datetime.fromisoformat(answer["fulfilled_at"])
