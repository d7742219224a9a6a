"""What the long run deals, and what its rounds add up to."""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

from tests.faults.outcome import Outcome, append, read, table
from tests.faults.striker import Record
from tests.faults.strikes import SERVERS, SERVICES, Blow, Kind, Strike, deck, endless
from tests.faults.verdict import Verdict

VOLLEY = Strike(Kind.KILL, "reporting", then=(Blow("broker"), Blow("reporting", 0.5)))


def test_a_volley_strikes_several_at_once_and_one_that_is_just_coming_back() -> None:
    volleys = [strike for strike in deck(Random(7)) if strike.kind is Kind.KILL and strike.then]
    victims = [[name for _, name in strike.struck] for strike in volleys]

    assert {2, 8} <= {len(names) for names in victims} <= {*range(2, 9)}
    assert {name for names in victims for name in names} == {*SERVICES, *SERVERS}
    assert any(max(Counter(names).values()) > 1 for names in victims)
    assert any(all(blow.pause == 0 for blow in strike.then) for strike in volleys)


def test_the_same_seed_strikes_the_same() -> None:
    assert [*islice(endless(Random(7)), 99)] == [*islice(endless(Random(7)), 99)]
    assert [*islice(endless(Random(7)), 99)] != [*islice(endless(Random(8)), 99)]


def test_a_volley_that_takes_the_broker_waits_until_it_may_lose_its_records() -> None:
    assert VOLLEY.needs_records
    assert not Strike(Kind.STOP, "broker", then=(Blow("database"),)).needs_records


def test_what_rounds_came_to_is_kept_in_a_file_and_adds_up(tmp_path: Path) -> None:
    record, verdict = Record(), Verdict(duties=5, facts=70)
    record.note(VOLLEY, 3.0)
    record.note(Strike(Kind.JOIN_AND_KILL, "reminders"), 9.5)
    verdict.wrong["lost"].append("something")
    for seed, judged in ((7, Verdict(duties=4, facts=30)), (8, verdict)):
        about = {"at": datetime(2026, 1, seed, tzinfo=UTC), "tree": "wenzhou", "broker": "kafka"}
        append(tmp_path / "made/tally", Outcome.of(record, judged, seed=seed, minutes=2.5, **about))

    lines = [(name.partition(" / ")[0], value) for name, value in table(read(tmp_path / "made/tally"))]
    shown = dict(reversed(lines))  # who was killed stands before who was stopped

    assert (shown["kills"], shown["  reporting"], shown["  broker"], shown["  a replica"]) == (
        "8",
        "4",
        "2",
        "2",
    )
    assert (shown["duties"], shown["facts"], shown["lost"], shown["early"]) == ("9", "100", "1", "0")
    assert (shown["volleys"], shown["rounds"]) == ("2, ≤ 3", "2 (5 min)")
    assert shown["longest recovery"] == "9.5 s (join, kill reminders)"


def test_before_the_first_round_nothing_has_come_to_anything(tmp_path: Path) -> None:
    shown = dict(table(read(tmp_path / "tally")))

    assert shown["kills / 强杀"] == "0"
