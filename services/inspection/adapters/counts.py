"""Counts what became of proposals, inspections and findings, once it was said."""

from collections.abc import Sequence
from typing import Any

from services.inspection.metrics import FACTS
from shared.book import Book
from shared.ledger import Page


async def count(_: Book[Any], pages: Sequence[Page]) -> None:
    """Count the facts of pages on the topic ``inspections``; what is said again counts again."""
    for page in pages:
        for entry in page.entries:
            for event in entry.events:
                if event.topic == "inspections":
                    FACTS.labels(event.type).inc()
