"""What strikes, chosen by a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

SERVICES = ("directory", "reporting", "reminders", "inspection", "scoring")
SERVERS = ("broker", "database")
JOINING = ("reminders", "reporting")
SHORT, LONG = (0.2, 1.0), (3.5, 6.0)
"""Seconds: a pause that nobody need notice, and one after which a group has dealt without its member."""
STAYS = (1.0, 4.0)
APART, COMING_BACK = (0.0, 1.0), (0.0, 3.0)
"""Seconds between two kills of a volley, and those that a process which was killed has run again."""
VOLLEYS, SIZES = 20, (2, 8)
"""How many volleys a deck of the long run holds, and of how many kills each may be."""


class Kind(StrEnum):
    """What happens to a process."""

    KILL = "kill"
    STOP = "stop"
    JOIN_AND_LEAVE = "join, leave"
    JOIN_AND_KILL = "join, kill"


@dataclass(frozen=True, slots=True)
class Blow:
    """One kill among several."""

    victim: str
    pause: float = 0.0
    """Seconds since the blow before; if it hit the same process, since that runs again."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to one process, and who is killed with it before anybody has recovered."""

    kind: Kind
    victim: str
    seconds: float = 0.0
    """How long it stands still, or stays."""
    after: float = 0.0
    """Seconds of real time after the story has gone on."""
    then: tuple[Blow, ...] = ()

    @property
    def struck(self) -> list[tuple[Kind, str]]:
        """Return everything that happens, in order."""
        return [(self.kind, self.victim), *((Kind.KILL, blow.victim) for blow in self.then)]

    @property
    def needs_records(self) -> bool:
        """Tell whether it destroys what only the broker holds."""
        return (Kind.KILL, "broker") in self.struck


def deck(dice: Random, pause: float = APART[1]) -> list[Strike]:
    """Return a strike of each kind on each victim, and volleys, in any order, each after at most a pause."""
    single = _dealt(
        dice,
        [
            *((Kind.KILL, name) for name in (*SERVICES, *SERVERS)),
            *((Kind.STOP, name) for name in (*SERVICES, *SERVERS)),
            *((kind, name) for kind in (Kind.JOIN_AND_LEAVE, Kind.JOIN_AND_KILL) for name in JOINING),
        ],
    )
    # Who joined is killed, and the one whose books it shared.
    both = Strike(Kind.JOIN_AND_KILL, name := dice.choice(JOINING), dice.uniform(*STAYS), 0.0, (Blow(name),))
    dealt = [*single, both, *(volley(dice, dice.randint(*SIZES)) for _ in range(VOLLEYS))]
    return [replace(one, after=dice.uniform(0.0, pause)) for one in dice.sample(dealt, len(dealt))]


def short_deck(dice: Random) -> list[Strike]:
    """Return the few strikes for which a test has time: each kind, each server, and some of the services."""
    twice, *killed, stopped = dice.sample(SERVICES, 4)
    first, second = dice.sample(JOINING, 2)
    dealt = _dealt(
        dice,
        [
            *((Kind.KILL, name) for name in (*killed, "broker")),
            *((Kind.STOP, name) for name in (stopped, *SERVERS)),
            (Kind.JOIN_AND_LEAVE, first),
            (Kind.JOIN_AND_KILL, second),
        ],
    )
    again = Blow(twice, dice.uniform(*APART))
    dealt.insert(dice.randrange(len(dealt)), Strike(Kind.KILL, twice, then=(Blow("database"), again)))
    return dealt


def endless(dice: Random, pause: float = APART[1]) -> Iterator[Strike]:
    """Yield strikes for ever, each kind as often as any other, and volleys between them."""
    while True:
        yield from deck(dice, pause)


def volley(dice: Random, size: int) -> Strike:
    """Return as many kills: all at once or each soon after the last, some of one that is just coming back."""
    first, *others = (dice.choice((*SERVICES, *SERVERS)) for _ in range(size))
    apart = dice.choice(((0.0, 0.0), APART))
    blows, known = [], {first}
    for name in others:
        blows.append(Blow(name, dice.uniform(*(COMING_BACK if name in known else apart))))
        known.add(name)
    return Strike(Kind.KILL, first, then=tuple(blows))


def _dealt(dice: Random, wanted: Sequence[tuple[Kind, str]]) -> list[Strike]:
    """Return what is wanted in any order, each with its own times."""
    dealt = []
    for kind, victim in dice.sample(wanted, len(wanted)):
        span = dice.choice((SHORT, LONG)) if kind is Kind.STOP else STAYS
        seconds = 0.0 if kind is Kind.KILL else dice.uniform(*span)
        dealt.append(Strike(kind, victim, seconds, dice.uniform(*APART)))
    return dealt
