"""How a service is told the way to broker and database, and that the example tells all of it."""

import asyncio
import inspect
import ssl
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faststream.kafka.security import parse_security

from deploy.stack.environment import EXAMPLE, OURS, example
from deploy.stack.secrets import make_secrets
from services.reminders.settings import RemindersSettings
from shared.clock import real_now
from shared.cluster import Cluster, let_go, reached
from shared.kafka import new_broker
from shared.settings import Settings


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    make_secrets(tmp_path, real_now())
    (tmp_path / "password").write_text("quite secret\n")
    return Cluster("kafka:9092", "reminders", tmp_path / "password", tmp_path / "ca.pem")


def test_a_bare_address_is_reached_without_a_word() -> None:
    assert reached("localhost:9092") == {"bootstrap_servers": "localhost:9092"}
    assert reached(Settings(kafka_address="localhost:9092").kafka)["security_protocol"] == "PLAINTEXT"


def test_a_setting_that_is_left_empty_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_CA", "KAFKA_ADDRESS", "HTTP_PORT"):
        monkeypatch.setenv(f"REMINDERS_{name}", "")

    settings = RemindersSettings()

    assert settings.kafka.ca is None
    assert settings.kafka.address == "kafka:9092"


def test_who_signs_in_does_so_by_scram_over_tls_with_the_password_of_the_file(cluster: Cluster) -> None:
    options = reached(cluster)

    assert options.pop("ssl_context").verify_mode is ssl.CERT_REQUIRED
    assert options == {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "reminders",
        "sasl_plain_password": "quite secret",
    }


def test_without_an_authority_the_wire_is_plain_and_with_a_certificate_nobody_signs_in(
    cluster: Cluster, tmp_path: Path
) -> None:
    plain = Cluster("kafka:9092", "reminders", tmp_path / "password")
    administrator = Cluster("kafka:9094", ca=tmp_path / "ca.pem", certificate=tmp_path / "admin.pem")

    assert reached(plain)["security_protocol"] == "SASL_PLAINTEXT"
    assert reached(administrator)["security_protocol"] == "SSL"
    assert "sasl_mechanism" not in reached(administrator)


@pytest.mark.parametrize("client", [AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient])
def test_every_client_takes_the_options(cluster: Cluster, client: type) -> None:
    assert inspect.signature(client).bind(**reached(cluster)).kwargs == reached(cluster)


def test_the_subscribers_are_told_the_same_as_the_other_clients(cluster: Cluster) -> None:
    options = parse_security(new_broker(cluster).specification.security)

    assert options == {key: value for key, value in reached(cluster).items() if key != "bootstrap_servers"}


async def test_a_broker_that_does_not_say_goodbye_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting:
        is_left = False

        async def stop(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.is_left = True

    monkeypatch.setattr("shared.cluster.CLOSED_WITHIN", 0.01)
    client = Waiting()

    async with asyncio.timeout(5):
        await let_go(client)

    assert client.is_left


def test_the_driver_signs_in_only_if_a_user_is_named(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")

    assert Settings(mongo_password=tmp_path / "password").mongo_login == {}
    named = Settings(mongo_user="scoring", mongo_password=tmp_path / "password")
    assert named.mongo_login == {"username": "scoring", "password": "secret"}


def test_no_secret_is_a_setting_so_none_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("not to be seen")
    monkeypatch.setenv("REMINDERS_KAFKA_USER", "reminders")
    monkeypatch.setenv("REMINDERS_KAFKA_PASSWORD", str(tmp_path / "password"))
    settings = RemindersSettings()

    assert settings.kafka.secret == "not to be seen"
    assert "not to be seen" not in settings.model_dump_json()
    assert "not to be seen" not in repr(settings.kafka)


def test_the_example_of_the_environment_is_what_the_settings_are() -> None:
    assert EXAMPLE.read_text() == example(), "run `make env`"


@pytest.mark.parametrize("settings", OURS)
def test_what_the_example_sets_is_what_a_service_does_without_it(
    settings: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = settings()
    prefix = f"#{settings.model_config['env_prefix']}"
    given = 0
    for line in EXAMPLE.read_text().splitlines():
        name, _, value = line.removeprefix("#").partition("=")
        if line.startswith(prefix) and value:
            monkeypatch.setenv(name, value)
            given += 1

    assert given > 10
    assert settings() == wanted
