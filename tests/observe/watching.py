"""Prometheus over running services: with the shipped settings, and asked over HTTP."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import stamina
import yaml

from deploy.embedded.servers import HOST, Server, free_port
from deploy.embedded.supervisor import SERVICES
from tests.observe.programs import PROMETHEUS, RULES, program

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_DURATION = r"(\d+)(ms|s|m|h)"


class Watcher:
    """A running Prometheus, asked over HTTP."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=f"http://{address}", timeout=20)
        self._until_ready()

    @stamina.retry(on=httpx.HTTPError, attempts=None, timeout=20, wait_initial=0.05, wait_max=0.2)
    def _until_ready(self) -> None:
        """Wait until it answers questions: it listens before it can."""
        self._http.get("/-/ready").raise_for_status()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def series(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """Return the series of an expression between two moments, each with its labels and values."""
        when = {"start": start, "end": end, "step": 1}
        return list(self._ask("query_range", query=expression, **when)["result"])

    def value(self, expression: str) -> float | None:
        """Return what an expression is now; None without a series."""
        found = self._ask("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def state(self, alert: str, **labels: str) -> str:
        """Return how an alert stands: firing, pending, or inactive."""
        wanted = ({"alertname": alert} | labels).items()
        found = [one["state"] for one in self._ask("alerts")["alerts"] if wanted <= one["labels"].items()]
        return min(found, default="inactive")

    def _ask(self, what: str, **query: Any) -> dict[str, Any]:
        answer = self._http.get(f"/api/v1/{what}", params=query).json()
        assert answer["status"] == "success", (query, answer)
        return dict(answer["data"])


class Played(NamedTuple):
    """What Prometheus saw, and between which moments."""

    watcher: Watcher
    began: float
    ended: float

    def series(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression over all that was seen, second by second."""
        return self.watcher.series(expression, self.began, self.ended)


def shrunk(duration: str, by: int) -> str:
    """Return a duration divided by a number, in whole milliseconds."""
    return re.sub(_DURATION, lambda found: f"{int(found[1]) * _MILLISECONDS[found[2]] // by}ms", duration)


def shrunk_rules(by: int) -> dict[str, Any]:
    """Return the shipped rules with each window and each `for` divided by a number, else as they are."""
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["expr"] = re.sub(rf"\[{_DURATION}\]", lambda found: shrunk(found[0], by), rule["expr"])
        if "for" in rule:
            rule["for"] = shrunk(rule["for"], by)
    return rules


def configured(folder: Path, addresses: Mapping[str, str], *, by: int = 1, every: str | None = None) -> Path:
    """Write the shipped settings for the services of a run, with nobody to alert.

    All durations are divided by *by*; it looks and judges *every* so often, as shipped if None.
    """
    settings = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    del settings["alerting"]
    settings["global"] = {name: every or shrunk(each, by) for name, each in settings["global"].items()}
    (job,) = settings["scrape_configs"]
    job["static_configs"] = [{"targets": [urlsplit(addresses[name]).netloc for name in SERVICES]}]
    settings["rule_files"] = ["rules.yml"]
    (folder / "rules.yml").write_text(yaml.safe_dump(shrunk_rules(by)))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def prometheus(folder: Path, settings: Path) -> Server:
    """Return a Prometheus that keeps its data in *folder*."""
    port = free_port()
    options = (
        ("config.file", settings),
        ("storage.tsdb.path", folder / "tsdb"),
        ("web.listen-address", f"{HOST}:{port}"),
    )
    command = [program("prometheus"), *(f"--{name}={value}" for name, value in options)]
    return Server("prometheus", port, command, b"GET /-/ready HTTP/1.0\r\n\r\n", folder / "prometheus.log")
