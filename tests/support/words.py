"""A unit of which people wrote much: every word of theirs bears a mark, so that it can be looked for."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.duties import Line
from contracts.escalations import DutyMissed
from contracts.topics import PARTITIONS
from services.inspection.app import build
from shared.erasing import Ground, Wish
from shared.erasing import erase as erase_in
from shared.erasure import Found
from shared.ids import partition_of
from shared.state import Inbound
from tests.support.reminders import a_village, at
from tests.support.running import Running

NOW = at("2026-04-29 10:00")
MARK = "王小明"
FIRST, SECOND = "village.special.1", "village.special.2"
WISH = Wish("village", "clerk-7", Ground.REQUEST, "R-2026/17")


def a_miss(n: int) -> DutyMissed:
    """Return the n-th miss of the village."""
    return DutyMissed(
        duty=f"duty-{n}",
        unit="village",
        kind="lesson",
        line=Line.MAIN,
        recipient="town",
        period="2026",
        due_at=at("2026-02-01 00:00") + timedelta(days=n),
    )


def garbage(key: str, offset: int, topic: str = "escalations") -> Inbound:
    """Return a record that is no fact and speaks of somebody."""
    value = f'{{"id": "x", "time": "{MARK} was seen"}}'.encode()
    return Inbound(topic, partition_of(key, PARTITIONS), offset, key.encode(), value)


async def does(running: Running, path: str, by: str = "inspector", **body: Any) -> Any:
    """Let an inspector, or the unit itself, do something about the village."""
    unit = "town" if by == "inspector" else "village"
    answer = await running.post(f"/v1/units/village/{path}", by, unit=unit, json=body)
    assert answer.is_success, answer.text
    await running.says()
    return answer.json()


async def written(tmp_path: Path) -> Running:
    """Return inspection after people wrote wherever they can; dead letters lie beside and on the village."""
    running = await Running("inspection", build, tmp_path, NOW).start()
    await running.hears(*a_village().facts)
    await running.hears(*map(a_miss, range(3)))
    await does(running, f"inspections/{FIRST}/dismissal", reason=f"{MARK} is ill")
    await running.hears(*map(a_miss, range(3, 6)))
    await does(running, f"inspections/{SECOND}/opening")
    for n in (1, 2):
        text = f"{n}: {MARK} kept no minutes"
        await does(running, f"inspections/{SECOND}/findings", line="main", text=text)
    one, two = (f"findings/{SECOND}.{n}" for n in (1, 2))
    await does(running, f"{one}/rectifications", "filer", text=f"{MARK} writes minutes")
    await does(running, f"{one}/return", reason=f"{MARK} did not")
    await does(running, f"{one}/rectifications", "filer", text=f"{MARK} does now")
    await does(running, f"{one}/closing", outcome="verified", reason=f"thanks to {MARK}")
    await does(running, f"{two}/closing", outcome="dismissed", reason=f"{MARK} has left")
    await running.hears_again([garbage(f"escalation:{MARK}", 900)])
    await running.says()
    return running


async def parked(running: Running) -> str:
    """Let a record with words be parked on the village's own stream; return why the service said it was."""
    book = running.service.books[0]
    request = running.service.intake._park(garbage("escalation:village", 901), "it cannot be read")
    await book.handle([request._replace(stream="village")])
    await running.says()
    return (await book.parked("village"))[0].reason


async def erase(running: Running, wish: Wish = WISH) -> Found:
    """Erase in what a stopped replica has left."""
    service = running.service
    store: Any = service.store
    for book in list(service.opened()):
        await book.close()
    return await erase_in(store, service.make_book(0), running.plan.decider.shape, wish)
