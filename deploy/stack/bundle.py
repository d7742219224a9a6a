"""``make bundle``: one archive with everything that a machine without network needs to run the stack."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", ".env.example", "deploy/README.md", "LICENSE")
FOLDERS = ("deploy/kafka", "deploy/prometheus", "deploy/alertmanager", "deploy/grafana")
INSTALLER = Path(__file__).with_name("install.sh")
COMPOSE = (str(Path(sys.executable).parent / "docker-compose"), "--project-directory", str(ROOT))
PROFILES = ("core", "observe")
SUMS = "SHA256SUMS"


def run(*command: str) -> str:
    """Return what a command prints; its errors go to the terminal."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def images(profiles: Sequence[str]) -> list[str]:
    """Return the images that these profiles run, each once."""
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    return sorted(set(run(*COMPOSE, *chosen, "config", "--images").split()))


def pack(target: Path, profiles: Sequence[str]) -> None:
    """Write the archive: images, files, a list of both with checksums, and the installer."""
    with tempfile.TemporaryDirectory(dir=target.parent) as where:
        folder = Path(where) / target.stem
        folder.mkdir()
        names = images(profiles)
        run("docker", "save", "--output", str(folder / "images.tar"), *names)
        ids = (run("docker", "image", "inspect", "--format", "{{.Id}}", name).strip() for name in names)
        (folder / "images.txt").write_text("".join(f"{a} {b}\n" for a, b in zip(names, ids, strict=True)))
        (folder / "profiles").write_text(" ".join(profiles) + "\n")
        _copy(folder)
        (folder / SUMS).write_text("".join(_sums(folder)))
        with tarfile.open(target, "w") as archive:
            archive.add(folder, folder.name)


def _copy(folder: Path) -> None:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in FOLDERS:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, folder / name)
    shutil.copy(INSTALLER, folder / INSTALLER.name)


def _sums(folder: Path) -> list[str]:
    """Return the lines that ``sha256sum --check`` reads."""
    lines = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        lines.append(f"{digest}  {file.relative_to(folder)}\n")
    return lines


def main(
    *,
    target: Annotated[Path, typer.Option(help="the archive / 归档文件")] = ROOT / "dist" / "zeren.tar",
    profile: Annotated[list[str] | None, typer.Option(help="repeatable / 可重复")] = None,
    is_built: Annotated[bool, typer.Option("--build/--no-build", help="first / 先构建与拉取")] = True,
) -> None:
    """打包离线安装归档 / Write the archive for a machine without network."""
    profiles = profile or list(PROFILES)
    chosen = [part for one in profiles for part in ("--profile", one)]
    if is_built:
        run(*COMPOSE, *chosen, "pull", "--ignore-buildable")
        run(*COMPOSE, *chosen, "build")
    target.parent.mkdir(parents=True, exist_ok=True)
    pack(target, profiles)
    typer.echo(f"{target}: {target.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    typer.run(main)
