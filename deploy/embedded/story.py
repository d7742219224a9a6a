"""The story of a year: a subtree reports, some do not, and what is missed climbs until somebody acts."""

import csv
import io
from collections.abc import Callable, Iterable
from datetime import datetime
from random import Random
from typing import Any

from deploy.embedded.client import PATIENCE, Client
from deploy.embedded.hurry import Hurry
from deploy.embedded.inspectors import Inspectors
from deploy.embedded.lessons import Lessons, bring, lessons
from deploy.embedded.parameters import SAMPLE, ZONE, Parameters
from deploy.embedded.people import People, Tally, rows_of
from deploy.embedded.supervisor import Stack
from shared.mongo import ClockDocument, connect, disconnect

PART = 500
"""Territories imported at once."""
SINCE = "2023-01-01"
ROLES = ("head", "leader_in_charge", "handler")
DISCIPLINE_ROLES = ("discipline_head", "leader_in_charge", "handler")


class Story:
    """Plays the people of a subtree against the services, and moves the clock when all is said."""

    def __init__(
        self,
        stack: Stack,
        parameters: Parameters,
        show: Callable[["Story"], None],
        *,
        patience: float = PATIENCE,
    ) -> None:
        """Play on *stack*; *show* is called whenever something has happened."""
        self.stack = stack
        self.parameters = parameters
        self.client = Client(stack.keys, parameters.top, patience)
        self._mongo = connect(stack.mongo_uri)
        self.clock = Hurry(ClockDocument(self._mongo), self.client, parameters.begins_at)
        self.people = People(self.client, parameters)
        self.inspectors = Inspectors(self.client, self.people, parameters)
        with SAMPLE.open(encoding="utf-8") as file:
            self.rows = rows_of(parameters, csv.DictReader(file))
        self.names = {row["code"]: row["name"] for row in self.rows}
        self.imported = 0
        """Territories imported so far."""
        self._show = show

    @property
    def now(self) -> datetime:
        """Return the moment of the story."""
        return self.clock.now

    @property
    def tally(self) -> Tally:
        """Return what people did."""
        return self.people.tally

    @property
    def duties(self) -> int:
        """Return how many reports' duties a year opens: six a territory, and one at the root's discipline."""
        return 6 * (len(self.rows) - 1) + 1

    async def connect(self) -> None:
        """Find the services; wait until each answers that it is ready."""
        await self.client.connect({name: server.address for name, server in self.stack.services.items()})

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.close()
        await disconnect(self._mongo)

    async def prepare(self) -> None:
        """Import the tree and its tenures, set the schedule, bring the lessons; again, it changes nothing."""
        for n in range(0, len(self.rows), PART):
            await self._import(self.rows[n : n + PART])
        await self.clock.settle()  # until then reporting need not know the root of the schedule
        year = self.parameters.year
        schedule = {
            "kind": "double-report",
            "root": self.parameters.top,
            "first_year": year,
            "last_year": year,
        }
        path = f"/v1/schedules/{self.parameters.schedule}"
        await self.client.post("reporting", path, "operator", json=schedule)
        await self.clock.settle()
        wishes = lessons(self.parameters, self.rows)
        await bring(self.stack.broker.address, self.client, wishes, self.now)
        Lessons(self.client, self.people, self.parameters).plan(wishes, self.now)

    async def _import(self, rows: list[dict[str, str]]) -> None:
        header = ("code", "name", "parent", "level")
        units = to_csv(header, ([row[name] for name in header] for row in rows))
        await self.client.post("directory", "/v1/imports/units", "operator", content=units)
        tenures = to_csv(("post", "person", "from"), self._tenures(row["code"] for row in rows))
        await self.client.post("directory", "/v1/imports/tenures", "operator", content=tenures)
        self.imported += len(rows)
        self._show(self)

    def _tenures(self, codes: Iterable[str]) -> Iterable[tuple[str, str, str]]:
        """Yield who holds which post; some posts are vacant."""
        for code in codes:
            posts = [f"{code}/{role}" for role in ROLES] + [f"{code}-dc/{role}" for role in DISCIPLINE_ROLES]
            for post in posts:
                if Random(f"{self.parameters.seed}/{post}").random() >= self.parameters.vacant:
                    yield post, f"p-{post.replace('/', '-')}", SINCE

    async def play(self) -> None:
        """Play the story to its end: from each wanted moment to the next."""
        while True:
            wanted = await self.clock.settle()
            if self.now.astimezone(ZONE).year >= self.parameters.year:
                await self.people.plan_filings()
            await self.people.read_notices()
            await self.inspectors.look(self.now)
            moments = [moment for moment in (wanted, self.people.next_at) if moment is not None]
            if not moments or self._is_over(wanted):
                return
            await self.clock.jump(min(moments))
            await self.people.act(self.now)
            self._show(self)

    async def levels(self) -> list[dict[str, Any]]:
        """Return the rates by level, as scoring tells them now."""
        answer = await self.client.get("scoring", f"/v1/units/{self.parameters.top}/levels", "operator")
        return [{**item, "as_of": answer["as_of"]} for item in answer["items"]]

    def _is_over(self, wanted: datetime | None) -> bool:
        """Tell whether only next year is left."""
        if self.people.next_at is not None or wanted is None:
            return False
        return wanted.astimezone(ZONE).year > self.parameters.year


def to_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """Return a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
