"""The servers as fixtures, each started once per run and only when a test asks for it."""

from collections.abc import Iterator, Sequence

import pytest

from deploy.embedded import servers
from tests.support.servers import running

OVER_THE_WIRE = {"integration", "system", "faults"}
"""Tests that start servers and services: they wait more than they work, and two at once would wait longer."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Where a run is spread over processes, keep the tests over the wire one after another in one of them."""
    for item in items:
        if OVER_THE_WIRE & set(item.path.parts):
            item.add_marker(pytest.mark.xdist_group("wire"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run bring a database of its own; another broker is named by CALF_TANSU_BIN (tests/real)."""
    parser.addoption("--mongo-uri", help="a database that is there, instead of the embedded one")
    parser.addoption("--draw", metavar="FOLDER", help="keep pictures of the dashboards (tests/observe)")
    parser.addoption("--shrink", type=int, default=25, help="divide what alerts wait for (1: as shipped)")


@pytest.fixture(scope="session")
def broker_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the broker and return its `host:port`."""
    with running(servers.broker(tmp_path_factory.mktemp("broker"))) as server:
        yield server.address


@pytest.fixture(scope="session")
def mongo_uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the database, unless there is one, and return its address."""
    address = request.config.getoption("--mongo-uri")
    if address:
        yield address
        return
    with running(servers.database(tmp_path_factory.mktemp("database"))) as server:
        yield servers.mongo_uri(server)
