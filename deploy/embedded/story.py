"""The story of a year: a subtree reports, some do not, and what is missed climbs. All of it is data."""

import asyncio
import csv
import heapq
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from deploy.embedded.keys import make_token
from deploy.embedded.supervisor import Stack
from shared.access import Identity
from shared.clock import Reading, from_micros, real_now, to_micros
from shared.mongo import ClockDocument, connect, disconnect
from shared.store import StoreUnavailableError
from shared.workdays import Calendar

ZONE = ZoneInfo("Asia/Shanghai")
SAMPLE = Path(__file__).parent / "data" / "divisions-wenzhou.csv"
POLLED_EVERY = 0.025
SETTLE_PATIENCE = 90.0
"""Real seconds after which a system that has not settled is called stuck."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the story is made of."""

    root: str = "330305"
    """The subtree that plays; its superiors are placed above it. 洞头区."""
    top: str = "33"
    """Where reporting begins: the root has no superior edges."""
    seed: int = 1
    begins_at: datetime = datetime(2025, 12, 31, 23, 0, tzinfo=ZONE)
    schedule: str = "double-report"
    year: int = 2026
    on_time: float = 0.80
    late: float = 0.07
    half: float = 0.05
    paper: float = 0.20
    """Of the late ones, those that lay on paper in the office in time and are recorded late."""
    acknowledges: float = 0.20
    vacant: float = 0.03
    hours: tuple[int, ...] = (9, 11, 14, 16)


@dataclass(order=True, slots=True)
class Act:
    """What a person does at a moment of the story."""

    at: datetime
    order: int
    kind: str = field(compare=False)
    about: str = field(compare=False)
    body: dict[str, Any] = field(compare=False)


@dataclass(slots=True)
class Tally:
    """What the people of the story did, and were told was kept."""

    filings: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    acknowledged: int = 0
    jumps: int = 0
    notices: int = 0
    reports: int = 0


class StuckError(Exception):
    """The system did not come to rest; the message says who waits for what."""


class Story:
    """Plays the people of a subtree against the services' HTTP, and moves the clock when all is said."""

    def __init__(self, stack: Stack, parameters: Parameters, show: Callable[["Story", str], None]) -> None:
        """Play on *stack*; *show* is called with what is going on."""
        self.stack = stack
        self.parameters = parameters
        self.tally = Tally()
        self.show = show
        self._client = connect(stack.mongo_uri)
        self._clock = ClockDocument(self._client)
        self._acts: list[Act] = []
        self._seen: set[str] = set()
        self._cursor = ""
        self._target = parameters.begins_at
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._tokens: dict[str, str] = {}
        self._workdays = Calendar()

    # -- the clock --------------------------------------------------------------------------------

    async def set_clock(self, not_before: int) -> None:
        """Set the clock going: from the beginning, or where an earlier run left it."""
        real = real_now()
        try:
            story = (await self._clock.read()).story
        except StoreUnavailableError:
            story = self.parameters.begins_at
        self._target = max(story, from_micros(not_before))
        await self._clock.write(Reading(real, self._target))

    async def jump(self, to: datetime) -> None:
        """Move the clock on to a moment; every process sees it within milliseconds."""
        self.tally.jumps += 1
        self._target = to
        if await self._is_at(to):
            return
        await self._clock.write(Reading(real_now(), to))
        while not await self._is_at(to):  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(POLLED_EVERY)

    async def _is_at(self, moment: datetime) -> bool:
        """Tell whether every service's clock shows a moment or a later one."""
        return all(one and one["now"] >= to_micros(moment) for one in await self._all_progress())

    @property
    def now(self) -> datetime:
        """Return the moment to which the clock was last moved."""
        return self._target

    async def settle(self) -> datetime | None:
        """Wait until all have heard and said everything; return the next moment that anybody waits for."""
        target = to_micros(self._target)
        began = real_now()
        while True:
            told = [one for one in await self._all_progress() if one]
            wakes = [one["wakes_at"] for one in told if one["wakes_at"] is not None]
            if (
                len(told) == len(self._clients)
                and _is_settled(told, target)
                and all(w > target for w in wakes)
            ):
                return from_micros(min(wakes)) if wakes else None
            if (real_now() - began).total_seconds() > SETTLE_PATIENCE:
                raise StuckError(f"not settled at {self._target.isoformat()}: {told}")
            await asyncio.sleep(POLLED_EVERY)

    async def _all_progress(self) -> list[dict[str, Any] | None]:
        return list(await asyncio.gather(*(self._progress(name) for name in self._clients)))

    async def _progress(self, name: str) -> dict[str, Any] | None:
        try:
            answer = await self._clients[name].get("/v1/progress", headers=self._as("operator", "operator"))
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == httpx.codes.OK else None

    @property
    def acts_to_come(self) -> int:
        """Return how many acts of people are planned."""
        return len(self._acts)

    # -- HTTP -------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Find the services; wait until each answers that it is ready."""
        for name, service in self.stack.services.items():
            self._clients[name] = httpx.AsyncClient(base_url=f"http://{service.address}", timeout=60)
        for name, client in self._clients.items():
            await self._until_ready(name, client)

    async def _until_ready(self, name: str, client: httpx.AsyncClient) -> None:
        began = real_now()
        reason: Any = None
        while (real_now() - began).total_seconds() < SETTLE_PATIENCE:
            try:
                answer = await client.get("/ready")
                if answer.status_code == httpx.codes.OK:
                    return
                reason = answer.json()
            except httpx.TransportError as error:
                reason = repr(error)
            await asyncio.sleep(0.1)
        raise StuckError(f"{name} does not become ready: {reason}")

    async def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            await client.aclose()
        await disconnect(self._client)

    def _as(self, subject: str, *roles: str) -> dict[str, str]:
        key = "/".join((subject, *roles))
        if key not in self._tokens:
            identity = Identity(sub=subject, unit=self.parameters.top, roles=roles)
            self._tokens[key] = make_token(self.stack.keys, identity, valid=timedelta(days=2))
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    async def _post(self, name: str, path: str, roles: Iterable[str], **what: Any) -> dict[str, Any]:
        """Post and return the answer; a service that is away or restarting is asked again."""
        roles = tuple(roles)
        for _ in range(100):
            try:
                answer = await self._clients[name].post(path, headers=self._as("story", *roles), **what)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == httpx.codes.CONFLICT:
                return {"result": "refused"}
            if answer.is_error:
                raise StuckError(f"{path}: {answer.status_code} {answer.text}")
            return dict(answer.json())
        raise StuckError(f"{path}: nobody answers")

    async def _pages(self, name: str, path: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        after = query.pop("after", "")
        while True:
            for _ in range(100):
                try:
                    answer = await self._clients[name].get(
                        path,
                        params={**query, "after": after, "limit": 1000},
                        headers=self._as("story", "operator"),
                    )
                    answer.raise_for_status()
                    break
                except (httpx.TransportError, httpx.HTTPStatusError):
                    await asyncio.sleep(0.2)
            else:
                raise StuckError(f"{path}: nobody answers")
            body = answer.json()
            for item in body["items"]:
                yield item
            after = body["after"]
            if not after:
                return

    # -- the story --------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Import the tree and its tenures, and set the yearly schedule; doing so again changes nothing."""
        rows = list(self._rows())
        units = _to_csv(("code", "name", "parent", "level"), rows)
        self.show(self, f"import {len(rows)} territories / 导入 {len(rows)} 个行政区")
        await self._post("directory", "/v1/imports/units", ["operator"], content=units.encode())
        tenures = _to_csv(("post", "person", "from"), self._tenures(row[0] for row in rows))
        await self._post("directory", "/v1/imports/tenures", ["operator"], content=tenures.encode())
        schedule = {"kind": "double-report", "root": self.parameters.top, "first_year": self.parameters.year}
        await self._post(
            "reporting", f"/v1/schedules/{self.parameters.schedule}", ["operator"], json=schedule
        )

    def _rows(self) -> Iterable[tuple[str, str, str, str]]:
        """Yield the rows of the subtree and of its superiors."""
        root = self.parameters.root
        with SAMPLE.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                code = row["code"]
                if code.startswith(root) or root.startswith(code):
                    yield code, row["name"], row["parent"], row["level"]

    def _tenures(self, codes: Iterable[str]) -> Iterable[tuple[str, str, str]]:
        """Yield who holds which post; some posts are vacant."""
        since = "2023-01-01"
        for code in codes:
            roles = ("head", "leader_in_charge", "handler")
            posts = [f"{code}/{role}" for role in roles]
            posts += [f"{code}-dc/{role}" for role in ("discipline_head", "leader_in_charge", "handler")]
            for post in posts:
                if Random(f"{self.parameters.seed}/{post}").random() >= self.parameters.vacant:
                    yield post, f"p-{post.replace('/', '-')}", since

    async def play(self) -> None:
        """Play the story to its end: from each wanted moment to the next."""
        await self._plan_filings()
        while True:
            wanted = await self.settle()
            if not self.tally.reports:
                await self._plan_filings()
            await self._read_notices()
            moments = [moment for moment in (wanted, self._acts[0].at if self._acts else None) if moment]
            if not moments or self._is_over(wanted):
                return
            at = min(moments)
            if at > self._target:
                await self.jump(at)
            acts = []
            while self._acts and self._acts[0].at <= at:
                acts.append(heapq.heappop(self._acts))
            for act in acts:
                await self._act(act)
            self.show(self, "")

    def _is_over(self, wanted: datetime | None) -> bool:
        """Tell whether only next year is left."""
        return not self._acts and wanted is not None and wanted.astimezone(ZONE).year > self.parameters.year

    async def _plan_filings(self) -> None:
        """Decide by the seed what every unit of the tree will do with its reports."""
        async for report in self._pages("reporting", "/v1/reports", unit=self.parameters.top):
            self.tally.reports += 1
            self._plan(report)
        heapq.heapify(self._acts)

    def _plan(self, report: dict[str, Any]) -> None:
        dice = Random(f"{self.parameters.seed}/{report['report']}")
        due_at = datetime.fromisoformat(report["due_at"])
        recipients = [edge["recipient"] for edge in report["edges"] if edge["filed_at"] is None]
        if not recipients:
            return
        p, lot, lateness = self.parameters, dice.random(), dice.randint(1, 25)
        early = self._slot(due_at, -dice.randint(1, 19), dice)
        late = self._slot(due_at, lateness, dice)
        if lot < p.on_time:
            self._file(report, recipients, early)
        elif lot < p.on_time + p.late:
            received = {"received_at": early.isoformat()} if dice.random() < p.paper else {}
            self._file(report, recipients, late, **received)
        elif lot < p.on_time + p.late + p.half and len(report["edges"]) > 1:
            first = report["edges"][0]["recipient"]
            self._file(report, [r for r in recipients if r == first], early)

    def _slot(self, due_at: datetime, days: int, dice: Random) -> datetime:
        hour = time(dice.choice(self.parameters.hours))
        move = self._workdays.after if days > 0 else self._workdays.before
        return move(due_at, abs(days), hour, ZONE.key)

    def _file(self, report: dict[str, Any], recipients: list[str], at: datetime, **more: Any) -> None:
        if recipients:
            body = {"recipients": recipients, **more}
            self._acts.append(Act(at, len(self._acts), "file", report["report"], body))

    async def _read_notices(self) -> None:
        """Read what was newly told to whom; one told person in five will acknowledge it."""
        async for notice in self._pages("reminders", "/v1/notices", after=self._cursor):
            self._cursor = max(self._cursor, notice["cursor"])
            if notice["id"] in self._seen:
                continue
            self._seen.add(notice["id"])
            self.tally.notices += 1
            dice = Random(f"{self.parameters.seed}/{notice['id']}")
            if notice["kind"] == "escalation" and dice.random() < self.parameters.acknowledges:
                told_at = datetime.fromisoformat(notice["planned_at"])
                at = self._workdays.after(told_at, 1, time(14), ZONE.key)
                heapq.heappush(
                    self._acts,
                    Act(at, len(self._seen), "acknowledge", notice["duty"], {"post": notice["post"]}),
                )

    async def _act(self, act: Act) -> None:
        if act.kind == "file":
            answer = await self._post(
                "reporting", f"/v1/reports/{act.about}/filings", ["filer", "operator"], json=act.body
            )
            filed = datetime.fromisoformat(answer["filed_at"])
            for recipient in act.body["recipients"]:
                self.tally.filings.setdefault(act.about, []).append((recipient, filed))
        else:
            path = f"/v1/duties/{act.about}/acknowledgements"
            answer = await self._post("reminders", path, [f"post:{act.body['post']}"], json=act.body)
            self.tally.acknowledged += answer["result"] == "applied"


def _is_settled(told: Sequence[Mapping[str, Any]], target: int) -> bool:
    """Tell whether all have said what they decided, and heard what those decided whom they hear."""
    decided = {one["source"]: max(one["decided_at"], target) for one in told}
    return all(
        (one["said"] or 0) > decided[one["source"]]
        and all((heard or 0) > decided[source] for source, heard in one["heard"].items())
        for one in told
    )


def _to_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
