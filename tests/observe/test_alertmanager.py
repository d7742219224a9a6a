"""Alertmanager takes its settings, and really calls the webhook whose address lies in a file."""

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.embedded.servers import HOST, Server, free_port
from shared.clock import real_now
from tests.observe.programs import ROOT, RULES, program
from tests.support.eventually import eventually

SETTINGS = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
PACKAGE = "prometheus-alertmanager"


class Webhook(HTTPServer):
    """What a site would be called by; keeps what it is told."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), Handler)
        self.told: list[dict[str, Any]] = []

    def was_told(self, status: str) -> bool:
        """Tell whether any alert was told to have this status."""
        return any(one["status"] == status for one in self.told)


class Handler(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    server: Webhook

    def do_POST(self) -> None:
        """Keep what was posted."""
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:  # type: ignore[explicit-override]
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("amtool", PACKAGE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def reads_files() -> bool:
    """Tell whether this version reads the address of a webhook from a file: 0.26 and later do."""
    done = amtool("check-config", SETTINGS)
    return "field url_file not found" not in done.stdout + done.stderr


def configured(folder: Path, address: str) -> Path:
    """Write the shipped settings for an address, without their patience.

    Debian's Alertmanager is older than that of docker-compose: it gets the address itself.
    """
    secret, path = folder / "alert_webhook", folder / "alertmanager.yml"
    secret.write_text(f"{address}\n")
    settings = yaml.safe_load(SETTINGS.read_text())
    settings["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    (called,) = settings["receivers"][0]["webhook_configs"]
    assert called.pop("url_file") == "/run/secrets/alert_webhook"
    called |= {"url_file": str(secret)} if reads_files() else {"url": address}
    path.write_text(yaml.safe_dump(settings))
    return path


def alertmanager(folder: Path, settings: Path) -> Server:
    port = free_port()
    options = (
        ("config.file", settings),
        ("storage.path", folder / "kept"),
        ("web.listen-address", f"{HOST}:{port}"),
        ("cluster.listen-address", ""),
    )
    command = [program("alertmanager", PACKAGE), *(f"--{name}={value}" for name, value in options)]
    return Server(
        "alertmanager", port, command, b"GET /-/ready HTTP/1.0\r\n\r\n", folder / "alertmanager.log"
    )


def test_alertmanager_takes_its_settings(tmp_path: Path) -> None:
    settings = SETTINGS if reads_files() else configured(tmp_path, "http://duty.example/alerts")

    done = amtool("check-config", settings)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 receivers" in done.stdout


async def test_an_alert_calls_the_webhook_when_it_fires_and_when_it_is_over(
    tmp_path: Path, webhook: Webhook
) -> None:
    (rule,) = (
        rule
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "ServiceDown"
    )
    labels = {"alertname": "ServiceDown", **rule["labels"], "instance": "scoring:8105"}
    now = real_now()
    alert = {"labels": labels, "annotations": rule["annotations"], "startsAt": now.isoformat()}
    over = alert | {"startsAt": (now - timedelta(minutes=1)).isoformat(), "endsAt": now.isoformat()}
    settings = configured(tmp_path, f"http://{HOST}:{webhook.server_port}/alerts")

    server = alertmanager(tmp_path, settings)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}") as client:
            for said, status in ((alert, "firing"), (over, "resolved")):
                answer = await client.post("/api/v2/alerts", json=[said])
                assert answer.is_success, answer.text
                await eventually(partial(webhook.was_told, status))
    finally:
        await server.stop()

    (firing, *_, resolved) = webhook.told
    assert [told["status"] for told in (firing, resolved)] == ["firing", "resolved"]
    (heard,) = firing["alerts"]
    assert heard["labels"] == labels
    assert heard["annotations"] == rule["annotations"]
