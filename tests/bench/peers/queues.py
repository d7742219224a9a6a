"""The queue servers of peers, from Debian's packages, as child processes with their files in a folder."""

import asyncio
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.embedded.servers import HOST, Server, free_port

PROGRAMS = Path("/usr/lib/postgresql")
"""Debian keeps PostgreSQL's own programs here, out of the path."""
OWNER = "postgres"
"""PostgreSQL refuses to run as root: then it runs as this user, which Debian's package makes."""
_STARTUP = b"user\0postgres\0database\0postgres\0\0"


def redis_lacks() -> Sequence[str]:
    """Name what Redis needs and is not there."""
    return [] if shutil.which("redis-server") else ["redis-server"]


def redis(folder: Path) -> Server:
    """Return a Redis that writes nothing to disk: faster, and in the peers' favour."""
    port = free_port()
    options = ["--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    return Server("redis", port, ["redis-server", *options], b"PING\r\n", folder / "redis.log")


def postgres_lacks() -> Sequence[str]:
    """Name what PostgreSQL needs and is not there."""
    wanted = ["setpriv"] if os.geteuid() == 0 else []
    lacks = [name for name in wanted if not shutil.which(name)]
    return lacks if _program("initdb") else ["postgresql", *lacks]


class Postgres(Server):
    """A PostgreSQL; it listens before it lets anybody in."""

    async def _greet(self) -> bool:  # type: ignore[explicit-override]  # typing has no override before 3.12
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(self.greeting)
            return await reader.readexactly(1) == b"R"
        finally:
            writer.close()


def postgres(folder: Path) -> Server:
    """Return a PostgreSQL that lets a commit wait for no disk: faster, and in the peer's favour."""
    data, port = folder / "postgres", free_port()
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(data, OWNER, OWNER)
        folder.chmod(0o711)
    made = [*_as_owner(), str(_program("initdb")), "--auth=trust", "--username=postgres", f"--pgdata={data}"]
    subprocess.run(made, check=True, capture_output=True, cwd="/")
    settings = {
        "port": port,
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "synchronous_commit": "off",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*_as_owner(), str(_program("postgres")), "-D", str(data), *options]
    greeting = struct.pack(">ii", 8 + len(_STARTUP), 196608) + _STARTUP
    return Postgres("postgres", port, command, greeting, folder / "postgres.log")


def _program(name: str) -> Path | None:
    """Return the newest PostgreSQL's program of that name."""
    found = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which(name)
    return found[-1] if found else Path(on_path) if on_path else None


def _as_owner() -> list[str]:
    """Return what a command begins with to run as PostgreSQL's user; it still dies with this process."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "--pdeathsig=KILL"]
