"""Prometheus' own programs, which Debian's package `prometheus` brings."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules" / "zeren.yml"


def program(name: str) -> str:
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is not None:
        return found
    lacking = f"not installed (Debian: prometheus): {name} / 未安装：{name}"
    if os.environ.get("CI") == "true":
        pytest.fail(lacking)
    pytest.skip(lacking)
