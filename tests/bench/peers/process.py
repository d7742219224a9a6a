"""A contestant's process: ``python -m tests.bench.peers.process MODULE load|work DAY``."""

import inspect
import json
import sys
from importlib import import_module

import uvloop

from tests.bench.peers.contestant import Day


def main(module: str, task: str, day: str) -> None:
    """Let a module of this package do a task of the day."""
    doing = getattr(import_module(f"tests.bench.peers.{module}"), task)(Day(**json.loads(day)))
    if inspect.iscoroutine(doing):
        uvloop.run(doing)


if __name__ == "__main__":
    main(*sys.argv[1:])
