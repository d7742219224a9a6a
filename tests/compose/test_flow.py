"""The stack of docker-compose is not only green: a missed duty goes through it, also after every kill."""

from collections.abc import Iterator

import pytest

from tests.compose.stack import LATENESS, PORTS, Stack
from tests.support.eventually import eventually

CLIMB = ["escalations.duty-missed.v1", "escalations.escalation-raised.v1"]
SERVERS = ("kafka", "mongo")


async def test_a_missed_duty_leaves_the_stack_as_an_escalation_and_its_lateness_is_measured(
    stack: Stack,
) -> None:
    before = stack.late_decisions()

    assert await stack.miss_a_duty("first") == CLIMB

    assert stack.late_decisions() > before


@pytest.mark.parametrize("killed", [*PORTS, *SERVERS])
async def test_a_missed_duty_still_climbs_after_a_kill_of(stack: Stack, killed: str) -> None:
    began = stack.container(killed)["State"]["StartedAt"]

    stack.kill(killed)

    await eventually(lambda: stack.container(killed)["State"]["StartedAt"] != began, within=60, every=0.2)
    await eventually(lambda: stack.is_healthy(killed), within=90, every=0.2)
    await stack.until_ready()
    assert await stack.miss_a_duty(f"after-{killed}") == CLIMB


async def test_prometheus_learns_of_the_lateness(stack: Stack) -> None:
    await stack.miss_a_duty("measured")
    asked = ("exec", "-T", "prometheus", "promtool", "query", "instant", "http://127.0.0.1:9090")

    await eventually(lambda: stack.compose(*asked, f"{LATENESS}_count > 0"), within=60, every=1)


@pytest.fixture(autouse=True)
def _explained(stack: Stack) -> Iterator[None]:
    """Let a failure say what became of the containers."""
    yield
    print(stack.compose("ps", "--all", "--format", "{{.Name}} {{.Status}}"))
