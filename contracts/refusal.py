"""How a rule says no: a value that every service and every domain can return."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """The business says no: a stable word for programs, and the reason for people."""

    word: str
    reason: str
    reason_zh: str
