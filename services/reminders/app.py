"""What reminders is made of: the table of contents."""

from functools import partial
from typing import Any

from pydantic import TypeAdapter

from contracts.topics import PARTITIONS
from services.reminders.adapters.notices import NoticeList
from services.reminders.adapters.tally import VIEWS, Tally, view
from services.reminders.domain.decide import decide
from services.reminders.domain.evolve import evolve, wake_at
from services.reminders.domain.model import FACTS, Watch
from services.reminders.entrypoints.http import routes
from services.reminders.entrypoints.origin import ORIGIN
from services.reminders.entrypoints.timer import Gate, ahead, brief
from services.reminders.entrypoints.topics import on_duty_event, watch_of
from services.reminders.settings import RemindersSettings
from shared.clock import to_micros
from shared.decider import Decider
from shared.service import Plan, Service
from shared.state import Shape
from shared.workdays import Calendar


def _wake_micros(watch: Watch) -> int | None:
    moment = wake_at(watch)
    return None if moment is None else to_micros(moment)


SHAPE: Shape[Watch] = Shape(
    initial=Watch, evolve=evolve, adapter=TypeAdapter(Watch), facts=FACTS, wake_at=_wake_micros, view=view
)


def build(service: Service[Any]) -> Plan[Any]:
    """Return the plan: a watch per duty, in the book of its partition; the ladder is ``domain/ladder.py``."""
    settings = service.settings
    own = settings if isinstance(settings, RemindersSettings) else RemindersSettings()
    calendar, notices = Calendar(), NoticeList(service)
    return Plan(
        name="reminders",
        decider=Decider(
            partial(decide, tree=service.tree, workdays=calendar),
            SHAPE,
            brief,
            partial(ahead, tree=service.tree, workdays=calendar),
        ),
        says=("reminders", "escalations"),
        hears={"duties": on_duty_event},
        stream_of=watch_of,
        reads_directory=True,
        wake=Gate(service, calendar, own.patience).wake,
        tell=notices.tell,
        on_start=notices.make_indexes,
        count=Tally(service, calendar).count,
        views=VIEWS,
        router=routes(service, notices.read, calendar),
        books=PARTITIONS,
        distance=own.distance,
        origin=ORIGIN,
        unit_of=lambda watch: watch.opened.unit if watch.opened else "",
    )
