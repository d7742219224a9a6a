"""Every planted fault can be planted: its place is in the code, once."""

from tests.mutants.__main__ import ROOT
from tests.mutants.faults import MUTANTS


def test_each_planted_fault_has_its_one_place() -> None:
    assert [m.name for m in MUTANTS if (ROOT / m.path).read_text().count(m.old) != 1] == []


def test_no_two_planted_faults_bear_one_name() -> None:
    names = [mutant.name for mutant in MUTANTS]

    assert sorted(names) == sorted(set(names))
