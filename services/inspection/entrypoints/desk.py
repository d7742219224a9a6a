"""What every route needs: who may do it, on which dossier, and until when."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contracts.personal import shown
from services.inspection.domain.dossier import Dossier, Finding, Inspection
from services.inspection.domain.model import Command
from shared import ids
from shared.access import Identity
from shared.clock import MICROSECOND
from shared.decider import Outcome, Request
from shared.http import ProblemError, require
from shared.service import Service
from shared.workdays import Calendar

BOOK = 0
"""There is one: every fact about a unit is decided on one stream, whatever partition it is heard on."""
DAY = timedelta(days=1)


class Desk:
    """The service as the routes see it."""

    def __init__(self, service: Service[Any], calendar: Calendar) -> None:
        self.service = service
        self._calendar = calendar

    async def dossier(self, unit: str) -> Dossier:
        """Return what is kept of a unit, empty if nothing is."""
        book = self.service.books.get(BOOK)
        state: Dossier = await book.peek(unit) if book is not None else await self.service.read(unit)
        return state

    async def inspection(self, unit: str, inspection: str) -> Inspection:
        """Return an inspection of a unit, or say that there is none."""
        found = (await self.dossier(unit)).find(inspection)
        if found is None:
            reason, reason_zh = (
                f"There is no inspection {shown(inspection)} of {shown(unit)}.",
                f"{shown(unit)} 没有检查 {shown(inspection)}。",
            )
            raise ProblemError(404, "unknown_inspection", reason, reason_zh)
        return found

    async def finding(self, unit: str, finding: str) -> tuple[Inspection, Finding]:
        """Return a finding about a unit and its inspection, or say that there is none."""
        found = (await self.dossier(unit)).find_finding(finding)
        if found is None:
            reason, reason_zh = (
                f"There is no finding {shown(finding)} of {shown(unit)}.",
                f"{shown(unit)} 没有发现问题 {shown(finding)}。",
            )
            raise ProblemError(404, "unknown_finding", reason, reason_zh)
        return found

    async def decide(self, unit: str, wish: Command, caller: Identity) -> Outcome:
        """Decide a wish on the dossier of a unit."""
        cause = f"request:{caller.sub}/{ids.new_id()}"
        (outcome,) = await self.service.decide(BOOK, [Request(unit, wish, cause, unit)])
        return outcome

    # -- who may ----------------------------------------------------------------------------------

    def known(self, unit: str, root: str) -> None:
        """Refuse a unit that does not exist or lies outside a subtree, alike."""
        if unit not in self.service.tree.units or not self.service.tree.is_within(unit, root):
            reason, reason_zh = (
                f"There is no unit {shown(unit)} in your subtree.",
                f"管辖范围内没有单位 {shown(unit)}。",
            )
            raise ProblemError(404, "unknown_unit", reason, reason_zh)

    def is_above(self, unit: str, other: str) -> bool:
        """Tell whether a unit stands above another; a committee of the same level does not."""
        tree = self.service.tree
        return tree.is_within(other, unit) and tree.committee_of(other) != tree.committee_of(unit)

    def superior(self, unit: str, caller: Identity) -> None:
        """Refuse all but an inspector from above: nobody decides on his own unit."""
        require(caller.has("inspector"), "only an inspector may", "仅限巡察监督人员")
        self.known(unit, caller.unit)
        require(self.is_above(caller.unit, unit), "nobody decides on his own unit", "不得对本单位作出决定")

    def bearer(self, unit: str, caller: Identity) -> None:
        """Refuse all but who may file for the unit."""
        require(caller.has("filer"), "this token may not submit", "该令牌无权提交")
        self.known(unit, caller.unit)

    def reader(self, unit: str, caller: Identity) -> None:
        """Refuse all but inspectors and filers of the subtree."""
        is_reader = caller.has("inspector") or caller.has("filer")
        require(is_reader, "only an inspector or a filer may read", "仅限巡察监督人员或填报人员查看")
        self.known(unit, caller.unit)

    def sees_all(self, unit: str, caller: Identity) -> bool:
        """Tell whether proposals are shown as well: to an inspector from above, not to the unit itself."""
        return caller.has("inspector") and self.is_above(caller.unit, unit)

    def inspector(self, unit: str, wanted: str | None, caller: Identity) -> str:
        """Return the unit that inspects: the wanted one, or the nearest superior discipline committee."""
        if wanted is None:
            return self._nearest(unit)
        self.known(wanted, caller.unit)
        if not self.is_above(wanted, unit):
            reason, reason_zh = f"{wanted} does not stand above {unit}.", f"{wanted} 不是 {unit} 的上级单位。"
            raise ProblemError(409, "not_above", reason, reason_zh)
        return wanted

    def _nearest(self, unit: str) -> str:
        tree = self.service.tree
        above = tree.superior(tree.committee_of(unit))
        while above is not None:
            discipline = tree.discipline_of(above)
            if discipline is not None and not tree.units[discipline].is_closed:
                return discipline
            above = tree.superior(above)
        reason, reason_zh = f"No discipline committee stands above {unit}.", f"{unit} 没有上级纪检机构。"
        raise ProblemError(409, "no_inspector", reason, reason_zh)

    # -- until when -------------------------------------------------------------------------------

    def local(self, moment: datetime, unit: str) -> datetime:
        """Return a moment in the zone of a unit."""
        return moment.astimezone(self._zone(unit))

    def in_days(self, days: int, unit: str) -> datetime:
        """Return 24:00 of the n-th calendar day after today, in the zone of a unit."""
        zone = self._zone(unit)
        today = self.service.clock.now().astimezone(zone).date()
        return datetime.combine(today + (days + 1) * DAY, time(), zone)

    def in_working_days(self, days: int, unit: str) -> datetime:
        """Return 24:00 of the n-th working day after today, in the zone of a unit."""
        zone = self._zone(unit)
        # A moment later, because the calendar counts midnight itself to the day that it ends.
        now = self.service.clock.now() + MICROSECOND
        day = self._calendar.after(now, days, time(12), zone.key).astimezone(zone).date()
        return datetime.combine(day + DAY, time(), zone)

    def _zone(self, unit: str) -> ZoneInfo:
        return ZoneInfo(self.service.tree.units[unit].zone)
