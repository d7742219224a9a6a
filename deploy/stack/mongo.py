"""The one-shot job of the database: a role and a user for each service; ``--print`` shows the roles."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import stamina
import typer

from deploy.stack.rights import ERASER, MONGO_USERS, eraser_privileges, mongo_privileges
from shared.mongo import connect, disconnect, ensure
from shared.store import StoreUnavailableError

SECRETS = Path("/run/secrets")
ROOT = "root"
PATIENCE = 180.0
"""Seconds of real time until the database answers."""


def roles() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each user with what it may do: its own database, and pages only once."""
    for user in MONGO_USERS:
        yield user, eraser_privileges() if user == ERASER else mongo_privileges(user)


@stamina.retry(on=StoreUnavailableError, attempts=None, timeout=PATIENCE)
async def prepare(uri: str, login: dict[str, str], folder: Path) -> None:
    """Make roles and users, or set them again to what they should be."""
    client = connect(uri, login=login)
    try:
        for user, privileges in roles():
            password = (folder / f"{user}_mongo_password").read_text().strip()
            await ensure(client, user, password, privileges)
    finally:
        await disconnect(client)


def main(
    *,
    uri: Annotated[str, typer.Option(help="the database server / 数据库地址")] = "mongodb://mongo:27017",
    folder: Annotated[Path, typer.Option(help="folder of the secrets / 密钥目录")] = SECRETS,
    is_printed: Annotated[bool, typer.Option("--print", help="only show the roles / 仅显示角色")] = False,
) -> None:
    """为每个服务创建角色和用户 / Make a role and a user for each service."""
    if is_printed:
        for user, privileges in roles():
            typer.echo(json.dumps({"role": user, "privileges": privileges}))
        return
    login = {"username": ROOT, "password": (folder / "root_mongo_password").read_text().strip()}
    asyncio.run(prepare(uri, login, folder))
    typer.echo(f"{len(MONGO_USERS)} roles and users / {len(MONGO_USERS)} 个角色和用户")


if __name__ == "__main__":
    typer.run(main)
