"""People in: take note of an escalation, read one's notices, see how a duty is watched."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from pydantic import BaseModel, Field

from contracts.personal import shown
from contracts.topics import PARTITIONS
from contracts.tree import Tree
from services.reminders.domain.ladder import POLICIES
from services.reminders.domain.model import Acknowledge, Status, Watch
from services.reminders.domain.telling import words
from shared import ids
from shared.decider import Request
from shared.http import Caller, ProblemError, require
from shared.service import Service
from shared.workdays import Calendar

Read = Callable[..., Awaitable[list[dict[str, Any]]]]


class AcknowledgementBody(BaseModel):
    """The holder of a post takes note (签收)."""

    post: str = Field(description="a post that was told of the duty")


def book_of_duty(duty: str) -> int:
    """Return the book of a duty's watch: the partition of its key on ``duties``."""
    return ids.partition_of(f"duty:{duty}", PARTITIONS)


def routes(service: Service[Any], read: Read, calendar: Calendar) -> APIRouter:
    """Return the routes of reminders; *read* reads the list of notices."""
    router = APIRouter(prefix="/v1")

    @router.post("/duties/{duty}/acknowledgements")
    async def acknowledge(duty: str, body: AcknowledgementBody, caller: Caller) -> dict[str, Any]:
        """Take note of a missed duty: it holds the climb as long as the rung grants, and fulfils nothing."""
        require(caller.has(f"post:{body.post}"), "not your post", "不是本人的职务")
        post = service.tree.posts.get(body.post)
        person = post.holder(service.clock.now()) if post else None
        if person is None:
            raise ProblemError(409, "vacant", f"Nobody holds {body.post}.", f"职务 {body.post} 空缺。")
        wish = Acknowledge(body.post, person)
        cause = f"request:{caller.sub}/{ids.new_id()}"
        (outcome,) = await service.decide(book_of_duty(duty), [Request(duty, wish, cause)])
        return {"duty": duty, "result": outcome.result, "next_at": _iso(outcome.state.next_at)}

    @router.get("/duties/{duty}")
    async def one(duty: str, caller: Caller) -> dict[str, Any]:
        """Return how a duty is watched; a provisional moment may move when the next year's days are known."""
        book = service.books.get(book_of_duty(duty))
        watch: Watch = await book.peek(duty) if book is not None else await service.read(duty)
        if (
            watch.status is Status.UNKNOWN
            or watch.opened is None
            or not _within(service, watch.opened.unit, caller.unit)
        ):
            raise ProblemError(
                404, "unknown_duty", f"There is no duty {shown(duty)}.", f"事项 {shown(duty)} 不存在。"
            )
        return {
            "duty": duty,
            "unit": watch.opened.unit,
            "status": watch.status,
            "due_at": _iso(watch.opened.due_at),
            "next_at": _iso(watch.next_at),
            "is_provisional": watch.next_at is not None
            and calendar.is_provisional(watch.next_at, POLICIES[watch.opened.policy].zone),
            "rung": watch.rung,
            "told": [post for post, _ in watch.told],
        }

    @router.get("/notices")
    async def notices(
        request: HttpRequest,
        caller: Caller,
        post: str | None = None,
        after: str = "",
        limit: int = Query(100, ge=1, le=10_000),
    ) -> dict[str, Any]:
        """Return the notices of a post, or of the whole subtree to an operator, from behind a cursor."""
        allowed = caller.has("operator") or (post is not None and caller.has(f"post:{post}"))
        require(allowed, "only the post itself or an operator may read them", "仅限本职务或运维人员查看")
        chinese = request.headers.get("accept-language", "").lower().startswith("zh")
        found = await read(post=post, after=after, limit=limit)
        items = [
            _told(notice, service.tree, is_chinese=chinese)
            for notice in found
            if _within(service, notice["unit"], caller.unit)
        ]
        return {"items": items, "after": found[-1]["cursor"] if len(found) == limit else ""}

    return router


def _within(service: Service[Any], unit: str, root: str) -> bool:
    return service.tree.is_within(unit, root)


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _told(notice: dict[str, Any], tree: Tree, *, is_chinese: bool) -> dict[str, Any]:
    moments = {key: _iso(notice[key]) for key in ("due_at", "planned_at", "decided_at")}
    text = words(
        notice["kind"],
        duty=notice["duty"],
        unit=tree.units[notice["unit"]].name,
        step=notice["step"],
        level=notice["level"],
        is_chinese=is_chinese,
    )
    shown = {key: value for key, value in notice.items() if key != "_id"}
    return {"id": notice["_id"], **shown, **moments, "text": text}
