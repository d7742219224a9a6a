"""The one-shot job of the broker: topics, users and rights from the registry; ``--print`` shows them."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import stamina
import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from contracts.topics import PARTITIONS
from deploy.stack.rights import KAFKA_USERS, Right, kafka_rights
from deploy.stack.scram import AlterScramRequest
from shared.cluster import Cluster, reached
from shared.kafka import make_topics
from shared.relay import BrokerUnavailableError
from shared.service import topics

ITERATIONS = 8_192
LITERAL, PREFIXED, ALLOW = 3, 4, 3
SECRETS = Path("/run/secrets")
PATIENCE = 180.0
"""Seconds of real time until the broker answers."""


async def prepare(cluster: Cluster, folder: Path, *, replicas: int) -> str:
    """Make all that is registered; doing so again changes nothing but the users' salts."""
    incarnation = await make_topics(cluster, topics(), PARTITIONS, replicas=replicas)
    admin: Any = AIOKafkaAdminClient(**reached(cluster))
    await admin.start()
    try:
        users = {user: (folder / f"{user}_kafka_password").read_text().strip() for user in KAFKA_USERS}
        await set_users(admin, users)
        await allow(admin, kafka_rights())
    finally:
        await admin.close()
    return incarnation


async def set_users(admin: Any, users: dict[str, str]) -> None:
    """Let these users sign in with these passwords; the broker learns only what it checks them by.

    Raises:
        KafkaError: the broker did not take one.
    """
    entries = []
    for user, password in users.items():
        salt = secrets.token_bytes(32)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
        entries.append((user, ITERATIONS, salt, salted))
    answer = await admin._send_to_controller(AlterScramRequest(entries))  # noqa: SLF001 it has no public way
    for user, code, message, _ in answer.results:
        if code:
            raise for_code(code)(f"{user}: {message}")


async def allow(admin: Any, rights: Sequence[Right]) -> None:
    """Add rights; one that is there already stays as it is.

    Raises:
        KafkaError: the broker did not take one.
    """
    for right in rights:
        pattern = PREFIXED if right.is_prefix else LITERAL
        what = (int(right.kind), right.name, pattern)
        request = CreateAclsRequest(*what, f"User:{right.user}", "*", int(right.operation), ALLOW)
        answer = await admin._send_to_controller(request)  # noqa: SLF001 it has no public way
        for code, message in answer.creation_responses:
            if code:
                raise for_code(code)(f"{right.command}: {message}")


@stamina.retry(on=(BrokerUnavailableError, KafkaError, OSError), attempts=None, timeout=PATIENCE)
async def _when_up(cluster: Cluster, folder: Path, replicas: int) -> str:
    return await prepare(cluster, folder, replicas=replicas)


def main(
    *,
    address: Annotated[str, typer.Option(help="listener of administrators / 管理端地址")] = "kafka:9094",
    folder: Annotated[Path, typer.Option(help="folder of the secrets / 密钥目录")] = SECRETS,
    replicas: Annotated[int, typer.Option(min=1, help="of each topic / 每个主题的副本数")] = 1,
    is_printed: Annotated[
        bool, typer.Option("--print", help="only show the rights, for kafka-acls.sh / 仅显示权限")
    ] = False,
) -> None:
    """从注册表创建主题、用户和权限 / Make topics, users and rights from the registry."""
    if is_printed:
        for right in kafka_rights():
            typer.echo(right.command)
        return
    cluster = Cluster(address, ca=folder / "ca.pem", certificate=folder / "admin.pem")
    asyncio.run(_when_up(cluster, folder, replicas))
    typer.echo(
        f"{len(topics())} topics, {len(KAFKA_USERS)} users, {len(kafka_rights())} rights / "
        f"{len(topics())} 个主题，{len(KAFKA_USERS)} 个用户，{len(kafka_rights())} 项权限"
    )


if __name__ == "__main__":
    typer.run(main)
