"""What could not be applied: an operator sees it, applies it again in order, or takes it out for good."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter

from contracts.personal import shown
from contracts.tree import Tree
from shared.access import Identity
from shared.book import Book
from shared.consumer import Intake
from shared.decider import Outcome, Replay, Request
from shared.http import Caller, ProblemError, require
from shared.reasons import told

AT_ONCE = 250
LISTED = 1_000


async def replay(book: Book[Any], intake: Intake, stream: str, *, cause: str) -> tuple[int, Outcome]:
    """Apply the dead letters of a stream again; return how many were, and the outcome that ended it.

    Each is taken out and applied by one entry of the ledger, so a kill loses none and applies none twice.
    The last outcome is ``nothing`` if none is left, ``failed`` if one cannot be applied yet: it stays first.
    """
    request, applied = Request(stream, Replay(intake.again), cause), 0
    while True:
        outcomes = await book.handle([request] * AT_ONCE)
        applied += sum(outcome.result == "applied" for outcome in outcomes)
        if outcomes[-1].result != "applied":
            return applied, outcomes[-1]


async def discard(book: Book[Any], stream: str, *, cause: str) -> Outcome:
    """Take the first dead letter of a stream out for good: an operator has judged that it means nothing."""
    (outcome,) = await book.handle([Request(stream, Replay(lambda _: None), cause)])
    return outcome


def routes(
    *,
    books: Callable[[], Iterable[Book[Any]]],
    intake: Callable[[], Intake],
    tree: Tree,
    unit_of: Callable[[Any], str],
) -> APIRouter:
    """Return an operator's routes over the books that this process writes.

    A stream that belongs to a unit is for who reaches the unit; any other, such as one that nobody could
    read, for who reaches the root of the tree.
    """
    router = APIRouter(prefix="/v1/dead-letters", tags=["plumbing"])

    def reaches(caller: Identity, state: Any) -> bool:
        unit = unit_of(state)
        top = tree.units.get(tree.committee_of(caller.unit)) if caller.unit in tree.units else None
        return tree.is_within(unit, caller.unit) if unit else top is not None and top.parent is None

    def operator(caller: Identity) -> None:
        require(caller.has("operator"), "only an operator may", "仅限运维人员")

    async def book_of(caller: Identity, stream: str) -> Book[Any]:
        operator(caller)
        for book in books():
            if await book.parked(stream) and reaches(caller, await book.peek(stream)):
                return book
        raise ProblemError(
            404,
            "nothing_parked",
            f"No dead letters of {shown(stream)} here.",
            f"此处没有 {shown(stream)} 的死信。",
        )

    @router.get("")
    async def every(caller: Caller) -> dict[str, Any]:
        """Return the streams with dead letters, at most a thousand of each book that is written here."""
        operator(caller)
        found = [record for book in books() for record in await book.parked_records(LISTED)]
        items = [
            {"stream": one.stream, "letters": len(one.parked), "reason": one.parked[0].reason}
            for one in sorted(found, key=lambda one: one.stream)
            if reaches(caller, one.body)
        ]
        return {"items": items}

    @router.get("/{stream:path}")
    async def show(stream: str, caller: Caller) -> dict[str, Any]:
        """Return why the records of a stream were put aside; never their bytes."""
        book = await book_of(caller, stream)
        letters = await book.parked(stream)
        return {"stream": stream, "letters": [{"origin": x.origin, "reason": x.reason} for x in letters]}

    @router.post("/{stream:path}/replay")
    async def again(stream: str, caller: Caller) -> dict[str, Any]:
        """Apply the dead letters of a stream again, in order, as far as it goes."""
        book = await book_of(caller, stream)
        applied, last = await replay(book, intake(), stream, cause=f"replay:{caller.sub}")
        return {"stream": stream, "applied": applied, "stopped_by": told(last.error) if last.error else None}

    @router.post("/{stream:path}/discard")
    async def drop(stream: str, caller: Caller) -> dict[str, Any]:
        """Take the first dead letter of a stream out for good."""
        book = await book_of(caller, stream)
        outcome = await discard(book, stream, cause=f"discard:{caller.sub}")
        return {"stream": stream, "result": outcome.result}

    return router
