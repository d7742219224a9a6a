"""What all contestants of deadline day share: the day, the fact of a duty, and how their processes run."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pymongo import WriteConcern

from deploy.embedded.leash import leashed
from deploy.embedded.servers import Server

TOPIC = "escalations"
DATABASE = "deadline"


@dataclass(frozen=True, slots=True)
class Day:
    """When how many duties are due, and where the servers are."""

    count: int
    due_at: float
    """In seconds since 1970: it is handed to processes, and libraries want it in four different ways."""
    mongo: str
    kafka: str
    partitions: int
    queue: str = ""
    """The address of the contestant's own queue server, as `host:port`."""
    is_journaled: bool = True
    """Whether an insert waits for the journal on disk, as the kit's do, or is only taken note of."""

    @property
    def moment(self) -> datetime:
        """Return the instant."""
        return datetime.fromtimestamp(self.due_at, UTC)

    @property
    def concern(self) -> WriteConcern:
        """Return how safe each row is before its fact is said; the same for everybody."""
        return WriteConcern("majority", j=True) if self.is_journaled else WriteConcern(1)

    def duties(self) -> list[str]:
        """Return the ids of all duties."""
        return [f"2026.main-responsibility.3303{n:08d}@330305" for n in range(self.count)]


def fact(duty: str, time: str) -> bytes:
    """Return a fact as ``contracts.envelope`` writes it, of some 582 bytes: the same work for everybody."""
    return (
        f'{{"specversion":"1.0","id":"escalation:{duty}/1","source":"/zeren/reminders"'
        f',"type":"escalations.duty-missed.v1","subject":"escalation:{duty}","time":"{time}"'
        ',"datacontenttype":"application/json","dataschema":"schemas/escalations.duty-missed.v1.json"'
        f',"correlationid":"{duty[:38]}","causationid":"duty:{duty}/1","sequence":1,"unit":"330305001200"'
        f',"data":{{"duty":"{duty}","period":"2026"}}}}'
    ).encode()


@dataclass(slots=True)
class Contestant:
    """A module of this package with `load` and `work` for a day, and the processes that do so."""

    name: str
    module: str
    processes: int = 1
    queue: Callable[[Path], Server] | None = None
    """Makes its own queue server, not started, with its files in a folder."""
    lacks: Callable[[], Sequence[str]] = tuple
    """Names the programs that it needs and this machine has not."""
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)

    @property
    def pids(self) -> Collection[int]:
        """Return its processes; their children belong to it as well."""
        return [process.pid for process in self._running]

    def load(self, day: Day) -> None:
        """Lay all duties of the day before it, in a process of its own; return when that is done."""
        subprocess.run(self._command("load", day), stdout=subprocess.DEVNULL, check=True)

    def start(self, day: Day) -> None:
        """Start the processes that will fire what is due."""
        for _ in range(self.processes):
            # A session of its own, so that the children of a pool end with it.
            command = leashed(self._command("work", day))
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
            self._running.append(process)

    def stop(self) -> None:
        """End its processes at once: all they had to do is done."""
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def _command(self, task: str, day: Day) -> list[str]:
        # Celery warns of root, which is what a container runs as.
        python = [sys.executable, "-W", "ignore", "-m", "tests.bench.peers.process"]
        return [*python, self.module, task, json.dumps(asdict(day))]
