"""What may be kept, logged and said of an error: never a text that it quotes."""

import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from contracts.personal import shown

OURS = ("contracts", "shared", "services", "deploy")
"""Errors of these packages say what we wrote; any other may quote what it was given."""
LONGEST = 500


def told(error: BaseException) -> str:
    """Return the kind of an error, and what it says if we wrote that, else where it was raised."""
    kind = type(error).__name__
    if isinstance(error, ValidationError):
        return f"{kind}: {', '.join(wrong_fields(error))}"[:LONGEST]
    if type(error).__module__.partition(".")[0] in OURS and str(error):
        return f"{kind}: {error}"[:LONGEST]
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return kind
    return f"{kind} at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"


def wrong_fields(error: ValidationError) -> Iterator[str]:
    """Yield the place and the kind of each mistake, never the input."""
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        yield f"{place_of(one['loc'])}: {one['type']}"


def place_of(location: Sequence[Any]) -> str:
    """Return a place in an input; its names may come from the input itself."""
    return shown(".".join(map(str, location)) or "value")


def traced(error: BaseException) -> str:
    """Return the lines of an error and of what caused it, as ``told`` tells them."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = "" if cause is None else f"{traced(cause)}\n\n"
    lines = "".join(traceback.format_tb(error.__traceback__))
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n\n".join([f"{before}{lines}{told(error)}", *map(traced, within)])
