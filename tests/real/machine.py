"""What the machine has, and what is fetched with it into `.real/`: Kafka's jars, two other databases."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.real import broker

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
FERRETDB = broker.FETCHED.parent / "ferretdb"
SECANTUSD = broker.FETCHED.parent / "secantusd"
SECANTUSD_CRATE = HERE / "secantusd.crate"
CLUSTER = "emVyZW4tdGVzdC1jbHVzdA"
JAVA = 17


def lacks(*programs: str) -> list[str]:
    """Return which of these programs are not there, or are too old."""
    absent = [program for program in programs if shutil.which(program) is None]
    if "java" in programs and "java" not in absent and java_version() < JAVA:
        absent.append(f"java >= {JAVA}")
    return absent


def java_version() -> int:
    """Return the feature release of the Java on the path, 0 if it does not tell."""
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


def fetch_kafka() -> None:
    """Fetch the jars that the pom names and format an empty storage, unless both are there."""
    _made_from([POM], broker.FETCHED, _make_kafka)


def _make_kafka(folder: Path) -> None:
    # The goal is named in full, as its short name would ask for the newest plugin at each run.
    goal = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
    options = ["-q", "-B", "-f", str(POM), "-DincludeScope=runtime", f"-DoutputDirectory={broker.JARS}"]
    _run("mvn", *options, goal)
    file = folder / "format.properties"
    broker.write(file, broker.settings(broker.FORMATTED, 9092, 9093))
    _run(*broker.java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(file)))


def fetch_ferretdb() -> None:
    """Build the database from the modules that go.sum pins, unless it is there."""
    source = HERE / "ferretdb"
    _made_from(
        [source / "main.go", source / "go.sum"],
        FERRETDB,
        lambda folder: _run("go", "build", "-o", str(folder / "server"), ".", cwd=source),
    )


def fetch_secantusd() -> Path:
    """Build the embedded database's own server in Rust, unless it is there; return its program."""
    crate = SECANTUSD_CRATE.read_text().strip()
    # Its crate asks for a newer compiler than it needs.
    options = ["--locked", "--ignore-rust-version", "--quiet"]
    _made_from(
        [SECANTUSD_CRATE],
        SECANTUSD,
        lambda folder: _run("cargo", "install", crate, *options, "--root", str(folder)),
    )
    return SECANTUSD / "bin" / "secantusd-rs"


def _made_from(sources: Sequence[Path], folder: Path, make: Callable[[Path], None]) -> None:
    """Make a folder anew if it was made from something else than *sources*, or not to its end."""
    stamp, wanted = folder / "made-from", "".join(source.read_text() for source in sources)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make(folder)
    stamp.write_text(wanted)


def _run(*command: str, cwd: Path | None = None) -> None:
    """Run a command and show what it says only if it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}")
