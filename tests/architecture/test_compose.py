"""What docker-compose.yml says is what the registry, the settings and the secrets say."""

import re
from pathlib import Path
from typing import Any

import yaml

from deploy.stack.environment import OF_COMPOSE, OURS
from deploy.stack.rights import KAFKA_USERS, MONGO_USERS, SERVICES
from deploy.stack.secrets import PASSWORDS, WEBHOOK

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
PEM = {"ca.pem", "kafka.pem", "admin.pem", "public.pem"}
IMAGES = {name: service["image"] for name, service in COMPOSE["services"].items()}


def secrets_of(service: str) -> set[str]:
    found = COMPOSE["services"][service].get("secrets", ())
    return {one if isinstance(one, str) else one["source"] for one in found}


def test_every_service_of_the_registry_has_its_container() -> None:
    ours = {name for name, image in IMAGES.items() if image.startswith("zeren/")}
    assert ours == {*SERVICES, "kafka-setup", "mongo-setup"}


def test_a_container_gets_only_its_own_secrets() -> None:
    for service in SERVICES:
        own = {f"{service}_kafka_password", f"{service}_mongo_password"}
        assert secrets_of(service) == {"ca.pem", "public.pem", *own}
    assert secrets_of("kafka-setup") == {"ca.pem", "admin.pem", *(f"{u}_kafka_password" for u in KAFKA_USERS)}
    of_mongo = {f"{user}_mongo_password" for user in ("root", *MONGO_USERS)}
    assert secrets_of("mongo-setup") == of_mongo


def test_what_signs_is_in_no_container_and_every_secret_that_is_used_is_made() -> None:
    used = set().union(*map(secrets_of, COMPOSE["services"]))
    assert used == COMPOSE["secrets"].keys() == {*PASSWORDS, *PEM, WEBHOOK}


def test_the_webhook_of_alerts_is_read_where_docker_compose_puts_it_and_can_be_reached_from_there() -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text())
    (receiver,) = settings["receivers"]
    assert [one["url_file"] for one in receiver["webhook_configs"]] == [f"/run/secrets/{WEBHOOK}"]
    assert settings["route"]["receiver"] == receiver["name"]
    assert secrets_of("alertmanager") == {WEBHOOK}
    on = COMPOSE["services"]["alertmanager"]["networks"]
    assert any(not (COMPOSE["networks"][name] or {}).get("internal") for name in on)


def test_what_a_container_is_told_is_a_setting_of_its_service() -> None:
    known = {
        f"{settings.model_config['env_prefix']}{name}".upper()
        for settings in OURS
        for name in settings.model_fields
    }
    for service in SERVICES:
        told = COMPOSE["services"][service]["environment"]
        assert told.keys() <= known
        assert all(name.startswith(f"{service.upper()}_") for name in told)


def test_what_compose_reads_from_the_environment_is_in_the_example_with_the_same_default() -> None:
    read = dict(re.findall(r"\$\{(ZEREN_\w+):-([^}]*)\}", TEXT))
    assert read == {name: value for name, (value, _) in OF_COMPOSE.items()}


def test_every_image_is_pinned_to_a_version() -> None:
    for image in IMAGES.values():
        tag = image.rstrip("}").rpartition(":")[2].lstrip("-v")
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), image


def test_every_container_is_limited_and_keeps_little_of_its_log() -> None:
    for name, service in COMPOSE["services"].items():
        assert {"mem_limit", "cpus", "pids_limit"} <= service.keys(), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["profiles"] in (["core"], ["observe"]), name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_only_people_and_programs_find_an_open_port_and_only_on_the_chosen_address() -> None:
    opened = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert opened.keys() == {*SERVICES, "grafana"}
    assert all(port.startswith("${ZEREN_BIND:-127.0.0.1}:") for ports in opened.values() for port in ports)
