"""What ``verify`` found last: noted at the mark of each book, and told by whoever writes the book."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from shared import metrics
from shared.clock import to_micros
from shared.ledger import Fault
from shared.store import Store


async def note_verified(store: Store, books: int, faults: Sequence[Fault], at: datetime) -> None:
    """Note for each book when it was verified, in real time, and how many faults it has."""
    found = Counter(int(fault.page.partition("/")[0]) for fault in faults)
    moment = to_micros(at)
    await store.set_marks(
        {book: {"verified_at": moment, "faults": found[book]} for book in range(books)},
    )


async def tell_verified(service: str, store: Store, books: Collection[int]) -> None:
    """Tell when the one of these books that was verified longest ago was, and the faults of all of them."""
    marks = [await store.marks(book) for book in books]
    moment = min((mark.get("verified_at", 0) / 1e6 for mark in marks), default=math.nan)
    metrics.VERIFIED.labels(service).set(moment)
    metrics.VERIFY_FAULTS.labels(service).set(sum(mark.get("faults", 0) for mark in marks))
