"""The story under faults, for as long as a test may last; `make faults` goes on for longer."""

from pathlib import Path
from random import Random

import pytest

from deploy.embedded.parameters import Parameters
from tests.faults.round import VILLAGE, play
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
    verdict = await play(tmp_path / "data", parameters, iter(deck), record, exhaust=True)

    assert lines(verdict) == []
    assert record.strikes == {(strike.kind, strike.victim): 1 for strike in deck}
    assert min(verdict.duties, verdict.facts, record.longest) > 0
