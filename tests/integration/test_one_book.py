"""A service with one book hears all partitions, and its next process goes on from where it had come to."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import Envelope
from contracts.topics import PARTITIONS
from deploy.embedded import servers
from shared import ids
from shared.mongo import MongoStore, connect, disconnect
from shared.reading import pages_of
from shared.service import Service
from shared.settings import Settings
from shared.state import Inbound
from tests.support.eventually import eventually
from tests.support.process import running, settings_of
from tests.support.servers import running as running_server
from tests.support.tally import build, half_filed, names, opened
from tests.support.wire import Owner, committed_of

ONE_BOOK = partial(build, books=1)


class Listening:
    """A process of the service, and every record that it was given."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.service: Service[Any] = Service(settings, name)
        self.heard: list[tuple[str, int, int]] = []
        self._apply = self.service._apply
        self.service._apply = self.apply  # type: ignore[method-assign]

    async def apply(self, records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        """Apply records, and remember where they lay."""
        self.heard += [(r.topic, r.partition, r.offset) for r in records if r.key is not None]
        return await self._apply(records)


class Place:
    """A service's name and settings, and what its processes leave behind."""

    def __init__(self, folder: Path, broker: str, mongo_uri: str) -> None:
        self.name = f"tally-{ids.new_id()}"
        self.broker = broker
        self._settings = settings_of(Settings, folder, broker_address=broker, mongo_uri=mongo_uri)
        self.client = connect(mongo_uri)
        self._store = MongoStore(self.client, self.name)

    def process(self) -> Listening:
        """Return a new process, not started."""
        return Listening(self._settings, self.name)

    async def tallied(self) -> Counter[str]:
        """Return how often each fact was counted in the only book."""
        rows = [entry async for page in pages_of(self._store, 0) for entry in page.entries]
        events = [event for entry in rows for event in entry.events]
        return Counter(Envelope.parse(event.value).data["heard"] for event in events)

    async def is_committed(self, topic: str, offset: int) -> bool:
        """Tell whether the service would go on from this offset on every partition."""
        everywhere = dict.fromkeys(range(PARTITIONS), offset)
        return await committed_of(self.broker, self.name, topic) == everywhere


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a broker of the test's own: nobody else says a thing on its topics."""
    with running_server(servers.broker(tmp_path)) as server:
        yield server.address


@pytest.fixture
async def place(tmp_path: Path, broker: str, mongo_uri: str) -> AsyncIterator[Place]:
    place = Place(tmp_path, broker, mongo_uri)
    yield place
    await disconnect(place.client)


async def test_one_book_hears_all_partitions_and_its_next_process_goes_on_from_the_committed_offsets(
    place: Place,
) -> None:
    everywhere = [list(islice(names("x", partition), 2)) for partition in range(PARTITIONS)]
    early, late = zip(*everywhere, strict=True)
    duties, reports = Owner(place.broker, "reporting", "duties"), Owner(place.broker, "reporting", "reports")
    first, second = place.process(), place.process()

    async with running(first.service, ONE_BOOK):
        await duties.start()
        await reports.start()
        await duties.say(*map(opened, early))
        await reports.say(*map(half_filed, early))
        await eventually(lambda: place.is_committed("duties", 1))
        await eventually(lambda: place.is_committed("reports", 1))
    facts = [f"{kind}:{name}/1" for name in early for kind in ("duty", "report")]
    assert await place.tallied() == dict.fromkeys(facts, 1)

    await duties.say(*map(opened, late))
    async with running(second.service, ONE_BOOK):
        await eventually(lambda: place.is_committed("duties", 2))
    await duties.stop()
    await reports.stop()

    assert set(second.heard) == {("duties", n, 1) for n in range(PARTITIONS)}
    assert set((await place.tallied()).values()) == {1}
    assert len(await place.tallied()) == 3 * PARTITIONS
