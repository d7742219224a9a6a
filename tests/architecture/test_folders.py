"""Every folder of tests is run by ``make test``, or by a command of its own."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
APART = {"compose", "real"}
"""``make compose-test`` and ``make test-real``."""


def test_no_folder_of_tests_is_forgotten() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    run = {Path(path).parts[1] for path in options["testpaths"]}
    there = {path.parent.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert there - APART == run
