"""What one process does about the world around it: a broker that comes back with other data."""

import asyncio
from pathlib import Path

import pytest

from services.reminders.app import build
from shared import service as service_module
from shared.relay import BrokerUnavailableError
from shared.service import BrokerReplacedError
from shared.testing.memory import MemoryBroker, MemoryOutlet
from tests.support.eventually import eventually
from tests.support.kit import NOON
from tests.support.running import Running


class Outage(MemoryOutlet):
    """A broker that is away the first time that somebody looks, and then back."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.looks = 0

    async def incarnation(self) -> str:  # type: ignore[explicit-override]  # not before 3.12
        self.looks += 1
        if self.looks == 1:
            raise BrokerUnavailableError("away")
        return self._broker.incarnation


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_process_stops_only_if_the_broker_came_back_with_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    monkeypatch.setattr(service_module, "LOOKED_EVERY", 0.0)
    running = await Running("reminders", build, tmp_path, NOON).start()
    service, outlet = running.service, Outage(running.broker)
    service.heard.incarnation = running.broker.incarnation
    service._up = True
    if is_replaced:
        running.broker.lose_everything()

    watching = asyncio.ensure_future(service._watch_broker(outlet))
    await eventually(lambda: outlet.looks >= 3)
    watching.cancel()

    assert service._stopping.is_set() is is_replaced
    assert isinstance(service._fatal, BrokerReplacedError) is is_replaced
