"""What `make test-real` says where it cannot run."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.real import broker

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("environment", "status"), [({}, 0), ({"CI": "true"}, 1)])
def test_a_missing_java_is_said_in_both_languages_and_is_an_error_in_ci_only(
    environment: dict[str, str], status: int
) -> None:
    nothing = {"PATH": "/nowhere", **environment}
    done = subprocess.run(
        [sys.executable, "-m", "tests.real"],
        cwd=ROOT,
        env=nothing,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    kafka, ferretdb = done.stderr.splitlines()
    assert "Apache Kafka" in kafka
    assert kafka.count("java, mvn") == 2
    assert ferretdb.endswith("缺少：go")


def test_a_broker_with_a_folder_of_its_own_finds_in_it_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "formatted"
    empty.mkdir()
    (empty / "meta.properties").touch()
    monkeypatch.setattr(broker, "FORMATTED", empty)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = f"file://{tmp_path / 'kept'}"

    first = broker.prepared(engine, 9092)
    before = first.read_text()
    (tmp_path / "kept" / "storage" / "a-record").touch()

    assert broker.prepared(engine, 9092).read_text() == before
    assert (tmp_path / "kept" / "storage" / "a-record").exists()
    assert f"log.dirs={tmp_path / 'kept' / 'storage'}\n" in before
    assert broker.prepared("memory://tansu/", 9092).parent != first.parent
