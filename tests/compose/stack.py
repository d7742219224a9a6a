"""The stack as its operator has it: started by docker-compose.yml, spoken to by its open ports only."""

import csv
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import httpx

from deploy.embedded.keys import make_token
from shared.access import Identity
from shared.clock import real_now
from tests.compose.engine import COMPOSE, run
from tests.compose.images import ROOT, VERSION
from tests.support.eventually import eventually

PORTS = {"directory": 8101, "reporting": 8102, "reminders": 8103, "inspection": 8104, "scoring": 8105}
HOST = "127.0.0.77"
"""A loopback address of its own: whatever else runs on this machine has its ports on another."""
TREE = {"33", "3303", "330305", "330305101", "330305102"}
ROLES = ("handler", "leader_in_charge", "head")
READY_WITHIN = 150.0
PROJECT = "zeren-test"


class Stack:
    """A running stack with its secrets in a folder."""

    def __init__(self, secrets: Path) -> None:
        self.secrets = secrets
        self.environment = {"ZEREN_SECRETS": str(secrets), "ZEREN_BIND": HOST}

    def compose(self, *arguments: str) -> str:
        """Return what compose says to this."""
        profiles = ("--profile", "core", "--profile", "observe")
        where = ("--project-directory", str(ROOT), "-p", PROJECT)
        return run(str(COMPOSE), *where, *profiles, *arguments, more=self.environment)

    def start(self) -> None:
        """Start what can be run here; Grafana and Alertmanager have no stand-in."""
        self.compose("up", "--detach", "--wait", "--no-build", *PORTS, "prometheus")

    def container(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        found: list[dict[str, Any]] = json.loads(run("docker", "inspect", f"{PROJECT}-{service}-1"))
        return found[0]

    def is_healthy(self, service: str) -> bool:
        """Tell whether the engine has seen a container do its work since it was started."""
        return bool(self.container(service)["State"]["Health"]["Status"] == "healthy")

    def kill(self, service: str) -> None:
        """End a container's first process at once; the engine is not told, so it starts it again."""
        os.kill(self.container(service)["State"]["Pid"], signal.SIGKILL)

    def get(self, service: str, path: str) -> httpx.Response:
        """Ask a service by its open port."""
        return httpx.get(f"http://{HOST}:{PORTS[service]}{path}", timeout=10)

    async def until_ready(self, *services: str) -> None:
        """Wait until services answer that they can do their work."""
        for service in services or PORTS:

            def is_ready(service: str = service) -> bool:
                try:
                    return self.get(service, "/ready").is_success
                except httpx.TransportError:
                    return False

            await eventually(is_ready, within=READY_WITHIN, every=0.2)

    def import_tree(self, folder: Path) -> None:
        """Import a few units, and somebody in each of their posts, by the command for it."""
        with (ROOT / "deploy/embedded/data/divisions-wenzhou.csv").open(encoding="utf-8") as source:
            rows = [row for row in csv.DictReader(source) if row["code"] in TREE]
        posts = [{"post": f"{code}/{role}"} for code in (row["code"] for row in rows) for role in ROLES]
        tenures = [post | {"person": f"p-{n}", "from": "2023-01-01"} for n, post in enumerate(posts)]
        for kind, lines in {"units": rows, "tenures": tenures}.items():
            file = folder / f"{kind}.csv"
            with file.open("w", encoding="utf-8", newline="") as target:
                writer = csv.DictWriter(target, list(lines[0]))
                writer.writeheader()
                writer.writerows(lines)
            self._import(file, kind)

    def _import(self, file: Path, kind: str) -> None:
        who = (
            "--address",
            f"http://{HOST}:{PORTS['directory']}",
            "--token",
            self.token("import", "operator"),
        )
        command = (sys.executable, "-m", "deploy.importing", str(file), "--kind", kind, *who)
        run(*command, more={"PYTHONPATH": str(ROOT)})

    def token(self, subject: str, *roles: str, unit: str = "33") -> str:
        """Return a token signed with the key among the secrets."""
        return make_token(self.secrets, Identity(sub=subject, unit=unit, roles=roles))

    async def miss_a_duty(self, name: str) -> list[str]:
        """Open a duty that is due in a moment, let it pass, and return what a subscriber hears of it."""
        due_at = real_now().astimezone(UTC) + timedelta(seconds=2)
        body = {"id": name, "kind": "lesson", "line": "main", "period": "2026"}
        body |= {"unit": "330305101", "recipient": "330305", "due_at": due_at.isoformat()}
        headers = {"Authorization": f"Bearer {self.token('training', 'duties:lesson')}"}
        url = f"http://{HOST}:{PORTS['reporting']}/v1/duties"

        def is_taken() -> str | None:
            answer = httpx.post(url, json=body, headers=headers, timeout=60)
            return str(answer.json()["duty"]) if answer.is_success else None

        duty = await eventually(is_taken, within=60, every=0.5)
        return self.heard("escalations", duty, "escalations.escalation-raised.v1")

    def heard(self, topic: str, duty: str, last: str) -> list[str]:
        """Return what the user *subscriber* hears of a duty, up to the last fact wanted."""
        files = {"ca.pem": "ca.pem", "subscriber_kafka_password": "kafka_password"}
        mounts = [f"-v{self.secrets / a}:/run/secrets/{b}:ro" for a, b in files.items()]
        script = f"-v{Path(__file__).with_name('listen.py')}:/srv/listen.py:ro"
        where = ("--network", f"{PROJECT}_inside", f"zeren/setup:{VERSION}", "python", "listen.py")
        return run("docker", "run", "--rm", *mounts, script, *where, topic, duty, last, "90").split()

    def late_decisions(self) -> float:
        """Return how many decisions of reminders have had their lateness measured."""
        lines = self.get("reminders", "/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{LATENESS}_count"))


LATENESS = "reminders_wakeup_lateness_seconds"


def logs_of(stack: Stack) -> str:
    """Return the last lines of all containers, for a failure."""
    command = [str(COMPOSE), "-p", PROJECT, "--project-directory", str(ROOT), "logs", "--tail", "8"]
    environment = {**os.environ, **stack.environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
