"""Print a token for an embedded run: `make token ARGS="--unit 330305 --role filer"`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from deploy.embedded.keys import make_token
from shared.access import Identity


def main(
    *,
    unit: Annotated[str, typer.Option(help="the root of the subtree it reaches / 管辖范围的最高单位")] = "33",
    role: Annotated[
        list[str] | None, typer.Option(help="operator, filer, post:<code>, duties:<kind> / 角色")
    ] = None,
    subject: Annotated[str, typer.Option(help="who it is for / 持有人")] = "visitor",
    hours: Annotated[int, typer.Option(help="hours until it expires / 有效小时数")] = 24,
    data: Annotated[Path, typer.Option(help="folder of the run / 数据目录")] = Path(".data"),
    keys: Annotated[
        Path | None, typer.Option(help="folder of the keys, by default that of the run / 密钥目录")
    ] = None,
) -> None:
    """Print a token that the services accept which were given the public key."""
    folder = keys or data / "keys"
    if not (folder / "private.pem").exists():
        typer.echo(
            "no key yet: `make run` or `make secrets` first / 尚无密钥：请先执行 make run 或 make secrets",
            err=True,
        )
        raise typer.Exit(2)
    identity = Identity(sub=subject, unit=unit, roles=tuple(role or ["operator", "filer"]))
    typer.echo(make_token(folder, identity, valid=timedelta(hours=hours)))


if __name__ == "__main__":
    typer.run(main)
