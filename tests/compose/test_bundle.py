"""The archive installs the stack on a machine that has Docker and no network."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.stack.bundle import pack
from tests.compose.engine import COMPOSE
from tests.compose.stack import PORTS, Stack

HOST = "127.0.0.78"


@pytest.fixture(scope="module")
def unpacked(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("bundle")
    pack(folder / "zeren.tar", ["core"])
    with tarfile.open(folder / "zeren.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "zeren"


@pytest.fixture
def install(unpacked: Path) -> Iterator[list[str]]:
    """Return the installer's command; what it starts is a project of its own, taken down afterwards."""
    yield ["sh", str(unpacked / "install.sh")]
    command = [str(COMPOSE), "--profile", "core", "down", "--volumes", "--timeout", "10"]
    subprocess.run(command, cwd=unpacked, env=environment(), capture_output=True, check=True)


def environment() -> dict[str, str]:
    return {**os.environ, "COMPOSE": str(COMPOSE), "COMPOSE_PROJECT_NAME": "zeren-bundle", "ZEREN_BIND": HOST}


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def test_an_archive_with_a_changed_file_is_not_installed(install: list[str], unpacked: Path) -> None:
    file = unpacked / "docker-compose.yml"
    text = file.read_text()
    file.write_text(f"{text}\n# changed\n")
    try:
        done = run(install)
    finally:
        file.write_text(text)

    assert done.returncode != 0
    assert "docker-compose.yml" in done.stdout + done.stderr


def test_the_archive_installs_a_stack_that_becomes_ready_and_again_changes_nothing(
    install: list[str], unpacked: Path
) -> None:
    first = run(install)
    assert first.returncode == 0, first.stdout + first.stderr
    secrets = {path.name: path.read_text() for path in (unpacked / "deploy/secrets").iterdir()}

    assert run(install).returncode == 0

    assert {path.name: path.read_text() for path in (unpacked / "deploy/secrets").iterdir()} == secrets
    for port in PORTS.values():
        assert httpx.get(f"http://{HOST}:{port}/ready", timeout=10).is_success
    assert (unpacked / "images.txt").read_text().count("\n") == 8
