"""When a relay says that it has said all."""

import pytest

from contracts.envelope import Envelope
from shared import relay as relay_module
from shared.testing.memory import MemoryBroker, MemoryStore
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
