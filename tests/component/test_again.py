"""An operator lets a service say its books again, and only while nobody writes them."""

from contracts.envelope import Envelope
from shared.again import take_back, writers
from shared.testing.memory import MemoryBroker, MemoryStore
from tests.support.kit import a_book, a_relay, a_request


class OwnedStore(MemoryStore):
    """Book 0 is written at one address, book 1 at another, the others by nobody."""

    async def owner(self, book: int) -> str | None:
        return {0: "here:1", 1: "there:2"}.get(book)


def said_on(broker: MemoryBroker) -> list[str]:
    return [Envelope.parse(record.value).id for log in broker.logs.values() for record in log if record.key]


async def test_a_service_whose_marks_were_taken_back_says_every_page_again_at_its_next_start() -> None:
    store, broker = MemoryStore(), MemoryBroker(1)
    book = await a_book(store)
    for n in range(3):
        await book.handle([a_request(cause=f"ask-{n}")])
    await a_relay(book, store, broker).drain()
    (once, head) = said_on(broker), book.head
    await book.close()

    assert await take_back(store, [0, 1]) == {0: head}
    again = await a_book(store)
    await a_relay(again, store, broker).drain()

    assert len(once) == 3
    assert said_on(broker) == once * 2
    assert (await store.marks(1)) == {}
    assert (await store.marks(0))["said"] == again.head


async def test_a_book_that_somebody_writes_who_answers_is_not_said_again() -> None:
    async def answers(address: str) -> bool:
        return address == "there:2"

    store = OwnedStore()
    assert await writers(store, [0, 1, 2], answers) == ["there:2"]
    assert await writers(store, [0, 2], answers) == []
