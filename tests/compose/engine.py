"""Docker as the machine has it: an engine, started by hand where none runs, and compose from its wheel."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.clock import monotonic

KEPT = Path(__file__).resolve().parents[2] / ".real" / "compose"
"""Images and bases are made once."""
COMPOSE = Path(sys.executable).parent / "docker-compose"
NEEDED = ("docker", "dockerd", "debootstrap", "java", "mvn")
STARTS_WITHIN = 60.0


def run(*command: str, more: Mapping[str, str] | None = None, within: float = 900.0) -> str:
    """Return what a command prints; raise with all of it if the command fails."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "0", **(more or {})}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=within
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def is_up() -> bool:
    """Tell whether an engine answers."""
    done = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return done.returncode == 0


@contextmanager
def engine() -> Iterator[None]:
    """Use the engine that runs, or one of our own that ends with the block."""
    if is_up():
        yield
        return
    if lacks := [program for program in NEEDED if shutil.which(program) is None]:
        raise RuntimeError(f"not installed: {', '.join(lacks)} / 未安装：{', '.join(lacks)}")
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "dockerd.log").open("ab") as log:
        command = ["dockerd", "--data-root", str(KEPT / "docker")]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(daemon)
            yield
        finally:
            daemon.terminate()
            daemon.wait(60)


def _wait(daemon: subprocess.Popen[bytes]) -> None:
    until = monotonic() + STARTS_WITHIN
    while not is_up():
        if daemon.poll() is not None or monotonic() > until:
            raise RuntimeError(f"the engine did not start, see {KEPT / 'dockerd.log'}")
