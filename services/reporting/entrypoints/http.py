"""People in: schedules, filings, and how the reports stand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from contracts.personal import shown
from services.reporting.domain.model import SCHEDULE, FileReport, Report, SetSchedule, Status, standing
from services.reporting.entrypoints.timer import affinity
from shared import ids
from shared.decider import Request
from shared.http import Caller, ProblemError, require
from shared.service import Service
from shared.state import Shape

UNITS_AT_ONCE = 200


class ScheduleBody(BaseModel):
    """A yearly round of reports."""

    root: str = Field(description="the Party committee at the top of the subtree that reports")
    first_year: int = Field(ge=2000, le=9000, description="the first year in which the round opens")
    kind: Literal["double-report"] = "double-report"
    policy: Literal["double-report/1"] = Field(
        "double-report/1", description="the ladder, by name and version"
    )
    opens: tuple[int, int] = Field((1, 1), description="month and day whose first moment opens the round")
    due: tuple[int, int] = Field((1, 31), description="month and day whose 24:00 is the last moment in time")
    zone: str = "Asia/Shanghai"
    last_year: int | None = Field(
        None, ge=2000, le=9000, description="the last year in which it opens; without one it goes on"
    )


class FilingBody(BaseModel):
    """A report reaches recipients."""

    recipients: tuple[str, ...] | None = Field(
        None, min_length=1, description="who gets it now; all if left out"
    )
    received_at: AwareDatetime | None = Field(
        None, description="when the office had it on paper, if before now; only an operator may say so"
    )


def routes(service: Service[Any], shape: Shape[Any]) -> APIRouter:
    """Return the routes of reporting."""
    router = APIRouter(prefix="/v1")

    @router.post("/schedules/{schedule}")
    async def set_schedule(schedule: str, body: ScheduleBody, caller: Caller) -> dict[str, Any]:
        """Set a yearly round; it opens of itself, year after year (mission F1)."""
        require(caller.has("operator"), "only an operator may set schedules", "仅限运维人员设置计划")
        _known(service, body.root, caller.unit)
        stream = SCHEDULE + schedule
        wish = SetSchedule(**body.model_dump())
        (outcome,) = await service.decide(
            affinity(stream), [Request(stream, wish, _cause(caller.sub), stream)]
        )
        return {"schedule": schedule, "result": outcome.result}

    @router.post("/reports/{report}/filings")
    async def file(report: str, body: FilingBody, caller: Caller) -> dict[str, Any]:
        """File a report with recipients; filing again changes nothing (mission R1)."""
        require(caller.has("filer"), "this token may not file", "该令牌无权报送")
        book = affinity(report)
        state = await _report(service, report)
        _known(service, state.unit, caller.unit)
        if body.received_at is not None:
            require(
                caller.has("operator"),
                "only an operator may say when paper came",
                "仅限工作人员登记纸质收文时间",
            )
        wish = FileReport(body.recipients, body.received_at)
        (outcome,) = await service.decide(book, [Request(report, wish, _cause(caller.sub), report)])
        filed = [
            edge.filed_at
            for edge in outcome.state.edges
            if edge.filed_at is not None and _names(body, edge.recipient)
        ]
        return {"result": outcome.result, "status": outcome.state.status, "filed_at": max(filed).isoformat()}

    @router.get("/reports/{report}")
    async def one(report: str, caller: Caller) -> dict[str, Any]:
        """Return how a report stands with each recipient."""
        state = await _report(service, report)
        _known(service, state.unit, caller.unit)
        return _told(state, service.clock.now())

    @router.get("/reports")
    async def many(  # noqa: PLR0917 FastAPI passes a query's parameters by name
        caller: Caller,
        unit: str,
        after: str = "",
        limit: int = Query(UNITS_AT_ONCE, ge=1, le=1000, description="units at once"),
        period: str | None = None,
        status: Status | None = None,
    ) -> dict[str, Any]:
        """Return the reports of the units at and below *unit*, a number of units at a time."""
        _known(service, unit, caller.unit)
        codes = sorted(
            u.code for u in service.tree.subtree(service.tree.committee_of(unit)) if u.code > after
        )
        part = codes[: min(limit, UNITS_AT_ONCE)]
        where: Mapping[str, Any] = {"view.unit": {"$in": part}}
        found = await service.store.find_states({**where, **({"view.period": period} if period else {})})
        states = [shape.from_document(document).body for document in found]
        items = [_told(state, service.clock.now()) for state in states if status in (None, state.status)]
        return {"items": items, "after": part[-1] if len(codes) > len(part) else ""}

    return router


def _names(body: FilingBody, recipient: str) -> bool:
    return body.recipients is None or recipient in body.recipients


def _cause(subject: str) -> str:
    return f"request:{subject}/{ids.new_id()}"


def _known(service: Service[Any], unit: str, root: str) -> None:
    """Refuse a unit that does not exist or lies outside the caller's subtree, alike."""
    if unit not in service.tree.units or not service.tree.is_within(unit, root):
        raise ProblemError(
            404,
            "unknown_unit",
            f"There is no unit {shown(unit)} in your subtree.",
            f"管辖范围内没有单位 {shown(unit)}。",
        )


async def _report(service: Service[Any], report: str) -> Report:
    book = service.books.get(affinity(report))
    state = await book.peek(report) if book is not None else await service.read(report)
    if not isinstance(state, Report) or state.status is Status.NONE:
        raise ProblemError(
            404, "unknown_report", f"There is no report {shown(report)}.", f"报告 {shown(report)} 不存在。"
        )
    return state


def _told(report: Report, now: datetime) -> dict[str, Any]:
    standings = standing(report, now)
    return {
        "report": report.report,
        "unit": report.unit,
        "row": report.row,
        "line": report.line,
        "period": report.period,
        "status": report.status,
        "due_at": report.due_at.isoformat(),
        "edges": [
            {
                "recipient": edge.recipient,
                "duty": edge.duty,
                "filed_at": edge.filed_at and edge.filed_at.isoformat(),
                "standing": standings[edge.recipient],
            }
            for edge in report.edges
        ],
    }
