"""What Grafana can only see if it is counted from nought."""

import pytest
from prometheus_client import REGISTRY

from contracts.duties import Line
from services.reminders.metrics import LEVELS, count_from_nought


@pytest.mark.parametrize("line", Line)
@pytest.mark.parametrize("level", range(LEVELS))
def test_every_level_and_line_of_the_ladder_is_there_before_anything_is_raised(
    level: int, line: Line
) -> None:
    count_from_nought()
    labels = {"level": str(level), "line": str(line)}
    assert REGISTRY.get_sample_value("reminders_raised_total", labels) is not None
