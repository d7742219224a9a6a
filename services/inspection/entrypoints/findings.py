"""The routes of findings: raise, put right, return, close."""

from typing import Any

from fastapi import APIRouter

from services.inspection.domain.model import (
    CloseFinding,
    RaiseFinding,
    ReturnRectification,
    SubmitRectification,
)
from services.inspection.entrypoints.bodies import ClosingBody, FindingBody, RectificationBody, ReturnBody
from services.inspection.entrypoints.desk import Desk
from services.inspection.entrypoints.shown import finding as shown
from shared.decider import Outcome
from shared.http import Caller

VERIFIED_WITHIN = 5
"""Working days, for whoever verifies what was put right."""


def add_routes(router: APIRouter, desk: Desk) -> None:
    """Add the routes of findings."""
    where = "/units/{unit}/findings/{finding}"

    @router.post("/units/{unit}/inspections/{inspection}/findings")
    async def find(unit: str, inspection: str, body: FindingBody, caller: Caller) -> dict[str, Any]:
        """Raise a finding: to put it right is a duty from now on; the same words again are the same one."""
        desk.superior(unit, caller)
        await desk.inspection(unit, inspection)
        wish = RaiseFinding(inspection, body.line, body.text, body.due(desk, unit), caller.sub)
        outcome = await desk.decide(unit, wish, caller)
        raised = next(
            one
            for one in outcome.state.find(inspection).findings
            if (one.line, one.text) == (body.line, body.text)
        )
        return {"result": outcome.result, **shown(raised)}

    @router.post(f"{where}/rectifications")
    async def submit(unit: str, finding: str, body: RectificationBody, caller: Caller) -> dict[str, Any]:
        """Say that the problem is put right: to verify it is a duty of the inspector from now on."""
        desk.bearer(unit, caller)
        inspection, _ = await desk.finding(unit, finding)
        verify_by = desk.in_working_days(VERIFIED_WITHIN, inspection.inspector)
        wish = SubmitRectification(finding, body.text, verify_by)
        return _answer(await desk.decide(unit, wish, caller), finding)

    @router.post(f"{where}/return")
    async def give_back(unit: str, finding: str, body: ReturnBody, caller: Caller) -> dict[str, Any]:
        """Return what was submitted: it was not put right, and is due again."""
        desk.superior(unit, caller)
        await desk.finding(unit, finding)
        wish = ReturnRectification(finding, body.reason, desk.in_days(body.days, unit), caller.sub)
        return _answer(await desk.decide(unit, wish, caller), finding)

    @router.post(f"{where}/closing")
    async def close(unit: str, finding: str, body: ClosingBody, caller: Caller) -> dict[str, Any]:
        """End a finding: verified, or dismissed with a reason; never with a circular alone (mission C16)."""
        desk.superior(unit, caller)
        await desk.finding(unit, finding)
        wish = CloseFinding(finding, body.outcome, body.reason, caller.sub)
        return _answer(await desk.decide(unit, wish, caller), finding)


def _answer(outcome: Outcome, finding: str) -> dict[str, Any]:
    _, found = outcome.state.find_finding(finding)
    return {"result": outcome.result, **shown(found)}
