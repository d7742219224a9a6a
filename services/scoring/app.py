"""What scoring is made of: the table of contents."""

from typing import Any

from pydantic import TypeAdapter

from contracts.topics import PARTITIONS
from services.scoring.adapters.sums import VIEWS, Sums
from services.scoring.domain.decide import decide, evolve
from services.scoring.domain.model import FACTS, State, initial, wake_at
from services.scoring.domain.view import view
from services.scoring.entrypoints.hearing import Hearing
from services.scoring.entrypoints.http import routes
from services.scoring.entrypoints.origin import ORIGIN
from services.scoring.entrypoints.timer import Judge
from services.scoring.entrypoints.topics import on_duty_event, row_of
from services.scoring.settings import ScoringSettings
from shared.decider import Decider
from shared.service import Plan, Service
from shared.state import Shape

SHAPE: Shape[State] = Shape(
    initial=initial, evolve=evolve, adapter=TypeAdapter(State), facts=FACTS, wake_at=wake_at, view=view
)


def build(service: Service[Any]) -> Plan[Any]:
    """Return the plan: a row per duty, in the book of its partition, and one stream that judges heat."""
    settings = service.settings
    own = settings if isinstance(settings, ScoringSettings) else ScoringSettings()
    hearing, sums = Hearing(service), Sums(service.store, service.tree, SHAPE)
    return Plan(
        name="scoring",
        decider=Decider(decide, SHAPE),
        says=("scores",),
        hears={"duties": on_duty_event},
        stream_of=row_of,
        reads_directory=True,
        wake=Judge(service, hearing, sums).wake,
        on_said=hearing.note,
        router=routes(service, hearing, sums),
        books=PARTITIONS,
        distance=own.distance,
        views=VIEWS,
        origin=ORIGIN,
    )
