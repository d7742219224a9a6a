"""The inspectors of the story: they decide on proposals, find something, verify what is put right."""

from datetime import datetime, timedelta
from typing import Any

from deploy.embedded.client import Client
from deploy.embedded.parameters import Parameters
from deploy.embedded.people import People

DISMISSED = "已向该单位了解情况，属系统录入滞后，暂不开展专项巡察。"
FOUND = "责任清单未逐项落实到人，台账不完整。"
RETURNED = "整改措施未落实到人，请补充后重新报送。"


class Inspectors:
    """Read what inspection proposes and see each proposal through to its end."""

    def __init__(self, client: Client, people: People, parameters: Parameters) -> None:
        """Plan for *people*."""
        self._client, self._people, self._parameters = client, people, parameters
        self._seen: set[str] = set()

    async def look(self, now: datetime) -> None:
        """Plan a decision on every proposal that is new."""
        query = {"unit": self._parameters.top, "status": "proposed"}
        async for item in self._client.pages("inspection", "/v1/inspections", **query):
            if item["inspection"] in self._seen:
                continue
            self._seen.add(item["inspection"])
            self._people.tally.proposal = item
            self._count("proposed")
            dice = self._people.dice(item["inspection"])
            decide = self._confirm if dice.random() < self._parameters.confirms else self._dismiss
            self._plan(now, 2, item["inspection"], decide, item["unit"], item["inspection"])

    def _plan(self, after: datetime, days: int, about: str, do: Any, *what: Any) -> None:
        at = self._people.slot(after, days, self._people.dice(f"{about}/{days}/{do.__name__}"))
        self._people.plan(at, about, do, at, *what)

    def _count(self, what: str) -> None:
        self._people.tally.inspections[what] += 1

    async def _post(self, unit: str, path: str, *roles: str, **body: Any) -> dict[str, Any]:
        return await self._client.post("inspection", f"/v1/units/{unit}/{path}", *roles, json=body)

    async def _dismiss(self, _: datetime, unit: str, inspection: str) -> None:
        path = f"inspections/{inspection}/dismissal"
        await self._post(unit, path, "inspector", reason=DISMISSED)
        self._count("dismissed")

    async def _confirm(self, now: datetime, unit: str, inspection: str) -> None:
        answer = await self._post(unit, f"inspections/{inspection}/opening", "inspector")
        if answer["result"] != "refused":
            self._count("confirmed")
            self._plan(now, 1, inspection, self._find, unit, inspection)

    async def _find(self, now: datetime, unit: str, inspection: str) -> None:
        path = f"inspections/{inspection}/findings"
        answer = await self._post(unit, path, "inspector", line="main", text=FOUND)
        self._count("found")
        self._plan_submission(now, unit, answer)

    def _plan_submission(self, now: datetime, unit: str, finding: dict[str, Any]) -> None:
        name, due_at = finding["finding"], datetime.fromisoformat(finding["due_at"])
        dice = self._people.dice(f"{name}/{finding['due_at']}")
        in_time = dice.random() < self._parameters.rectifies_in_time
        days = -dice.randint(1, 10) if in_time else dice.randint(1, 8)
        at = max(self._people.slot(due_at, days, dice), now + timedelta(hours=1))
        self._people.plan(at, name, self._submit, at, unit, finding)

    async def _submit(self, now: datetime, unit: str, finding: dict[str, Any]) -> None:
        name = finding["finding"]
        await self._post(unit, f"findings/{name}/rectifications", "filer")
        self._count("submitted")
        is_returned = (
            self._people.dice(f"{name}/{finding['due_at']}/eye").random() < self._parameters.returned
        )
        self._plan(now, 3, name, self._return if is_returned else self._verify, unit, finding)

    async def _return(self, now: datetime, unit: str, finding: dict[str, Any]) -> None:
        path = f"findings/{finding['finding']}/return"
        answer = await self._post(unit, path, "inspector", reason=RETURNED)
        if answer["result"] == "refused":
            answer = await self._standing(unit, finding["finding"])
        self._count("returned")
        self._plan_submission(now, unit, answer)

    async def _standing(self, unit: str, finding: str) -> dict[str, Any]:
        """Return a finding as it stands: what was refused may have been done when no answer came."""
        path = f"/v1/units/{unit}/inspections"
        shown = await self._client.get("inspection", path, "inspector")
        found = [one for item in shown["items"] for one in item["findings"]]
        return next(one for one in found if one["finding"] == finding)

    async def _verify(self, now: datetime, unit: str, finding: dict[str, Any]) -> None:
        name = finding["finding"]
        await self._post(unit, f"findings/{name}/closing", "inspector", outcome="verified")
        self._count("verified")
        inspection = name.rpartition(".")[0]
        self._plan(now, 1, inspection, self._close, unit, inspection)

    async def _close(self, _: datetime, unit: str, inspection: str) -> None:
        await self._post(unit, f"inspections/{inspection}/closing", "inspector")
        self._count("closed")
