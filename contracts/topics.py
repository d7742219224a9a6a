"""The registry of topics: who says what where, who listens, and how long it is kept."""

from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType

from contracts import directory, duties, duties_in, escalations, inspections, reminders, reports, scores
from contracts.envelope import Fact

PARTITIONS = 12
"""Fixed for life: part of the contract, together with the murmur2 partitioner over the key."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the published language."""

    name: str
    description: str
    facts: tuple[type[Fact], ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    retention: timedelta | None = None
    """None keeps records without end."""
    partitions: int = PARTITIONS

    @property
    def dead_letters(self) -> str:
        """Return the topic for what a consumer could not read or apply."""
        return f"{self.name}-dlq"


def _facts(module: ModuleType) -> tuple[type[Fact], ...]:
    """Return the facts that a module declares, its bases left out."""
    classes = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, Fact)]
    return tuple(c for c in classes if c.__module__ == module.__name__ and not c.__subclasses__())


YEARS = timedelta(days=5 * 366)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "directory",
            "Units, posts and tenures.",
            _facts(directory),
            ("directory",),
            ("inspection", "reminders", "reporting", "scoring"),
        ),
        Topic(
            "duties",
            "The duty protocol.",
            _facts(duties),
            ("reporting", "inspection"),
            ("reminders", "scoring"),
        ),
        Topic(
            "duties-in", "Duties that foreign systems bring.", _facts(duties_in), (), ("reporting",), YEARS
        ),
        Topic("reports", "What was filed with whom.", _facts(reports), ("reporting",), (), YEARS),
        Topic(
            "inspections",
            "What was proposed, found and put right.",
            _facts(inspections),
            ("inspection",),
            (),
            YEARS,
        ),
        Topic("reminders", "What was said before due.", _facts(reminders), ("reminders",), (), YEARS),
        Topic(
            "escalations",
            "Missed duties and their climb.",
            _facts(escalations),
            ("reminders",),
            ("inspection",),
            YEARS,
        ),
        Topic("scores", "What the duties add up to.", _facts(scores), ("scoring",), (), YEARS),
    )
}

FACTS: dict[str, type[Fact]] = {fact.type: fact for topic in TOPICS.values() for fact in topic.facts}
"""Every published type and its class."""
