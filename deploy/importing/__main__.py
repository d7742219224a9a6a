"""Import a file of any size: `make import ARGS="china-division-2.7.0.tgz --data .data"`."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import httpx
import stamina
import typer
from rich.console import Console

from deploy.embedded.keys import make_token
from deploy.importing.run import Options, import_file
from deploy.importing.sender import ANSWER_PATIENCE, short
from deploy.importing.sources import TENURES, UNITS
from deploy.importing.view import View
from shared.access import Identity

KINDS = {kind.name: kind for kind in (UNITS, TENURES)}


def _address(data: Path) -> str:
    """Return where the directory of an embedded run listens, by default where it likes to."""
    try:
        return str(json.loads((data / "addresses.json").read_text())["directory"])
    except (OSError, ValueError, KeyError):
        return "http://127.0.0.1:8101"


def _token(data: Path, unit: str) -> str:
    if not (data / "keys" / "private.pem").exists():
        raise typer.BadParameter("give --token, or --data of an embedded run / 请提供 --token 或 --data")
    return make_token(data / "keys", Identity(sub="import", unit=unit, roles=("operator",)))


def _waiting(view: View) -> None:
    """Say it when a part has to be sent again."""

    def say(details: stamina.instrumentation.RetryDetails) -> None:
        view.say(f"no answer, trying again / 无应答，正在重试: {short(details.caused_by)}")

    stamina.instrumentation.set_on_retry_hooks([say])


def main(
    file: Annotated[Path, typer.Argument(exists=True, help="CSV, XLSX, china-division as .tgz or folder")],
    *,
    kind: Annotated[str, typer.Option(help="units or tenures / 单位或任职")] = "units",
    address: Annotated[str, typer.Option(help="the directory, http://host:port / 目录服务地址")] = "",
    token: Annotated[
        str, typer.Option(envvar="ZEREN_TOKEN", help="an operator's token / 运维令牌", show_default=False)
    ] = "",
    data: Annotated[
        Path, typer.Option(help="else the folder of an embedded run, whose key signs one / 数据目录")
    ] = Path(".data"),
    unit: Annotated[str, typer.Option(help="the subtree that such a token reaches / 管辖范围")] = "",
    part: Annotated[int, typer.Option(min=1, max=50_000, help="rows sent at once / 每批行数")] = 2000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would change / 仅预览")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not go on where a run ended / 从头开始")] = False,
    patience: Annotated[int, typer.Option(help="seconds to wait for the directory / 等待秒数")] = 300,
) -> None:
    """Import units or tenures, part by part; run again, it goes on where it ended / 分批导入，可断点续传."""
    if kind not in KINDS:
        raise typer.BadParameter("units or tenures / 单位或任职", param_hint="--kind")
    if KINDS[kind] is TENURES and not token and not unit:
        raise typer.BadParameter("name the root of the tree / 请给出最高单位", param_hint="--unit")

    def connect(reach: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token or _token(data, unit or reach)}"}
        where = address or _address(data)
        return httpx.Client(base_url=where, headers=headers, timeout=ANSWER_PATIENCE.total_seconds())

    options = Options(file, KINDS[kind], part, dry_run, fresh, timedelta(seconds=patience))
    with View(Console()) as view:
        _waiting(view)
        raise typer.Exit(import_file(options, connect, view))


if __name__ == "__main__":
    typer.run(main)
