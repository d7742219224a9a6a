"""The one home of the environment: settings common to all services, read once and frozen."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.cluster import Cluster


class Settings(BaseSettings):
    """What every service is told; a service's own class adds to it and names the prefix."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    mongo_uri: str = Field("mongodb://mongo:27017", description="the database server")
    mongo_driver: Literal["motor", "pymongo"] = Field(
        "motor", description="which asynchronous driver speaks to it"
    )
    mongo_user: str = Field("", description="who signs in there; empty: nobody")
    mongo_password: Path = Field(
        Path("/run/secrets/mongo_password"), description="file of that user's password"
    )
    kafka_address: str = Field("kafka:9092", description="the broker, host:port")
    kafka_user: str = Field("", description="who signs in there, by SCRAM-SHA-512; empty: nobody")
    kafka_password: Path = Field(
        Path("/run/secrets/kafka_password"), description="file of that user's password"
    )
    kafka_ca: Path | None = Field(
        None, description="file of the authority that signed the broker's certificate; empty: no TLS"
    )
    kafka_replicas: int = Field(1, ge=1, description="replicas of each topic that this process makes")
    kafka_session: timedelta = Field(
        timedelta(seconds=10), description="a member silent for so long has left its group (not under 3 s)"
    )
    http_host: str = Field("0.0.0.0", description="the address to listen on")
    http_port: int = Field(8000, description="the port to listen on")
    http_address: str = Field("", description="host:port under which other replicas reach this one")
    public_key: Path = Field(
        Path("/run/secrets/public_key"), description="file of the Ed25519 key that verifies tokens"
    )
    heads: Path | None = Field(
        None, description="file to which the books' heads are written, outside the database"
    )
    clock: Literal["system", "story"] = Field("system", description="real time, or the story's hurried clock")
    said_every: timedelta = Field(timedelta(seconds=1), description="how often Said is said")
    said_soon: timedelta = Field(
        timedelta(seconds=0.1), description="how long after the last page of a burst it is said"
    )
    log_json: bool | None = Field(None, description="log lines as JSON; by default unless on a terminal")

    @cached_property
    def kafka(self) -> Cluster:
        """Return the way to the broker."""
        return Cluster(self.kafka_address, self.kafka_user, self.kafka_password, self.kafka_ca)

    @property
    def mongo_login(self) -> dict[str, str]:
        """Return what the driver signs in with, nothing if nobody does."""
        if not self.mongo_user:
            return {}
        return {"username": self.mongo_user, "password": self.mongo_password.read_text().strip()}
