"""What reporting is made of: the table of contents."""

from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter

from services.reporting.domain.decide import decide, evolve
from services.reporting.domain.model import FACTS, State, initial, view, wake_at
from services.reporting.entrypoints import duties, http
from services.reporting.entrypoints.origin import ORIGIN
from services.reporting.entrypoints.timer import BOOKS, Opening
from services.reporting.entrypoints.topics import DutiesIn
from shared.decider import Decider
from shared.service import Plan, Service
from shared.state import Shape

SHAPE: Shape[State] = Shape(
    initial=initial, evolve=evolve, adapter=TypeAdapter(State), facts=FACTS, wake_at=wake_at, view=view
)


def build(service: Service[Any]) -> Plan[Any]:
    """Return the plan: reports in books by their own id, foreign duties in that of their partition."""
    router = APIRouter()
    router.include_router(http.routes(service, SHAPE))
    router.include_router(duties.routes(service))
    return Plan(
        name="reporting",
        decider=Decider(decide, SHAPE),
        says=("duties", "reports"),
        hears={"duties-in": DutiesIn(service).on_duty_in_event},
        router=router,
        books=BOOKS,
        reads_directory=True,
        wake=Opening(service).wake,
        origin=ORIGIN,
        views=([("view.unit", 1), ("view.period", 1)],),
    )
