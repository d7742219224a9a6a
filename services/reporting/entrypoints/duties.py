"""People and programs in: foreign duties over HTTP, by the same rule as those that come by topic."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, Field

from contracts.duties import Line
from contracts.duties_in import DutyBrought
from contracts.personal import shown
from services.reporting.domain import refusals
from services.reporting.domain.foreign import (
    FOREIGN,
    BringDuty,
    FinishDuty,
    ForeignDuty,
    Found,
    find,
    owner_of,
)
from services.reporting.entrypoints.topics import book_of_duty, is_tree_read, kinds_of
from shared import ids
from shared.access import Identity
from shared.clock import monotonic
from shared.decider import Outcome, Request
from shared.http import Caller, ProblemError, require
from shared.service import Service

PATIENCE = 3.0
"""Seconds of real time that a request waits for the directory before it is told to come again."""
GLANCE = 0.05
STATUS = {"not_allowed": 403, "unknown_unit": 404, "unknown_recipient": 404, "unknown_duty": 404}
"""The HTTP status of a refusal, by its word; of any other it is 409."""


class DutyBody(BaseModel):
    """A duty that another system wishes to be watched."""

    id: str = Field(description="the owner's own id; the duty is called <owner>.<id>")
    unit: str = Field(description="the unit that bears the duty")
    kind: str = Field(description="the token must grant it by the role duties:<kind>")
    line: Line = Field(description="the responsibility that it belongs to")
    recipient: str = Field(description="the unit to which it is owed")
    period: str = Field(description="what it is about, not when it is done")
    due_at: AwareDatetime = Field(description="the last moment that is still in time")
    policy: str = Field("standard/1", description="the ladder, <name>/<version>")
    occurrence: str = Field("", description="what it is part of; the duty itself if empty")
    title: str = Field("", description="what it is, for a reader; no names of persons")


class FulfilmentBody(BaseModel):
    """A foreign duty was fulfilled."""

    done_at: AwareDatetime | None = Field(None, description="when it was done, not in the future; none: now")


def routes(service: Service[Any]) -> APIRouter:
    """Return the routes of foreign duties."""
    router = APIRouter(prefix="/v1/duties")

    @router.post("", status_code=201, responses={200: {"description": "it was open already"}})
    async def bring(body: DutyBody, caller: Caller, response: Response) -> dict[str, Any]:
        """Bring a duty; the same one again changes nothing."""
        duty = f"{caller.sub}.{body.id}"
        if owner_of(duty) != caller.sub:
            raise ProblemError(
                422,
                "bad_id",
                f"{shown(duty)} cannot be the id of a duty: letters, digits, dot, dash and underscore.",
                f"{shown(duty)} 不能作为事项编号：只可用字母、数字、点、连字符和下划线。",
            )
        wish = DutyBrought(duty=duty, **body.model_dump(exclude={"id"}))
        await _known(service, caller, wish.unit, wish.recipient)
        units, found = service.tree.units, find(service.tree, wish.unit, caller.unit)
        command = BringDuty(wish, kinds_of(caller), found, wish.recipient in units)
        outcome = await _decide(service, duty, command, caller)
        response.status_code = 201 if outcome.result == "applied" else 200
        return {"duty": duty, "result": outcome.result, **_told(outcome.state)}

    @router.post("/{duty}/fulfilments")
    async def finish(duty: str, body: FulfilmentBody, caller: Caller) -> dict[str, Any]:
        """Say that a duty of one's own was fulfilled; saying so again changes nothing."""
        require(owner_of(duty) == caller.sub, "only its owner may finish it", "仅限事项来源方办结")
        state = await _state(service, duty)
        unit = await _unit_of(service, caller, state)
        found = find(service.tree, unit, caller.unit)
        command = FinishDuty(duty, unit, kinds_of(caller), found, body.done_at)
        outcome = await _decide(service, duty, command, caller)
        return {"duty": duty, "result": outcome.result, **_told(outcome.state)}

    @router.get("/{duty}")
    async def one(duty: str, caller: Caller) -> dict[str, Any]:
        """Return how a foreign duty stands, to its owner or an operator."""
        state = await _state(service, duty)
        may_see = caller.has("operator") or owner_of(duty) == caller.sub
        unit = await _unit_of(service, caller, state) if may_see else ""
        if find(service.tree, unit, caller.unit) is Found.OUTSIDE:
            no = refusals.unknown_duty(duty)
            raise ProblemError(404, no.word, no.reason, no.reason_zh)
        return {"duty": duty, **_told(state)}

    return router


async def _unit_of(service: Service[Any], caller: Identity, state: ForeignDuty) -> str:
    """Return the unit that bears a duty, once the tree is read as far; empty if the duty is not open."""
    if state.opened is None:
        return ""
    await _known(service, caller, state.opened.unit, state.opened.unit)
    return state.opened.unit


async def _known(service: Service[Any], caller: Identity, unit: str, recipient: str) -> None:
    """Wait for the directory while the tree lacks a unit; give up with 503 rather than call it unknown."""
    now, until = service.clock.now(), monotonic() + PATIENCE
    while find(service.tree, unit, caller.unit) is Found.OUTSIDE or recipient not in service.tree.units:
        if is_tree_read(service, now):
            return
        if monotonic() > until:
            raise ProblemError(
                503,
                "not_ready",
                "The directory was not read so far; try again.",
                "组织树尚未读完，请稍后重试。",
            )
        await asyncio.sleep(GLANCE)


async def _decide(
    service: Service[Any], duty: str, command: BringDuty | FinishDuty, caller: Identity
) -> Outcome:
    stream, cause = FOREIGN + duty, f"request:{caller.sub}/{ids.new_id()}"
    try:
        (outcome,) = await service.decide(book_of_duty(duty), [Request(stream, command, cause, duty)])
    except ProblemError as no:
        status = STATUS.get(no.word, no.status)
        raise ProblemError(status, no.word, no.reason, no.reason_zh) from None
    return outcome


async def _state(service: Service[Any], duty: str) -> ForeignDuty:
    book = service.books.get(book_of_duty(duty))
    stream = FOREIGN + duty
    state = await book.peek(stream) if book is not None else await service.read(stream)
    return state if isinstance(state, ForeignDuty) else ForeignDuty(duty)


def _told(state: ForeignDuty) -> dict[str, Any]:
    opened = state.opened
    if opened is None:
        return {}
    moments = {"received_at": opened.received_at, "due_at": opened.due_at, "fulfilled_at": state.fulfilled_at}
    return {
        "status": "open" if state.fulfilled_at is None else "fulfilled",
        "unit": opened.unit,
        "recipient": opened.recipient,
        "kind": opened.kind,
        **{name: moment and moment.isoformat() for name, moment in moments.items()},
    }
