"""People in: imports with dry run and diff, and the tree as it stands."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from contracts.personal import shown
from contracts.tree import Tree, Unit
from services.directory.domain.importing import ImportPlan, import_units
from services.directory.domain.model import CloseUnit, Command, MoveUnit, PlaceUnit, stream_of, unit_of
from services.directory.domain.rows import Lines, RowError
from services.directory.domain.tenures import import_tenures
from services.directory.entrypoints.files import XLSX, BadFileError, read_file
from shared import ids
from shared.decider import Request as Wish
from shared.http import Caller, ProblemError, require
from shared.service import Service

BOOK = 0
"""The whole tree is one book: a cycle is seen only by who sees all of it."""
SHOWN = 100
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {}, XLSX: {}},
    }
}
"""What both imports take; FastAPI cannot see it."""


def routes(service: Service[Any], tree: Tree) -> APIRouter:
    """Return the routes of the directory over its exact *tree*."""

    async def here(_: Caller) -> None:
        """Let nobody ask a replica that does not write the tree: its own is empty or not whole."""
        await service.writer(BOOK)

    router = APIRouter(prefix="/v1", dependencies=[Depends(here)])
    importing = asyncio.Lock()

    @router.post("/imports/units", openapi_extra=BODY)
    async def units(
        request: Request,
        caller: Caller,
        *,
        dry_run: Annotated[bool, Query(description="only say what would change")] = False,
        leading: Annotated[
            int,
            Query(ge=0, description="so many first rows only lead to the others"),
        ] = 0,
    ) -> dict[str, Any]:
        """Import territories: code, name, parent, level; each becomes two units with posts.

        A part of a file may be sent again; what it says already is not said again.
        """
        _operator(caller.has)
        content, media_type = await request.body(), request.headers.get("content-type", "")
        async with importing:
            plan = await asyncio.to_thread(
                lambda: import_units(_read(content, media_type), tree, leading=leading)
            )
            _raise(plan.errors)
            _within_reach(plan.commands, tree, caller.unit)
            answer = _told(plan)
            return answer | {"done": 0} if dry_run else answer | await _do(service, plan.waves)

    @router.post("/imports/tenures", openapi_extra=BODY)
    async def tenures(
        request: Request,
        caller: Caller,
        *,
        dry_run: Annotated[bool, Query(description="only say what would change")] = False,
    ) -> dict[str, Any]:
        """Import who holds which post: post, person, from; a new holder ends the tenure before."""
        _operator(caller.has)
        content, media_type = await request.body(), request.headers.get("content-type", "")
        async with importing:
            plan = await asyncio.to_thread(lambda: import_tenures(_read(content, media_type), tree))
            _raise(plan.errors)
            _within_reach(plan.commands, tree, caller.unit)
            answer = {"changes": len(plan.commands), "unchanged": len(plan.unchanged)}
            return answer | {"done": 0} if dry_run else answer | await _do(service, [plan.commands])

    @router.post("/units/{code}/closing")
    async def close(code: str, caller: Caller) -> dict[str, Any]:
        """Close a unit (撤销); close or move the units below it and its discipline committee first."""
        _operator(caller.has)
        wish = CloseUnit(code)
        _within_reach([wish], tree, caller.unit)
        cause = f"request:{caller.sub}/{ids.new_id()}"
        async with importing:
            (outcome,) = await service.decide(BOOK, [Wish(stream_of(wish), wish, cause)])
        return {"unit": code, "result": outcome.result}

    @router.get("/units/{code}")
    async def unit(code: str, caller: Caller) -> dict[str, Any]:
        """Return a unit, its posts and who holds them now."""
        if code not in tree.units or not tree.is_within(code, caller.unit):
            raise ProblemError(
                404, "unknown_unit", f"There is no unit {shown(code)}.", f"单位 {shown(code)} 不存在。"
            )
        now = service.clock.now()
        posts = [
            {"post": post.code, "role": post.role, "person": post.holder(now)} for post in tree.posts_of(code)
        ]
        return _unit(tree.units[code]) | {"posts": posts}

    @router.get("/units")
    async def subtree(
        caller: Caller, root: str, after: str = "", limit: int = Query(100, ge=1, le=1000)
    ) -> dict[str, Any]:
        """Return the open units at and below *root*, in order of their code."""
        require(
            root in tree.units and tree.is_within(root, caller.unit), "not your subtree", "不在管辖范围内"
        )
        units = sorted((u for u in tree.subtree(root) if u.code > after), key=lambda u: u.code)
        items = [_unit(u) for u in units[:limit]]
        return {"items": items, "after": items[-1]["unit"] if len(units) > limit else ""}

    return router


def _operator(has: Callable[[str], bool]) -> None:
    require(has("operator"), "only an operator may import", "仅限运维人员导入")


def _within_reach(commands: Sequence[Command], tree: Tree, root: str) -> None:
    """Refuse what reaches beyond the caller's subtree; the first import of all plants the tree."""
    new = {c.unit for c in commands if isinstance(c, PlaceUnit)}
    is_planting = not tree.units

    def is_inside(code: str | None) -> bool:
        return is_planting or code in new or (code is not None and tree.is_within(code, root))

    for command in commands:
        units = [command.parent] if isinstance(command, PlaceUnit) else [unit_of(command)]
        units += [command.parent] if isinstance(command, MoveUnit) else []
        require(
            all(is_inside(code) for code in units),
            f"{stream_of(command)} is not in your subtree",
            f"{stream_of(command)} 不在管辖范围内",
        )


def _read(content: bytes, media_type: str) -> Lines:
    try:
        return read_file(content, media_type.partition(";")[0].strip().lower())
    except BadFileError as error:
        raise ProblemError(400, error.word, error.reason, error.reason_zh) from error


def _raise(errors: Sequence[RowError]) -> None:
    if errors:
        shown = [
            {"line": e.line, "field": e.field, "word": e.word, "reason": e.reason, "reason_zh": e.reason_zh}
            for e in errors[:SHOWN]
        ]
        raise ProblemError(
            422,
            "bad_rows",
            f"{len(errors)} errors; nothing was imported.",
            f"共 {len(errors)} 处错误，未导入任何内容。",
            count=len(errors),
            errors=shown,
        )


def _told(plan: ImportPlan) -> dict[str, Any]:
    """Return the diff of an import in numbers, and the first of each."""
    return {
        "added": len(plan.additions),
        "posts": len(plan.posts),
        "renames": len(plan.renames),
        "moves": len(plan.moves),
        "renamed": [{"unit": r.unit, "name": r.name} for r in plan.renames[:SHOWN]],
        "moved": [{"unit": m.unit, "parent": m.parent} for m in plan.moves[:SHOWN]],
        "changes": len(plan.commands),
        "unchanged": len(plan.unchanged),
    }


async def _do(service: Service[Any], waves: Sequence[Sequence[Command]]) -> dict[str, Any]:
    """Do a plan wave by wave; what was done before a fault stays done, and importing again does the rest."""
    cause = f"import:{ids.new_id()}"
    done = 0
    for wave in waves:
        outcomes = await service.decide(BOOK, [Wish(stream_of(c), c, cause, cause) for c in wave])
        done += sum(outcome.result == "applied" for outcome in outcomes)
    return {"done": done, "at": service.clock.now().isoformat()}


def _unit(unit: Unit) -> dict[str, Any]:
    return {
        "unit": unit.code,
        "name": unit.name,
        "kind": unit.kind,
        "parent": unit.parent,
        "same_level": unit.same_level,
        "level": unit.level,
        "is_closed": unit.is_closed,
    }
