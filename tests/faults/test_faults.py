"""The story under faults, for as long as a test may last; `make faults` goes on for longer."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from deploy.embedded.parameters import Parameters
from deploy.embedded.supervisor import Stack
from tests.faults.round import RESTARTS, VILLAGE, play
from tests.faults.striker import Record
from tests.faults.strikes import short_deck
from tests.faults.verdict import lines

SEED = 7


@pytest.mark.timeout(600)
async def test_whoever_is_killed_or_stopped_while_the_story_runs_nothing_is_lost_doubled_early_or_untrue(
    tmp_path: Path,
) -> None:
    deck, record = short_deck(Random(SEED)), Record()

    parameters = Parameters(root=VILLAGE, seed=SEED)
    stack = Stack(tmp_path / "data", restarts=RESTARTS)
    verdict = await play(stack, parameters, iter(deck), record, exhaust=True)

    assert lines(verdict) == []
    assert record.strikes == Counter(one for strike in deck for one in strike.struck)
    assert record.volleys == {3: 1}
    assert min(verdict.duties, verdict.facts, record.longest) > 0
