"""The programs of Prometheus and Alertmanager, as Debian brings them, and where what they read is."""

import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules" / "zeren.yml"


def program(name: str, package: str = "prometheus") -> str:
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    found = shutil.which(name) or shutil.which(f"prometheus-{name}")
    if found is not None:
        return found
    lacking = f"not installed (Debian: {package}): {name} / 未安装：{name}"
    if os.environ.get("CI") == "true":
        pytest.fail(lacking)
    pytest.skip(lacking)


def anchors(markdown: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
