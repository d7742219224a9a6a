"""Time in: a schedule's year opens of itself, and opens every report of its subtree."""

from collections.abc import Sequence
from typing import Any

from contracts.topics import PARTITIONS
from services.reporting.domain.model import OpenReport, OpenYear, Schedule
from services.reporting.domain.opening import opening
from shared.book import Book
from shared.decider import Request
from shared.ids import book_of
from shared.service import Service

BOOKS = PARTITIONS
OPENED_AT_ONCE = 500


def affinity(stream: str) -> int:
    """Return the book of a report or schedule: a report shares one page with its duties."""
    return book_of(stream, BOOKS)


async def open_reports(service: Service[Any], wishes: Sequence[OpenReport], cause: str) -> int:
    """Open reports, a batch for each book at a time; return how many were new."""
    batches: dict[int, list[Request]] = {}
    new = 0
    for wish in wishes:
        book = affinity(wish.report)
        batches.setdefault(book, []).append(Request(wish.report, wish, cause, wish.report))
        if len(batches[book]) == OPENED_AT_ONCE:
            new += await _decide(service, book, batches.pop(book))
    for book, requests in batches.items():
        new += await _decide(service, book, requests)
    return new


async def _decide(service: Service[Any], book: int, requests: Sequence[Request]) -> int:
    outcomes = await service.decide(book, requests)
    return sum(outcome.result == "applied" for outcome in outcomes)


class Opening:
    """Opens the rounds whose moment has come, once the tree is read beyond that moment."""

    def __init__(self, service: Service[Any]) -> None:
        self._service = service

    async def wake(self, book: Book[Any], streams: Sequence[str]) -> list[str]:
        """Open each schedule's year; return the schedules that must wait for the directory."""
        return [stream for stream in streams if not await self._open(book, stream)]

    async def _open(self, book: Book[Any], stream: str) -> bool:
        schedule = await book.peek(stream)
        now = self._service.clock.now()
        if (
            not isinstance(schedule, Schedule)
            or not schedule.kind
            or schedule.is_over
            or now < schedule.opens_at(schedule.next_year)
        ):
            return True
        heard = self._service.heard.through_all("directory", PARTITIONS, "/zeren/directory")
        if heard is None or heard <= schedule.opens_at(schedule.next_year):
            return False
        year = schedule.next_year
        cause = f"time:{stream}/{year}"
        if schedule.root in self._service.tree.units:
            await open_reports(self._service, list(opening(self._service.tree, schedule, year)), cause)
        await self._service.decide(book.number, [Request(stream, OpenYear(year), cause)])
        return True
