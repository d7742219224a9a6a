"""The people of the story: what each will do and when follows from the seed."""

import asyncio
import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from random import Random
from typing import Any

from deploy.embedded.client import Client
from deploy.embedded.parameters import ZONE, Parameters
from shared.workdays import Calendar

AT_ONCE = 32
"""So many people act at the same instant; what concerns one thing is done in order."""
NEWEST = 5
NOTICES = 10_000
"""Read at once: the embedded database sorts all that follow before it returns the first."""


@dataclass(order=True, slots=True)
class Act:
    """What a person does at a moment of the story."""

    at: datetime
    order: int
    about: str = field(compare=False)
    do: Callable[[], Awaitable[None]] = field(compare=False)


@dataclass(slots=True)
class Tally:
    """What the people of the story did, and were told was kept."""

    filings: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    """When each recipient got a report, as the caller was told."""
    lessons: dict[str, datetime] = field(default_factory=dict)
    """When each lesson was held, as the caller was told."""
    due: Counter[datetime] = field(default_factory=Counter)
    """How many duties are due when, as far as anybody has planned for them."""
    reports: int = 0
    notices: int = 0
    acknowledged: int = 0
    levels: Counter[int] = field(default_factory=Counter)
    """Escalations told, by how many levels above the unit."""
    newest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=NEWEST))
    """The last escalations told."""
    inspections: Counter[str] = field(default_factory=Counter)
    """What was proposed, confirmed, dismissed, found, submitted, returned and verified."""
    proposal: dict[str, Any] | None = None
    """The newest proposal."""


class People:
    """Plans what people do and does it when its moment has come."""

    def __init__(self, client: Client, parameters: Parameters) -> None:
        """Act by *client* as *parameters* say."""
        self.tally = Tally()
        self._client = client
        self._parameters = parameters
        self._acts: list[Act] = []
        self._planned = 0
        self._seen: set[str] = set()
        self._cursor = ""
        self._workdays = Calendar()

    # -- acts -------------------------------------------------------------------------------------

    @property
    def next_at(self) -> datetime | None:
        """Return the moment of the next act, None if nobody has anything to do."""
        return self._acts[0].at if self._acts else None

    @property
    def acts_to_come(self) -> int:
        """Return how many acts are planned."""
        return len(self._acts)

    async def act(self, until: datetime) -> None:
        """Do everything planned up to a moment."""
        groups: defaultdict[str, list[Act]] = defaultdict(list)
        while self._acts and self._acts[0].at <= until:
            act = heapq.heappop(self._acts)
            groups[act.about].append(act)
        several = asyncio.Semaphore(AT_ONCE)

        async def in_order(acts: Sequence[Act]) -> None:
            async with several:
                for act in acts:
                    await act.do()

        await asyncio.gather(*(in_order(acts) for acts in groups.values()))

    def plan(self, at: datetime, about: str, do: Callable[..., Awaitable[None]], *what: Any) -> None:
        """Plan something for a moment, after whatever is planned for it already."""
        self._planned += 1
        heapq.heappush(self._acts, Act(at, self._planned, about, lambda: do(*what)))

    def dice(self, about: str) -> Random:
        """Return the chance that belongs to a thing: the same for the same seed."""
        return Random(f"{self._parameters.seed}/{about}")

    def slot(self, moment: datetime, days: int, dice: Random, hours: Sequence[int] = ()) -> datetime:
        """Return an office hour so many working days after a moment, before it if negative."""
        hour = time(dice.choice(hours or self._parameters.hours))
        move = self._workdays.after if days > 0 else self._workdays.before
        return move(moment, abs(days), hour, ZONE.key)

    # -- reports ----------------------------------------------------------------------------------

    async def plan_filings(self) -> None:
        """Decide what every unit of the tree will do with its reports; once they are open."""
        if self.tally.reports:
            return
        async for report in self._client.pages("reporting", "/v1/reports", unit=self._parameters.top):
            self.tally.reports += 1
            self._plan_filing(report)

    def _plan_filing(self, report: dict[str, Any]) -> None:
        dice, p = self.dice(report["report"]), self._parameters
        due_at = datetime.fromisoformat(report["due_at"])
        edges = report["edges"]
        self.tally.due[due_at] += len(edges)
        recipients = [edge["recipient"] for edge in edges if edge["filed_at"] is None]
        if not recipients:
            return
        lot, lateness = dice.random(), dice.randint(1, 25)
        early = self.slot(due_at, -dice.randint(1, 19), dice)
        late = self.slot(due_at, lateness, dice)
        if lot < p.on_time:
            self._plan_file(early, report["report"], recipients)
        elif lot < p.on_time + p.late:
            received = {"received_at": early.isoformat()} if dice.random() < p.paper else {}
            self._plan_file(late, report["report"], recipients, **received)
        elif lot < p.on_time + p.late + p.half and len(edges) > 1:
            self._plan_file(early, report["report"], [r for r in recipients if r == edges[0]["recipient"]])

    def _plan_file(self, at: datetime, report: str, recipients: Sequence[str], **more: Any) -> None:
        if recipients:
            self.plan(at, report, self._file, report, {"recipients": recipients, **more})

    async def _file(self, report: str, body: dict[str, Any]) -> None:
        path = f"/v1/reports/{report}/filings"
        answer = await self._client.post("reporting", path, "filer", "operator", json=body)
        filed = datetime.fromisoformat(answer["filed_at"])
        kept = self.tally.filings.setdefault(report, [])
        kept += [(recipient, filed) for recipient in body["recipients"]]

    # -- notices ----------------------------------------------------------------------------------

    async def read_notices(self) -> None:
        """Read what was newly told to whom; some of those told will take note on the next working day."""
        query = {"after": self._cursor, "limit": NOTICES}
        async for notice in self._client.pages("reminders", "/v1/notices", **query):
            self._cursor = max(self._cursor, notice["cursor"])
            if notice["id"] not in self._seen:
                self._seen.add(notice["id"])
                self._take(notice)

    def _take(self, notice: dict[str, Any]) -> None:
        self.tally.notices += 1
        if notice["kind"] != "escalation":
            return
        self.tally.levels[notice["level"]] += 1
        self.tally.newest.append(notice)
        if self.dice(notice["id"]).random() < self._parameters.acknowledges:
            told_at = datetime.fromisoformat(notice["planned_at"])
            at = self._workdays.after(told_at, 1, time(14), ZONE.key)
            self.plan(at, notice["duty"], self._acknowledge, notice["duty"], notice["post"])

    async def _acknowledge(self, duty: str, post: str) -> None:
        path = f"/v1/duties/{duty}/acknowledgements"
        answer = await self._client.post("reminders", path, f"post:{post}", json={"post": post})
        self.tally.acknowledged += answer["result"] == "applied"


def rows_of(parameters: Parameters, rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows of the subtree that plays and of its superiors, as the file has them."""
    root = parameters.root
    return [row for row in rows if row["code"].startswith(root) or root.startswith(row["code"])]
