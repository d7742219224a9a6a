"""Plant each fault in a copy of the tree; its tests must catch it within seconds."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.clock import monotonic
from tests.mutants.faults import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("contracts", "shared", "services", "deploy", "tests", "pyproject.toml")
SECONDS = 60
UNBROKEN = ""
"""The path of no fault: its tests must pass, or they would catch anything."""


def plant(mutant: Mutant, where: Path) -> None:
    """Copy the tree and put the fault in; raise if the place is not found exactly once."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, where / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, where / name)
    if mutant.path == UNBROKEN:
        return
    path = where / mutant.path
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise LookupError(f"found {text.count(mutant.old)} times in {mutant.path}")
    path.write_text(text.replace(mutant.old, mutant.new))


def run(mutant: Mutant) -> tuple[str, str, float]:
    """Return the mutant's name, what became of it, and in how many seconds."""
    started = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            plant(mutant, Path(folder))
        except LookupError as error:
            return mutant.name, f"NOT PLANTED: {error}", 0.0
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, timeout=SECONDS, check=False, text=True
            )
        except subprocess.TimeoutExpired:
            return mutant.name, "caught (it hangs)", monotonic() - started
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    match done.returncode:
        case 0:
            return mutant.name, "SURVIVED", monotonic() - started
        case 1 if failed:
            return mutant.name, f"caught by {failed[0].split('::')[-1][:70]}", monotonic() - started
        case code:
            return mutant.name, f"NOT RUN: pytest said {code}", monotonic() - started


def main() -> int:
    """Plant every fault in turn; return 1 if one is not caught, or if tests fail without one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose name holds one of these")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, help="how many at once")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.words or any(word in m.name for word in options.words)]
    bad = 0
    with ThreadPoolExecutor(options.j) as pool:
        unbroken = [Mutant("nothing", UNBROKEN, "", "", tests) for tests in {m.tests: None for m in chosen}]
        for mutant, (_, fate, _) in zip(unbroken, pool.map(run, unbroken), strict=True):
            if fate != "SURVIVED":
                print(f"with nothing broken, {' '.join(mutant.tests)}: {fate}")
                return 1
        for name, fate, seconds in pool.map(run, chosen):
            bad += not fate.startswith("caught")
            print(f"{seconds:5.1f} s  {name}: {fate}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} caught")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
