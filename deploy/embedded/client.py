"""The way to the running services over HTTP, as somebody with a token; who is away is asked again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from deploy.embedded.keys import make_token
from shared.access import Identity
from shared.clock import monotonic

PATIENCE = 90.0
"""Real seconds; enough where nobody strikes."""
AWAY = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.BAD_GATEWAY}


class StuckError(Exception):
    """The system did not do what it was waited for; the message says who waits for what."""


class Client:
    """Everybody's HTTP client: each request bears a token of its own subject and roles."""

    def __init__(self, keys: Path, unit: str, patience: float = PATIENCE) -> None:
        """Sign tokens with the key in *keys*; they reach the subtree of *unit*."""
        self._keys, self._unit = keys, unit
        self.patience = patience
        """Real seconds after which a service that does not answer is called stuck."""
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._tokens: dict[tuple[str, ...], str] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names of the services."""
        return tuple(self._clients)

    async def connect(self, addresses: Mapping[str, str]) -> None:
        """Find the services at *addresses* (``host:port``); wait until each answers that it is ready."""
        for name, address in addresses.items():
            self.add(name, address)
        await self.until_ready()

    def add(self, name: str, address: str) -> None:
        """Count another process in; *name* is one that no other has."""
        self._clients[name] = httpx.AsyncClient(base_url=f"http://{address}", timeout=60)

    async def remove(self, name: str) -> None:
        """Count a process out that has left."""
        await self._clients.pop(name).aclose()

    async def until_ready(self, *names: str) -> None:
        """Wait until each of the named processes, or of all, answers that it is ready.

        Raises:
            StuckError: one does not become ready.
        """
        await asyncio.gather(*(self._until_ready(name) for name in names or self._clients))

    async def _until_ready(self, name: str) -> None:
        began, reason = monotonic(), ""
        while monotonic() - began < self.patience:
            try:
                answer = await self._clients[name].get("/ready")
                if answer.is_success:
                    return
                reason = answer.text
            except httpx.TransportError as error:
                reason = repr(error)
            await asyncio.sleep(0.1)
        raise StuckError(f"{name} does not become ready: {reason}")

    async def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            await client.aclose()

    def token(self, subject: str, *roles: str) -> str:
        """Return a token for somebody with these roles."""
        key = (subject, *roles)
        if key not in self._tokens:
            identity = Identity(sub=subject, unit=self._unit, roles=roles)
            self._tokens[key] = make_token(self._keys, identity, valid=timedelta(days=2))
        return self._tokens[key]

    async def progress(self) -> dict[str, dict[str, Any] | None]:
        """Return how far each service has come; None for one that does not answer now."""
        clients = dict(self._clients)
        found = await asyncio.gather(*(self._progress(client) for client in clients.values()))
        return dict(zip(clients, found, strict=True))

    async def _progress(self, client: httpx.AsyncClient) -> dict[str, Any] | None:
        headers = self._headers("operator", "operator")
        if client.is_closed:
            return None
        try:
            answer = await client.get("/v1/progress", headers=headers)
        except (httpx.TransportError, httpx.StreamError, RuntimeError):
            return None
        return answer.json() if answer.is_success else None

    async def metrics(self, name: str) -> str:
        """Return a service's metrics; empty if it is away."""
        try:
            return (await self._clients[name].get("/metrics")).text
        except httpx.TransportError:
            return ""

    async def post(self, name: str, path: str, *roles: str, by: str = "story", **what: Any) -> dict[str, Any]:
        """Post and return the answer; ``result`` is ``refused`` if the business says no.

        Raises:
            StuckError: the service is away for good, or takes the request for a wrong one.
        """
        answer = await self._ask("POST", name, path, by, roles, **what)
        if answer.status_code == httpx.codes.CONFLICT:
            return {"result": "refused", **answer.json()}
        if answer.is_error:
            raise StuckError(f"{name} {path}: {answer.status_code} {answer.text}")
        return dict(answer.json())

    async def get(self, name: str, path: str, *roles: str, by: str = "story", **query: Any) -> dict[str, Any]:
        """Return what is to be read.

        Raises:
            StuckError: the service is away for good, or takes the request for a wrong one.
        """
        answer = await self._ask("GET", name, path, by, roles, params=query)
        if answer.is_error:
            raise StuckError(f"{name} {path}: {answer.status_code} {answer.text}")
        return dict(answer.json())

    async def pages(self, name: str, path: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield every item of a list, page by page, from behind the cursor ``after``."""
        after, limit = query.pop("after", ""), query.pop("limit", 1000)
        while True:
            body = await self.get(name, path, "operator", "inspector", **query, after=after, limit=limit)
            for item in body["items"]:
                yield item
            after = body.get("after", "")
            if not after:
                return

    async def _ask(
        self, method: str, name: str, path: str, by: str, roles: tuple[str, ...], **what: Any
    ) -> httpx.Response:
        began, reason = monotonic(), ""
        while monotonic() - began < self.patience:
            try:
                answer = await self._clients[name].request(
                    method, path, headers=self._headers(by, *roles), **what
                )
                if answer.status_code not in AWAY:
                    return answer
                reason = answer.text
            except httpx.TransportError as error:
                reason = repr(error)
            await asyncio.sleep(0.2)
        raise StuckError(f"{name} {path}: {reason}")

    def _headers(self, subject: str, *roles: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(subject, *roles)}"}
