"""Services over the wire are tested on both drivers of the database."""

from collections.abc import Iterator

import pytest

from tests.support.process import Chosen


@pytest.fixture(scope="module", params=["motor", "pymongo"])
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let services that start from now on use one of the drivers."""
    Chosen.driver = request.param
    yield request.param
    Chosen.driver = "motor"
