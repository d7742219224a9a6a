"""``make env``: writes ``.env.example`` from the settings of the services; a test compares it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from services.directory.settings import DirectorySettings
from services.inspection.settings import InspectionSettings
from services.reminders.settings import RemindersSettings
from services.reporting.settings import ReportingSettings
from services.scoring.settings import ScoringSettings
from shared.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
OURS: tuple[type[Settings], ...] = (
    DirectorySettings,
    ReportingSettings,
    RemindersSettings,
    InspectionSettings,
    ScoringSettings,
)
OF_COMPOSE = {
    "ZEREN_VERSION": ("0.1.0", "the tag of our images / 镜像标签"),
    "ZEREN_BIND": ("127.0.0.1", "the address on which the ports of the services are opened / 端口监听地址"),
    "ZEREN_SECRETS": ("./deploy/secrets", "the folder that `make secrets` fills / 密钥目录"),
}
HEAD = """# Written by `make env` from the settings; copy it to .env and take the # from what you change.
# 由 `make env` 根据设置生成；复制为 .env，去掉要修改的行首的 #。
# A secret is never set here: a setting names the file that holds it. / 口令不写在此处，只写存放口令的文件。
"""


def example() -> str:
    """Return the file: what compose itself reads, then each service's settings with their defaults."""
    return "\n".join([HEAD, *_of_compose(), *(line for one in OURS for line in _of_service(one))])


def _of_compose() -> Iterator[str]:
    yield "# -- docker-compose --"
    for name, (value, about) in OF_COMPOSE.items():
        yield f"# {about}"
        yield f"#{name}={value}"
    yield ""


def _of_service(settings: type[Settings]) -> Iterator[str]:
    prefix = settings.model_config.get("env_prefix", "")
    yield f"# -- {prefix.rstrip('_').lower()} --"
    for name, field in settings.model_fields.items():
        yield f"# {field.description}"
        yield f"#{prefix}{name.upper()}={_written(field)}"
    yield ""


def _written(field: FieldInfo) -> str:
    """Return a default as the environment would have it."""
    value: Any = field.default
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return str(TypeAdapter(timedelta).dump_python(value, mode="json"))
    return str(value)


def main() -> None:
    """根据设置生成 .env.example / Write .env.example from the settings."""
    EXAMPLE.write_text(example())
    typer.echo(EXAMPLE.name)


if __name__ == "__main__":
    typer.run(main)
