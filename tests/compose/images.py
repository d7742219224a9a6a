"""The images: ours as they are, and under the public names stand-ins for those that cannot be had here."""

import re
import shutil
from pathlib import Path

from tests.compose.engine import KEPT, run
from tests.real import broker, machine

ROOT = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).parent / "standins"
BASE = KEPT / "base"
PACKAGES = "bash,ca-certificates,netbase,python3,python3-venv"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP = Path("/etc/pip.conf")
SERVICES = ("directory", "reporting", "reminders", "inspection", "scoring")
VERSION = "0.1.0"


def public_name(image: str) -> str:
    """Return a public image with the version to which docker-compose.yml pins it."""
    found = re.search(rf"{re.escape(image)}:[\w.]+", (ROOT / "docker-compose.yml").read_text())
    if found is None:
        raise LookupError(image)
    return found[0]


def make_images() -> None:
    """Make all images; what has not changed since the last run is taken from the engine's cache."""
    _make_base()
    for service in SERVICES:
        _ours(f"zeren/{service}:{VERSION}", "service", "--build-arg", f"SERVICE={service}")
    _ours(f"zeren/setup:{VERSION}", "setup")
    _make_kafka()
    _build("mongo", public_name("mongo"), ROOT / "requirements" / "embedded.txt")
    programs = [Path(found) for name in ("prometheus", "promtool") if (found := shutil.which(name))]
    if programs:
        _build("prometheus", public_name("prom/prometheus"), *programs)


def _ours(name: str, target: str, *more: str) -> None:
    what = ("-f", str(ROOT / "deploy" / "Dockerfile"), "--target", target, *more)
    run("docker", "build", "-q", "--network", "host", *what, "-t", name, str(ROOT))


def _make_base() -> None:
    """Make the image that the Dockerfile begins with, of Debian packages and this machine's authorities."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    found = re.search(r"^ARG PYTHON=(\S+)", dockerfile, re.MULTILINE)
    if found is None:
        raise LookupError("ARG PYTHON")
    name = found[1]
    if run("docker", "images", "-q", name):
        return
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.parent.mkdir(parents=True, exist_ok=True)
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(BASE))
    (BASE / "usr/bin/python").symlink_to("python3")
    for file in (AUTHORITIES, PIP):
        if file.exists():
            shutil.copy(file, BASE / file.relative_to("/"))
    run("tar", "-C", str(BASE), "-cf", f"{BASE}.tar", ".")
    run("docker", "import", f"{BASE}.tar", name)


def _make_kafka() -> None:
    """Make a broker of Apache's own jars and this machine's Java."""
    machine.fetch_kafka()
    java = Path(shutil.which("java") or "").resolve().parents[1]
    _build("kafka", public_name("apache/kafka"), broker.JARS, java)


def _build(name: str, tag: str, *content: Path) -> None:
    """Build a stand-in in a folder of its own, with what it is made of beside its Dockerfile."""
    folder = KEPT / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(STANDINS / name, folder)
    for path in content:
        to = folder / ("java" if (path / "bin" / "java").exists() else path.name)
        if path.is_dir():
            shutil.copytree(path, to, ignore=_dangling)
        else:
            shutil.copy(path, to)
    run("docker", "build", "-q", "--network", "host", "-t", tag, str(folder))


def _dangling(folder: str, names: list[str]) -> list[str]:
    """Leave out links to nowhere and what only developers of Java need."""
    return [name for name in names if not Path(folder, name).exists() or name in {"jmods", "src.zip"}]
