"""What is wrong with a run, by kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.embedded.findings import Findings
from deploy.embedded.judge_duties import OUT_OF_ORDER

WORDS = {
    "is not what its pages say": "states",
    "its score is not": "scores",
    "scored": "scores",
    ": page ": "chains",
    "early": "early",
    "twice or out of order": "ladder",
    "were skipped": "ladder",
    "was held": "ladder",
    "nobody knows": "lost",
    "sequences": "lost",
}
"""Of which kind a complaint of the embedded run's judge is, by a word of it."""
KINDS = ("lost", "doubled", "early", "false misses", "ladder", "chains", "states", "scores", "other")


@dataclass
class Verdict:
    """What is wrong, by kind, and how much was looked at."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    duties: int = 0
    facts: int = 0
    again: int = 0
    """Records that said once more what was said, as they may after a crash: the same bytes."""
    strays: int = 0
    """Streams that a new, empty broker got in another order; their consumers go by the sequence."""

    @property
    def holds(self) -> bool:
        """Tell whether nothing is wrong."""
        return not any(self.wrong.values())

    def add(self, other: "Verdict") -> None:
        """Count another run in."""
        self.duties += other.duties
        self.facts += other.facts
        self.again += other.again
        self.strays += other.strays
        for kind, found in other.wrong.items():
            self.wrong[kind] += found

    def take(self, findings: Findings, *, is_broker_lost: bool = False) -> None:
        """Take over what the judge of the embedded run complains of.

        If the broker has lost its records, what was on its way to the old one may reach the new one first.
        """
        for complaint in findings.wrong:
            if is_broker_lost and OUT_OF_ORDER in complaint:
                self.strays += 1
                continue
            kind = next((kind for word, kind in WORDS.items() if word in complaint), "other")
            self.wrong[kind].append(complaint)


def lines(verdict: Verdict) -> Sequence[str]:
    """Return what is wrong, a line each."""
    return [f"{kind}: {complaint}" for kind, found in verdict.wrong.items() for complaint in found]
