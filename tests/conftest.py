"""The embedded servers as fixtures, each started once per run and only when a test asks for it."""

from collections.abc import Iterator

import pytest

from deploy.embedded import servers
from tests.support.servers import running


@pytest.fixture(scope="session")
def broker_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the broker and return its `host:port`."""
    with running(servers.broker(tmp_path_factory.mktemp("broker"))) as server:
        yield server.address


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the database and return its address."""
    with running(servers.database(tmp_path_factory.mktemp("database"))) as server:
        yield servers.mongo_uri(server)
