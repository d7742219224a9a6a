"""People in: they decide on proposals, raise findings, put them right and verify; and see how it stands."""

from typing import Any

from fastapi import APIRouter, Query

from services.inspection.domain.dossier import Dossier, Status
from services.inspection.domain.model import CloseInspection, DismissProposal, OpenInspection
from services.inspection.entrypoints import findings
from services.inspection.entrypoints.bodies import DismissalBody, OpeningBody
from services.inspection.entrypoints.desk import Desk
from services.inspection.entrypoints.shown import inspections
from shared.decider import Outcome
from shared.http import Caller
from shared.service import Service
from shared.state import Shape
from shared.workdays import Calendar

UNITS_AT_ONCE = 200


def routes(service: Service[Any], shape: Shape[Dossier], calendar: Calendar) -> APIRouter:
    """Return the routes of inspection."""
    router, desk = APIRouter(prefix="/v1"), Desk(service, calendar)
    _add_decisions(router, desk)
    findings.add_routes(router, desk)
    _add_queries(router, desk, shape)
    return router


def _add_decisions(router: APIRouter, desk: Desk) -> None:
    where = "/units/{unit}/inspections/{inspection}"

    @router.post(f"{where}/opening")
    async def confirm(unit: str, inspection: str, body: OpeningBody, caller: Caller) -> dict[str, Any]:
        """Confirm a proposal: the inspection is open (mission I4)."""
        desk.superior(unit, caller)
        await desk.inspection(unit, inspection)
        inspector = desk.inspector(unit, body.inspector, caller)
        outcome = await desk.decide(unit, OpenInspection(inspection, inspector, caller.sub), caller)
        return _answer(outcome, inspection) | {"inspector": inspector}

    @router.post(f"{where}/dismissal")
    async def dismiss(unit: str, inspection: str, body: DismissalBody, caller: Caller) -> dict[str, Any]:
        """Dismiss a proposal, with a reason; its evidence proposes nothing again."""
        desk.superior(unit, caller)
        await desk.inspection(unit, inspection)
        return _answer(
            await desk.decide(unit, DismissProposal(inspection, body.reason, caller.sub), caller), inspection
        )

    @router.post(f"{where}/closing")
    async def close(unit: str, inspection: str, caller: Caller) -> dict[str, Any]:
        """Close an inspection of which every finding has come to its end."""
        desk.superior(unit, caller)
        await desk.inspection(unit, inspection)
        return _answer(await desk.decide(unit, CloseInspection(inspection, caller.sub), caller), inspection)


def _add_queries(router: APIRouter, desk: Desk, shape: Shape[Dossier]) -> None:
    @router.get("/units/{unit}/inspections")
    async def of_unit(unit: str, caller: Caller) -> dict[str, Any]:
        """Return the inspections of a unit with evidence and findings; proposals only from above."""
        desk.reader(unit, caller)
        dossier = await desk.dossier(unit)
        found = inspections(dossier, sees_all=desk.sees_all(unit, caller))
        return {"items": [item for _, item in found]}

    @router.get("/inspections")
    async def many(
        caller: Caller,
        unit: str,
        after: str = "",
        limit: int = Query(UNITS_AT_ONCE, ge=1, le=1000, description="units at once"),
        status: Status | None = None,
    ) -> dict[str, Any]:
        """Return the inspections of the units at and below *unit*, a number of units at a time."""
        desk.reader(unit, caller)
        tree = desk.service.tree
        where: dict[str, Any] = {"view.unit": {"$gt": after}}
        if status is Status.PROPOSED:
            where["view.is_pending"] = True
        dossiers = [shape.from_document(one).body for one in await desk.service.store.find_states(where)]
        found = [dossier for dossier in dossiers if tree.is_within(dossier.unit, unit)]
        part = found[: min(limit, UNITS_AT_ONCE)]
        items = [
            item
            for dossier in part
            for stands, item in inspections(dossier, sees_all=desk.sees_all(dossier.unit, caller))
            if status in (None, stands)
        ]
        return {"items": items, "after": part[-1].unit if len(found) > len(part) else ""}


def _answer(outcome: Outcome, inspection: str) -> dict[str, Any]:
    return {
        "inspection": inspection,
        "result": outcome.result,
        "status": outcome.state.find(inspection).status,
    }
