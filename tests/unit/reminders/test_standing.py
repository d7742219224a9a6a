"""What is open stands where the highest who was told is."""

import pytest

from contracts.tree import parse_role
from services.reminders.domain.ladder import POLICIES, rung
from services.reminders.domain.model import Status, Watch
from services.reminders.domain.standing import open_level
from tests.support.reminders import a_duty

OPENED = a_duty()


@pytest.mark.parametrize(
    ("told", "level"),
    [((), 0), ((0,), 0), ((0, 1), 0), ((0, 1, 2), 0), ((3,), 1), ((1, 3, 3), 1), ((3, 5), 3), ((5, 4), 3)],
)
def test_an_open_escalation_stands_at_the_level_of_the_highest_rung_that_told_anybody(
    told: tuple[int, ...], level: int
) -> None:
    posts = tuple((f"post-{n}", k) for n, k in enumerate(told))
    for status in (Status.CLIMBING, Status.EXHAUSTED):
        assert open_level(Watch("d", status, opened=OPENED, rung=9, told=posts)) == level


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.CLIMBING, Status.EXHAUSTED}))
def test_a_duty_that_is_not_missed_or_has_ended_is_not_open(status: Status) -> None:
    assert open_level(Watch("d", status, opened=OPENED, told=(("post", 3),))) is None


def test_every_rung_of_every_ladder_speaks_on_one_level() -> None:
    for policy in POLICIES.values():
        for k in range(10):
            assert len({parse_role(role)[0] for role in rung(policy, k).roles}) == 1
