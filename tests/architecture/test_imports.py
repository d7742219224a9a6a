"""Who may import what, read from the source: also what stands inside functions."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATABASE = {"motor", "pymongo", "bson", "gridfs"}
KAFKA = {"aiokafka"}


def imported(file: Path) -> set[str]:
    """Return the first names of all that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found.add((node.module or "").partition(".")[0])
    return found


def sources(*folders: str) -> Iterator[str]:
    """Yield every source file below *folders*, as named from the root."""
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix()


def users(names: set[str], *folders: str) -> set[str]:
    """Return the files below *folders* that import one of *names*."""
    return {file for file in sources(*folders) if imported(ROOT / file) & names}


@pytest.mark.parametrize("file", [*sources("contracts")])
def test_the_contracts_need_pydantic_and_the_standard_library_only(file: str) -> None:
    allowed = {"contracts", "pydantic", "pydantic_core"} | (
        {"yaml"} if file == "contracts/export.py" else set()
    )

    assert imported(ROOT / file) - sys.stdlib_module_names <= allowed


def test_one_file_knows_the_driver_of_the_database() -> None:
    assert users(DATABASE, "contracts", "shared", "services", "deploy") == {"shared/mongo.py"}


def test_few_files_know_the_client_of_the_broker() -> None:
    found = users(KAFKA, "contracts", "shared", "services")

    assert found == {"shared/kafka.py", "shared/commands.py", "shared/published.py"}


@pytest.mark.parametrize("file", [file for file in sources("services") if "/domain/" in file])
def test_a_domain_needs_the_contracts_pydantic_and_the_standard_library_only(file: str) -> None:
    assert imported(ROOT / file) - sys.stdlib_module_names <= {"contracts", "services", "pydantic"}


def test_services_never_import_each_other() -> None:
    for file in sources("services"):
        own = file.split("/")[1].removesuffix(".py")
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("services."):
                assert (node.module or "").split(".")[1] == own, file


def test_an_import_inside_a_function_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "hidden.py"
    file.write_text("def f():\n    if f:\n        from motor import motor_asyncio\n")

    assert imported(file) & DATABASE == {"motor"}
