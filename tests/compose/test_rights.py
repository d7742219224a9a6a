"""What nobody may do in the stack: on the broker, in the database, in a container, from outside."""

import json
import subprocess

import pytest

from deploy.stack.rights import SERVICES
from tests.compose.images import VERSION
from tests.compose.stack import HOST, PORTS, PROJECT, Stack

SEND = """
import asyncio, sys
from aiokafka import AIOKafkaProducer
from shared.cluster import Cluster, reached
from pathlib import Path
folder = Path("/run/secrets")
password = folder / "kafka_password"
async def main():
    options = reached(Cluster("kafka:9092", sys.argv[1], password, folder / "ca.pem"))
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(sys.argv[2], b"{}", partition=0)
        print("taken")
asyncio.run(main())
"""


def send(stack: Stack, user: str, topic: str, *, password_of: str = "") -> str:
    """Return what becomes of a record that a user sends to a topic."""
    secret = stack.secrets / f"{password_of or user}_kafka_password"
    mounts = (
        f"-v{secret}:/run/secrets/kafka_password:ro",
        f"-v{stack.secrets / 'ca.pem'}:/run/secrets/ca.pem:ro",
    )
    where = ("--network", f"{PROJECT}_inside", f"zeren/setup:{VERSION}")
    command = ["docker", "run", "--rm", *mounts, *where, "python", "-c", SEND, user, topic]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


def test_a_service_may_write_its_own_topics(stack: Stack) -> None:
    assert send(stack, "inspection", "inspections") == "taken"


@pytest.mark.parametrize(
    ("user", "topic"), [("inspection", "escalations"), ("scoring", "duties"), ("subscriber", "escalations")]
)
def test_nobody_may_write_a_topic_of_another(stack: Stack, user: str, topic: str) -> None:
    assert "TopicAuthorizationFailed" in send(stack, user, topic)


def test_nobody_signs_in_with_the_password_of_another(stack: Stack) -> None:
    assert "uthentication" in send(stack, "reminders", "escalations", password_of="scoring")


def test_no_port_is_open_that_a_user_does_not_need(stack: Stack) -> None:
    opened = {
        (binding["HostIp"], int(binding["HostPort"]))
        for service in (*PORTS, "kafka", "mongo")
        for bindings in stack.container(service)["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }

    assert opened == {(HOST, port) for port in PORTS.values()}


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_its_own_service_only_and_runs_as_nobody_of_importance(
    stack: Stack, service: str
) -> None:
    inside = ("exec", "-T", service, "sh", "-c")

    assert stack.compose(*inside, "id -u").strip() == "10001"
    found = stack.compose(*inside, "ls /srv/services; ls /srv").split()
    assert set(found) - {"__init__.py", "__pycache__"} == {service, "contracts", "services", "shared"}
    assert "Read-only" in stack.compose(*inside, "touch /srv/x 2>&1 || true")
    assert "/run/secrets/private.pem" not in stack.compose(*inside, "find /run/secrets -type f")


def test_every_container_is_limited_and_its_log_is_rotated(stack: Stack) -> None:
    for service in (*PORTS, "kafka", "mongo"):
        host = stack.container(service)["HostConfig"]
        assert host["Memory"] > 0, service
        assert host["NanoCpus"] > 0, service
        assert host["PidsLimit"] > 0, service
        assert host["LogConfig"]["Config"]["max-size"] == "10m", service


def test_a_stop_lets_a_service_say_what_it_has_to_say(stack: Stack) -> None:
    stack.compose("stop", "scoring")
    try:
        assert stack.container("scoring")["State"]["ExitCode"] == 0
        last = stack.compose("logs", "--no-log-prefix", "--tail", "1", "scoring")
        assert json.loads(last)["event"] == "stopped"
    finally:
        stack.compose("start", "scoring")
