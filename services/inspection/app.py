"""What inspection is made of: the table of contents."""

from typing import Any

from pydantic import TypeAdapter

from services.inspection.domain.decide import decide
from services.inspection.domain.dossier import Dossier, view
from services.inspection.domain.evolve import evolve
from services.inspection.domain.model import FACTS
from services.inspection.entrypoints.http import routes
from services.inspection.entrypoints.origin import ORIGIN
from services.inspection.entrypoints.topics import on_escalation_event
from shared.decider import Decider
from shared.service import Plan, Service
from shared.state import Shape
from shared.workdays import Calendar

SHAPE: Shape[Dossier] = Shape(
    initial=Dossier, evolve=evolve, adapter=TypeAdapter(Dossier), facts=FACTS, view=view
)


def build(service: Service[Any]) -> Plan[Any]:
    """Return the plan: a dossier per unit, all in one book, because a unit's misses lie in any partition."""
    return Plan(
        name="inspection",
        decider=Decider(decide, SHAPE),
        says=("inspections", "duties"),
        hears={"escalations": on_escalation_event},
        reads_directory=True,
        router=routes(service, SHAPE, Calendar()),
        books=1,
        origin=ORIGIN,
        views=([("view.unit", 1)], [("view.is_pending", 1), ("view.unit", 1)]),
    )
