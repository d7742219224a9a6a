"""The rule of the directory with a memory of its own: a tree to try rules on."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from contracts.envelope import Fact
from contracts.refusal import Refusal
from contracts.tree import Tree
from services.directory.domain import importing, tenures
from services.directory.domain.decide import decide, evolve
from services.directory.domain.importing import ImportPlan
from services.directory.domain.model import Command, Decision, PlaceUnit, State, initial, stream_of
from services.directory.domain.rows import read_csv
from services.directory.domain.tenures import NO_PLAN, TenurePlan

NOW = datetime(2026, 1, 4, 1, 30, tzinfo=UTC)
DIVISIONS = Path(__file__).parents[2] / "deploy/embedded/data/divisions-wenzhou.csv"

Shape = tuple[object, ...]


class Directory:
    """States by stream and the tree that they amount to."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.tree = Tree()
        self.sequences: dict[str, int] = {}

    def decide(self, command: Command) -> Decision:
        """Return what the rule says, and change nothing."""
        stream = stream_of(command)
        return decide(self.states.get(stream) or initial(stream), command, NOW, tree=self.tree)

    def do(self, command: Command) -> Decision:
        """Return what the rule says, and let it be so."""
        decision = self.decide(command)
        if not isinstance(decision, Refusal):
            self.apply(stream_of(command), decision)
        return decision

    def apply(self, stream: str, facts: Iterable[Fact]) -> None:
        """Take facts in."""
        for fact in facts:
            self.states[stream] = evolve(self.states.get(stream) or initial(stream), fact)
            self.sequences[stream] = self.sequences.get(stream, 0) + 1
            self.tree.apply(fact, self.sequences[stream])

    def done(self, *commands: Command) -> "Directory":
        """Do commands that nothing speaks against."""
        for command in commands:
            decision = self.do(command)
            assert not isinstance(decision, Refusal), decision
        return self

    def carry_out(self, plan: ImportPlan) -> "Directory":
        """Do a plan, each wave as one page: decided on the tree as it was before the wave."""
        assert not plan.errors, plan.errors
        for wave in plan.waves:
            for command, decision in [(command, self.decide(command)) for command in wave]:
                assert not isinstance(decision, Refusal), decision
                self.apply(stream_of(command), decision)
        return self

    def imported(self, text: str) -> "Directory":
        """Import a file."""
        return self.carry_out(import_units(text, self.tree))

    def shape(self) -> Shape:
        """Return everything that the tree says, to compare it with another."""
        units = sorted((u.code, u.name, u.kind, u.parent or "", u.level) for u in self.tree.units.values())
        posts = sorted((p.code, p.role, p.rank_class, p.portfolio) for p in self.tree.posts.values())
        return (*units, *posts)


def import_units(text: str, tree: Tree) -> ImportPlan:
    """Return the plan of a CSV file of territories."""
    return importing.import_units(read_csv(io.StringIO(text, newline="")), tree)


def import_tenures(text: str, tree: Tree, units: ImportPlan = NO_PLAN) -> TenurePlan:
    """Return the plan of a CSV file of tenures."""
    return tenures.import_tenures(read_csv(io.StringIO(text, newline="")), tree, units)


def placed(
    code: str, parent: str | None, kind: str = "party_committee", same_level: str | None = None
) -> PlaceUnit:
    """Return the command that places a unit of no particular name."""
    return PlaceUnit(code, f"单位{code}", kind, parent, same_level, level=kind)


def divisions(top: str = "330305") -> str:
    """Return the file of a county, with its city and province above it."""
    header, *lines = DIVISIONS.read_text("utf-8").splitlines()
    return "\n".join([header, *(x for x in lines if x.startswith((top, "33,", "3303,")))])


def a_mixed_tree() -> Directory:
    """Return seven levels of many kinds: territories, a department, a second-level unit, a bank's branch."""
    rows = "code,name,parent,level\n33,浙江省,,province\n3303,温州市,33,city\n330305,洞头区,3303,county\n"
    rows += "330305001,北岙街道,330305,township\n330305001200,小三盘村委会,330305001,village\n"
    return (
        Directory()
        .imported(rows)
        .done(
            placed("330305-office", "330305", "department"),
            placed("330305-office-archive", "330305-office", "second_level_unit"),
            placed("bank-branch", "330305-office-archive", "bank_branch"),
            placed("bank-branch-dc", "330305-dc", "discipline_committee", "bank-branch"),
            placed("bank-outlet", "bank-branch", "bank_branch"),
        )
    )
