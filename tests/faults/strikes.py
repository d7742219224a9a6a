"""What strikes, chosen by a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

SERVICES = ("directory", "reporting", "reminders", "inspection", "scoring")
SERVERS = ("broker", "database")
JOINING = ("reminders", "reporting")
SHORT, LONG = (0.2, 1.0), (3.5, 6.0)
"""Seconds: a pause that nobody need notice, and one after which a group has dealt without its member."""
STAYS = (1.0, 4.0)


class Kind(StrEnum):
    """What happens to a process."""

    KILL = "kill"
    STOP = "stop"
    JOIN_AND_LEAVE = "join, leave"
    JOIN_AND_KILL = "join, kill"


@dataclass(frozen=True, slots=True)
class Strike:
    """One thing that happens to one process."""

    kind: Kind
    victim: str
    seconds: float = 0.0
    """How long it stands still, or stays."""
    after: float = 0.0
    """Seconds of real time after the story has gone on."""

    @property
    def needs_records(self) -> bool:
        """Tell whether it destroys what only the broker holds."""
        return self.kind is Kind.KILL and self.victim == "broker"


def deck(dice: Random) -> list[Strike]:
    """Return a strike of each kind on each victim, in any order."""
    return _dealt(
        dice,
        [
            *((Kind.KILL, name) for name in (*SERVICES, *SERVERS)),
            *((Kind.STOP, name) for name in (*SERVICES, *SERVERS)),
            *((kind, name) for kind in (Kind.JOIN_AND_LEAVE, Kind.JOIN_AND_KILL) for name in JOINING),
        ],
    )


def short_deck(dice: Random) -> list[Strike]:
    """Return the few strikes for which a test has time: each kind, each server, and some of the services."""
    *killed, stopped = dice.sample(SERVICES, 4)
    first, second = dice.sample(JOINING, 2)
    return _dealt(
        dice,
        [
            *((Kind.KILL, name) for name in (*killed, *SERVERS)),
            *((Kind.STOP, name) for name in (stopped, *SERVERS)),
            (Kind.JOIN_AND_LEAVE, first),
            (Kind.JOIN_AND_KILL, second),
        ],
    )


def endless(dice: Random) -> Iterator[Strike]:
    """Yield strikes for ever, each kind as often as any other."""
    while True:
        yield from deck(dice)


def _dealt(dice: Random, wanted: Sequence[tuple[Kind, str]]) -> list[Strike]:
    """Return what is wanted in any order, each with its own times."""
    dealt = []
    for kind, victim in dice.sample(wanted, len(wanted)):
        span = dice.choice((SHORT, LONG)) if kind is Kind.STOP else STAYS
        seconds = 0.0 if kind is Kind.KILL else dice.uniform(*span)
        dealt.append(Strike(kind, victim, seconds, dice.uniform(0.0, 1.0)))
    return dealt
