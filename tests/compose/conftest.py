"""The stack, started once for all tests of this folder; nothing else may need the engine meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.secrets import make_secrets
from shared.clock import real_now
from tests.compose.engine import engine
from tests.compose.images import make_images
from tests.compose.stack import Stack, logs_of


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Make the images and start them all; take everything down with its volumes afterwards."""
    folder: Path = tmp_path_factory.mktemp("stack")
    make_secrets(folder / "secrets", real_now())
    running = Stack(folder / "secrets")
    with engine():
        make_images()
        try:
            running.compose("down", "--volumes", "--timeout", "5")
            running.start()
            running.import_tree(folder)
            yield running
        except RuntimeError as error:
            error.add_note(logs_of(running))
            raise
        finally:
            running.compose("down", "--volumes", "--timeout", "20")
