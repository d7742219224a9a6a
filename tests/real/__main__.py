"""Run the tests over the wire on Apache Kafka, then the store's on FerretDB; arguments go to the former."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.embedded.servers import HOST, MONGO_GREETING, Server, free_port, mongo_uri
from tests.real import broker, machine
from tests.support.servers import running

STORE = "tests/integration/test_store.py"
ON_KAFKA = (
    *("tests/integration", "tests/system", "tests/faults/test_faults.py", "tests/real"),
    # These meet the database only.
    *(f"--ignore={file}" for file in (STORE, "tests/integration/test_indexes.py")),
    # One driver is enough to see the broker.
    *("-k", "not pymongo"),
)
UNSERVED = (
    "test_a_state_is_written_over_an_older_one_only_within_one_batch",
    "test_sums_of_states_are_grouped_by_a_field_and_what_is_not_asked_for_is_left_out",
)
"""What FerretDB does otherwise than MongoDB: docs/platform.md."""
ON_FERRETDB = (STORE, "-k", "not memory", *(f"--deselect={STORE}::{name}" for name in UNSERVED))
MISSING = "not run on {part}, as this is not installed: {lacks} / 未在 {part} 上测试，缺少：{lacks}"


def pytest(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run tests in a process of their own and return its exit status."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def on_kafka(arguments: Sequence[str]) -> int:
    """Run tests on Kafka: all that meet it, or those that are named."""
    machine.fetch_kafka()
    is_named = any(Path(argument.partition("::")[0]).exists() for argument in arguments)
    chosen = arguments if is_named else [*ON_KAFKA, *arguments]
    # The brokers' data go with the run; what pytest keeps, the logs with it, stays where it is looked for.
    with tempfile.TemporaryDirectory(prefix="zeren-") as folder:
        kept = {"PYTEST_DEBUG_TEMPROOT": tempfile.gettempdir()}
        return pytest(chosen, {"CALF_TANSU_BIN": str(Path(broker.__file__)), "TMPDIR": folder, **kept})


def on_ferretdb() -> int:
    """Run the tests of the store on FerretDB."""
    machine.fetch_ferretdb()
    with tempfile.TemporaryDirectory(prefix="zeren-") as folder:
        port, data = free_port(), Path(folder) / "data"
        data.mkdir()
        command = [str(machine.FERRETDB / "server"), f"{HOST}:{port}", str(data)]
        server = Server("ferretdb", port, command, MONGO_GREETING, Path(folder) / "log")
        with running(server):
            return pytest([*ON_FERRETDB, f"--mongo-uri={mongo_uri(server)}"], {})


def attempt(part: str, needs: Sequence[str], run: Callable[[], int]) -> int:
    """Run a part if the machine has what it needs; that it has not is an error in CI only."""
    lacks = machine.lacks(*needs)
    if not lacks:
        return run()
    print(MISSING.format(part=part, lacks=", ".join(lacks)), file=sys.stderr)
    return int(os.environ.get("CI") == "true")


def main(arguments: Sequence[str]) -> int:
    """Run both parts, or Kafka's alone with arguments for pytest; return the worst exit status."""
    statuses = [attempt("Apache Kafka", ("java", "mvn"), lambda: on_kafka(arguments))]
    if not arguments:
        statuses.append(attempt("FerretDB", ("go",), on_ferretdb))
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
