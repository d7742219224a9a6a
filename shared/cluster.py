"""How the broker is reached: where it is, who asks, whom to believe; secrets stay in their files."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from faststream.security import BaseSecurity, SASLScram512

MECHANISM = "SCRAM-SHA-512"
CLOSED_WITHIN = 1.0
"""Seconds: where a broker does not answer the goodbye of TLS, the event loop waits for it half a minute."""


@dataclass(frozen=True)
class Cluster:
    """A broker that wants to know who asks; the files are read when the first client is made."""

    address: str
    user: str = ""
    """Signs in by SCRAM; empty: nobody does."""
    password: Path | None = None
    ca: Path | None = None
    """Whoever signed the broker's certificate; None: the wire is plain."""
    certificate: Path | None = None
    """Key and certificate of the client, for a listener that asks for them."""

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """Return what TLS is spoken with, None if it is not."""
        if self.ca is None:
            return None
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate)
        return context

    @cached_property
    def secret(self) -> str:
        """Return the password."""
        return "" if self.password is None else self.password.read_text().strip()

    @cached_property
    def options(self) -> dict[str, Any]:
        """Return what each of aiokafka's clients is told."""
        protocol = ("SASL_" if self.user else "") + ("PLAINTEXT" if self.context is None else "SSL")
        found = {"security_protocol": protocol, "ssl_context": self.context}
        if self.user:
            login = {"sasl_plain_username": self.user, "sasl_plain_password": self.secret}
            found |= {"sasl_mechanism": MECHANISM, **login}
        return found

    @property
    def security(self) -> BaseSecurity:
        """Return the same for FastStream."""
        is_encrypted = self.context is not None
        if not self.user:
            return BaseSecurity(self.context, is_encrypted)
        return SASLScram512(self.user, self.secret, self.context, is_encrypted)


Broker = str | Cluster
"""A broker by its bare ``host:port``, as the embedded one, or one that asks who is there."""


def reached(broker: Broker) -> dict[str, Any]:
    """Return the options by which one of aiokafka's clients reaches a broker."""
    if isinstance(broker, str):
        return {"bootstrap_servers": broker}
    return {"bootstrap_servers": broker.address, **broker.options}


async def let_go(client: Any) -> None:
    """Close one of aiokafka's clients that has nothing under way; its sockets may end a little later."""
    closing = client.close if hasattr(client, "close") else client.stop
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSED_WITHIN):
            await closing()
