"""Both database drivers: a module that starts services and asks for ``driver`` runs once on each."""

from collections.abc import Iterator

import pytest

from contracts.topics import TOPICS
from tests.support.servers import DRIVERS

SERVICES = {name for topic in TOPICS.values() for name in (*topic.producers, *topic.consumers)}


@pytest.fixture(scope="module", params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let every service that starts in a module use one driver, chosen as operators do."""
    with pytest.MonkeyPatch.context() as environment:
        for prefix in ("", *(f"{name.upper()}_" for name in SERVICES)):
            environment.setenv(f"{prefix}MONGO_DRIVER", request.param)
        yield request.param
