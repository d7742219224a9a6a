"""What the directory is made of: the table of contents."""

from functools import partial
from typing import Any

from pydantic import TypeAdapter

from contracts.envelope import Envelope
from contracts.tree import Tree
from services.directory.domain.decide import decide, evolve
from services.directory.domain.model import FACTS, State, initial
from services.directory.entrypoints.http import BOOK, routes
from shared.decider import Decider
from shared.ledger import Page
from shared.published import Origin
from shared.service import Plan, Service
from shared.state import Shape

SHAPE: Shape[State] = Shape(initial=initial, evolve=evolve, adapter=TypeAdapter(State), facts=FACTS)

DISTANCE = 64
"""So many pages the states may be behind: an import does not wait for them, a start folds them again."""

ORIGIN = Origin(
    stream_of=lambda envelope: envelope.subject,
    book_of=lambda _: BOOK,
    lost=(
        "Every fact here is published: what was said came back; what never was, must be done again.",
        "组织目录的事实全部对外发布：已发布的均已取回，未及发布的须重新办理。",
    ),
)


def build(service: Service[Any]) -> Plan[Any]:
    """Return the plan: one book, its facts on ``directory``, a tree that follows every page."""
    tree = Tree()
    return Plan(
        name="directory",
        decider=Decider(partial(decide, tree=tree), SHAPE),
        says=("directory",),
        router=routes(service, tree),
        books=BOOK + 1,
        follow=partial(_grow, tree),
        distance=DISTANCE,
        origin=ORIGIN,
    )


def _grow(tree: Tree, page: Page) -> None:
    """Let the exact tree follow a page."""
    for entry in page.entries:
        for event in entry.events:
            if event.topic == "directory":
                envelope = Envelope.parse(event.value)
                tree.apply(FACTS[envelope.type].read(envelope.data), envelope.sequence)
