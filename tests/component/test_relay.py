"""When a relay says that it has said all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from contracts.envelope import Envelope
from shared import relay as relay_module
from shared.relay import PAGES_AT_ONCE, Outbound, Relay
from shared.tasks import end
from shared.testing.memory import MemoryBroker, MemoryStore
from tests.support.eventually import eventually
from tests.support.kit import a_book, a_relay, a_request


@pytest.mark.parametrize(
    ("pages_at", "said_at"),
    [
        ([], [0.0, 1.0, 2.0]),
        ([0.5], [0.0, 0.6, 1.6, 2.6]),
        ([0.5, 0.55, 0.6], [0.0, 0.7, 1.7]),
        ([n / 20 for n in range(1, 50)], [0.0, 1.0, 2.0, 2.55]),
    ],
    ids=["nothing to say", "one page", "a burst", "without a break"],
)
async def test_said_comes_soon_after_the_last_page_of_a_burst_and_else_every_so_often(
    monkeypatch: pytest.MonkeyPatch, pages_at: list[float], said_at: list[float]
) -> None:
    """Each Said is a record on every partition: a steady stream of pages does not multiply it."""
    now = 100.0
    monkeypatch.setattr(relay_module, "monotonic", lambda: now)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    relay = a_relay(book, store, broker)
    found: list[float] = []

    def saids() -> int:
        return sum(Envelope.parse(r.value).type == "b.said.v1" for log in broker.logs.values() for r in log)

    for step in range(265):
        now = 100.0 + step / 100
        if any(abs(page - step / 100) < 0.001 for page in pages_at):
            await book.handle([a_request(cause=f"ask-{step}")])
        while await relay.say_pages():
            pass
        before = saids()
        await relay.say_said_if_due()
        if saids() > before:
            found.append(step / 100)

    assert found == pytest.approx(said_at, abs=0.011)


@asynccontextmanager
async def counted(relay: Relay) -> AsyncIterator[list[int]]:
    """Let a relay run, and count what it says at once."""
    sent: list[int] = []
    say = relay._outlet.send

    async def send(records: Sequence[Outbound]) -> None:
        facts = sum(record.key is not None for record in records)
        if facts:
            sent.append(facts)
        await say(records)

    relay._outlet.send = send  # type: ignore[method-assign]
    running = asyncio.ensure_future(relay.run())
    try:
        yield sent
    finally:
        await end([running])


async def test_pages_that_come_while_others_are_said_are_said_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "GATHERED", 0.5)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    for n in range(PAGES_AT_ONCE + 1):
        await book.handle([a_request(cause=f"before-{n}")])
    async with counted(a_relay(book, store, broker)) as sent:
        await eventually(lambda: sent, every=0.0)
        for n in range(3):
            await book.handle([a_request(cause=f"meanwhile-{n}")])
            await asyncio.sleep(0.01)
        await eventually(lambda: book.said == book.head)

    # The page that the writer begins with holds nothing to say.
    assert sent == [PAGES_AT_ONCE - 1, 5]


async def test_a_relay_that_is_a_long_way_behind_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "GATHERED", 60.0)
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    for n in range(3 * PAGES_AT_ONCE):
        await book.handle([a_request(cause=f"ask-{n}")])
    async with counted(a_relay(book, store, broker)) as sent:
        await eventually(lambda: sum(sent) >= 3 * PAGES_AT_ONCE - 1)
