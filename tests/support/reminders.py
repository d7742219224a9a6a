"""A small directory and the story of one duty: given, when, then; restarted between any two steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from contracts.directory import PostDefined, TenureEnded, TenureStarted, UnitMoved, UnitPlaced
from contracts.duties import DutyOpened, Line
from contracts.envelope import Fact
from contracts.escalations import EscalationRaised
from contracts.refusal import Refusal
from contracts.tree import Tree
from services.reminders.domain.decide import decide
from services.reminders.domain.evolve import evolve, wake_at
from services.reminders.domain.ladder import Calendar
from services.reminders.domain.model import Command, EndDuty, Wake, Watch, WatchDuty, WatchFact
from shared import workdays

F = TypeVar("F", bound=Fact)

SHANGHAI = ZoneInfo("Asia/Shanghai")
MICROSECOND = timedelta(microseconds=1)
CALENDAR = workdays.Calendar()
WATCHES = TypeAdapter(Watch)
REPORTING = "/zeren/reporting"


def at(local: str) -> datetime:
    """Return the moment of a local time in Shanghai."""
    return datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).astimezone(UTC)


DUE = at("2026-02-01 00:00")
"""31 January 2026, 24:00, a Saturday."""
OPENED_AT = at("2026-01-02 10:00")
LONG_AGO = at("2020-01-01 00:00")


def a_duty(unit: str = "village", due_at: datetime = DUE) -> DutyOpened:
    """Return a yearly report that a unit owes."""
    return DutyOpened(
        duty=f"2025.main.{unit}",
        unit=unit,
        kind="double-report",
        line=Line.MAIN,
        recipient="town",
        period="2025",
        due_at=due_at,
        policy="double-report/1",
        occurrence=f"2025.{unit}",
    )


@dataclass
class Places:
    """A directory in the making."""

    tree: Tree = field(default_factory=Tree)
    sequence: int = 0
    facts: list[Fact] = field(default_factory=list)

    def hear(self, *facts: Fact) -> Self:
        """Apply facts of the directory."""
        for fact in facts:
            self.sequence += 1
            self.facts.append(fact)
            self.tree.apply(fact, self.sequence)
        return self

    def place(self, unit: str, parent: str | None, *, same_level: str | None = None, kind: str = "") -> Self:
        """Place one unit."""
        return self.hear(UnitPlaced(unit=unit, name=unit, kind=kind, parent=parent, same_level=same_level))

    def seat(self, unit: str, role: str, *, is_held: bool = True) -> Self:
        """Define a post and let somebody hold it, or nobody."""
        post = f"{unit}/{role}"
        self.hear(PostDefined(post=post, unit=unit, role=role, rank_class="principal"))
        if is_held:
            self.hear(TenureStarted(post=post, unit=unit, person=f"p-{post}", from_at=LONG_AGO))
        return self

    def vacate(self, post: str, until_at: datetime = LONG_AGO) -> Self:
        """End the tenure of whoever holds a post."""
        unit = post.partition("/")[0]
        return self.hear(TenureEnded(post=post, unit=unit, person=f"p-{post}", until_at=until_at))

    def move(self, unit: str, parent: str) -> Self:
        """Put a unit under another superior."""
        return self.hear(UnitMoved(unit=unit, parent=parent))

    def level(self, unit: str, parent: str | None, kind: str = "party_committee") -> Self:
        """Place a committee and its discipline committee with all posts that the ladder names."""
        self.place(unit, parent, kind=kind)
        self.place(f"{unit}-dc", parent and f"{parent}-dc", same_level=unit, kind="discipline_committee")
        for role in ("handler", "leader_in_charge", "head"):
            self.seat(unit, role)
        return self.seat(f"{unit}-dc", "discipline_head")


def places(*units: str) -> Places:
    """Return a line of units, the root first, every post held."""
    made = Places()
    for parent, unit in zip((None, *units), units, strict=False):
        made.level(unit, parent)
    return made


def a_village() -> Places:
    """Return a village under its town, county, city and province."""
    return places("province", "city", "county", "town", "village")


@dataclass
class Story:
    """What happens to one duty's watch; every step begins with the state read back from its bytes."""

    tree: Tree
    watch: Watch
    workdays: Calendar = CALENDAR
    facts: list[Fact] = field(default_factory=list)
    refusal: Refusal | None = None
    log: list[tuple[datetime, Fact]] = field(default_factory=list)

    def when(self, command: Command, at: datetime) -> Self:
        """Decide one command at a moment and take its facts in."""
        before = WATCHES.validate_json(WATCHES.dump_json(self.watch))
        assert before == self.watch
        decided = decide(before, command, at, tree=self.tree, workdays=self.workdays)
        self.refusal = decided if isinstance(decided, Refusal) else None
        self.facts = [] if isinstance(decided, Refusal) else list(decided)
        for fact in self.facts:
            before = evolve(before, fact)
            self.log.append((at, fact))
        self.watch = before
        return self

    def opened(self, duty: DutyOpened, at: datetime = OPENED_AT) -> Self:
        """Hear that the duty is owed."""
        return self.when(WatchDuty(duty, REPORTING), at)

    def wakes(self, at: datetime) -> Self:
        """Let the timer come at a moment."""
        return self.when(Wake(), at)

    def wakes_until(self, until: datetime) -> Self:
        """Let the timer come at every moment that the watch asks for, up to one."""
        while (moment := wake_at(self.watch)) is not None and moment <= until:
            self.wakes(moment)
        return self

    def fulfilled(self, fulfilled_at: datetime, heard_at: datetime) -> Self:
        """Hear that the duty is done."""
        return self.when(EndDuty(fulfilled_at), heard_at)

    def then(self, *facts: Fact) -> Self:
        """Expect exactly these published facts of the last step."""
        assert self.published == list(facts)
        return self

    def then_nothing(self) -> Self:
        """Expect that the last step changed nothing at all, not even in private."""
        assert (self.facts, self.refusal) == ([], None)
        return self

    def then_told(self, *posts: str) -> Self:
        """Expect that the last step told exactly these posts."""
        assert [fact.post for fact in of(EscalationRaised, self.facts)] == list(posts)
        return self

    def then_refused(self, word: str) -> Self:
        """Expect a refusal."""
        assert self.facts == []
        assert self.refusal is not None
        assert self.refusal.word == word
        return self

    @property
    def published(self) -> list[Fact]:
        """Return the published facts of the last step."""
        return [fact for fact in self.facts if not isinstance(fact, WatchFact)]

    @property
    def said(self) -> list[Fact]:
        """Return every published fact so far."""
        return [fact for _, fact in self.log if not isinstance(fact, WatchFact)]


def of(kind: type[F], facts: Sequence[Fact]) -> list[F]:
    """Return the facts of one kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


def given(made: Places, duty: DutyOpened | None = None, calendar: Calendar = CALENDAR) -> Story:
    """Begin a story with a duty that is not heard of yet."""
    return Story(made.tree, Watch((duty or a_duty()).duty), calendar)
