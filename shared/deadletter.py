"""What could not be applied is applied again: the dead letters of a stream, in order."""

from typing import Any

from shared.book import Book
from shared.consumer import Intake
from shared.decider import Outcome, Replay, Request

AT_ONCE = 250


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
