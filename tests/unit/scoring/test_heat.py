"""Where pressure is lost on the way down."""

from collections.abc import Mapping
from fractions import Fraction

import pytest

from contracts.directory import UnitClosed, UnitMoved, UnitPlaced
from contracts.envelope import Fact
from contracts.scores import HeatFlagged, HeatUnflagged
from services.scoring.app import SHAPE
from services.scoring.domain.decide import decide
from services.scoring.domain.flags import windows_for
from services.scoring.domain.heat import SCHEME, HeatScheme, gap, is_lost
from services.scoring.domain.model import (
    HEAT,
    BeginHeat,
    CloseMonth,
    FlagStood,
    Heat,
    HeatBegun,
    JudgeEdges,
    MonthJudged,
    Reading,
)
from services.scoring.domain.months import ends_at
from services.scoring.domain.rate import Rate
from services.scoring.domain.territory import depths, edge, edges, sides, uppers
from shared.decider import Decider
from shared.testing.given import Given, Scene
from tests.support.scoring import CITIES, COUNTIES, PROVINCE, ZONE, a_province, tree_of

NOW = ends_at("2026-02", ZONE)
HEAT_SCENE = Scene(Decider(decide, SHAPE), HEAT)
BEGUN, JAN = HeatBegun(scheme="heat/1", month="2026-02"), MonthJudged(scheme="heat/1", month="2026-02")
LOST, KEPT, NONE = (Rate(9, 10), Rate(7, 10)), (Rate(9, 10), Rate(8, 10)), (Rate(9, 10), Rate())
UNFLAGGED = HeatUnflagged(unit="p", kind="vertical", window="2026-03")

Sides = tuple[Rate, Rate]


def flagged(unit: str = "p", *windows: str, sides: Sides = LOST) -> HeatFlagged:
    """Return the flag of an edge."""
    upper, lower = sides
    return HeatFlagged(
        unit=unit,
        kind="vertical",
        scheme="heat/1",
        windows=windows or ("2026-01", "2026-02"),
        upper_on_time=upper.on_time,
        upper_due=upper.due,
        upper_late=upper.late,
        lower_on_time=lower.on_time,
        lower_due=lower.due,
        lower_late=lower.late,
    )


def judging(month: str, **sides: Sides) -> JudgeEdges:
    """Return the wish to judge one edge by windows like ``jan=LOST``."""
    names = {"dec": "2025-12", "jan": "2026-01", "feb": "2026-02", "mar": "2026-03"}
    return JudgeEdges(month, (Reading("p", {names[name]: both for name, both in sides.items()}),))


def after(*facts: Fact) -> Given:
    return HEAT_SCENE.given(*facts)


def flags_of(means: Mapping[str, Rate], windows: tuple[str, ...]) -> set[str]:
    """Return the units below which pressure is lost, if in these windows each committee did the same."""
    found = tuple(
        Reading(one.unit, dict.fromkeys(windows, sides(one, means))) for one in edges(tree_of(a_province()))
    )
    decided = decide(Heat("2026-02"), JudgeEdges("2026-02", found), NOW)
    return {fact.unit for fact in decided if isinstance(fact, HeatFlagged)}


MEANS = {
    PROVINCE: Rate(19, 20),
    **dict.fromkeys(CITIES, Rate(18, 20)),
    **dict.fromkeys(COUNTIES, Rate(11, 20)),
}


class TestTheRightEdgeAndOnlyThere:
    def test_v1_counties_far_behind_their_cities_are_flagged_at_the_cities_and_only_there(self) -> None:
        assert flags_of(MEANS, ("2026-01", "2026-02")) == {*CITIES}

    def test_v1_of_two_cities_only_the_one_whose_counties_lag_is_flagged(self) -> None:
        means = MEANS | dict.fromkeys(COUNTIES[:2], Rate(17, 20))

        assert flags_of(means, ("2026-01", "2026-02")) == {CITIES[1]}

    @pytest.mark.parametrize("window", ["2026-01", "2026-02"])
    def test_v1_one_window_is_not_enough(self, window: str) -> None:
        assert flags_of(MEANS, (window,)) == set()

    def test_v1_all_below_a_unit_count_together_each_by_what_was_due(self) -> None:
        means = MEANS | {COUNTIES[0]: Rate(90, 100), COUNTIES[1]: Rate(0, 10)}

        assert flags_of(means, ("2026-01", "2026-02")) == {CITIES[1]}

    def test_v1_a_discipline_committee_counts_with_its_party_committee(self) -> None:
        means = {f"{unit}-dc": rate for unit, rate in MEANS.items()}

        assert flags_of(means, ("2026-01", "2026-02")) == {*CITIES}

    @pytest.mark.parametrize("silent", [CITIES, COUNTIES, (PROVINCE, *CITIES, *COUNTIES)])
    def test_v1_nothing_is_flagged_where_nothing_was_due(self, silent: tuple[str, ...]) -> None:
        means = {unit: rate for unit, rate in MEANS.items() if unit not in silent}

        assert flags_of(means, ("2026-01", "2026-02")) & {*CITIES} == set()


class TestTheThreshold:
    def test_v1_a_gap_of_exactly_the_threshold_is_a_loss_and_the_smallest_amount_less_is_not(self) -> None:
        upper, lower = Rate(1_000_000, 1_000_000), Rate(800_000, 1_000_000)
        little = Rate(800_000, 1_000_000, late=1)

        assert (gap(upper, lower), is_lost(upper, lower, SCHEME)) == (Fraction(1, 5), True)
        assert is_lost(upper, little, SCHEME) is False

    def test_v1_those_below_may_be_hotter(self) -> None:
        assert is_lost(Rate(0, 10), Rate(10, 10), SCHEME) is False

    def test_a_scheme_is_data(self) -> None:
        scheme = HeatScheme(version=2, threshold=Fraction(1, 10), windows=1)
        decided = decide(Heat("2026-02"), judging("2026-02", feb=KEPT), NOW, scheme=scheme)

        assert [(f.scheme, f.windows) for f in decided if isinstance(f, HeatFlagged)] == [
            ("heat/2", ("2026-02",))
        ]


class TestAFlag:
    def test_v1_is_raised_with_the_numbers_of_the_last_window(self) -> None:
        late = (Rate(8, 10, late=2), Rate(5, 10, late=1))
        wish = judging("2026-02", jan=LOST, feb=late)

        after(BEGUN).when(wish, at=NOW).then(flagged(sides=late)).given().when(wish, at=NOW).then_nothing()

    def test_v1_is_not_raised_over_a_window_without_data(self) -> None:
        after(BEGUN).when(judging("2026-02", jan=NONE, feb=LOST), at=NOW).then_nothing()
        after(BEGUN).when(judging("2026-02", dec=LOST, feb=LOST), at=NOW).then_nothing()

    def test_v1_stands_on_newer_windows_without_a_word_to_others(self) -> None:
        stood = FlagStood(scheme="heat/1", unit="p", windows=("2026-02", "2026-03"))
        wish = judging("2026-03", jan=LOST, feb=LOST, mar=LOST)

        after(BEGUN, flagged(), JAN).when(wish, at=NOW).then(stood).given().when(wish, at=NOW).then_nothing()

    def test_v1_ends_when_the_gap_is_closed(self) -> None:
        wish = judging("2026-03", jan=LOST, feb=LOST, mar=KEPT)

        after(BEGUN, flagged(), JAN).when(wish, at=NOW).then(UNFLAGGED).given().when(
            wish, at=NOW
        ).then_nothing()

    def test_v1_ends_when_the_misses_on_which_it_rests_were_withdrawn(self) -> None:
        wish = judging("2026-03", jan=KEPT, feb=LOST, mar=NONE)

        after(BEGUN, flagged(), JAN).when(wish, at=NOW).then(UNFLAGGED)

    def test_v1_is_not_ended_by_a_month_without_data(self) -> None:
        after(BEGUN, flagged(), JAN).when(
            judging("2026-03", jan=LOST, feb=LOST, mar=NONE), at=NOW
        ).then_nothing()

    def test_v1_outlives_a_month_without_data_between_two_losses(self) -> None:
        flag = flagged("p", "2025-12", "2026-01")
        wish = judging("2026-03", dec=LOST, jan=LOST, feb=NONE, mar=LOST)

        after(BEGUN, flag, JAN).when(wish, at=NOW).then_nothing()

    def test_v1_ends_with_the_edge(self) -> None:
        after(BEGUN, flagged(), JAN).when(judging("2026-03"), at=NOW).then(UNFLAGGED)


class TestMonths:
    def test_heat_begins_once(self) -> None:
        after().when(BeginHeat("2026-02"), at=NOW).then(BEGUN)
        after(BEGUN).when(BeginHeat("2026-05"), at=NOW).then_nothing()

    def test_a_month_is_closed_once_and_the_next_one_is_waited_for(self) -> None:
        wish = CloseMonth("2026-02")
        closed = after(BEGUN).when(wish, at=NOW).then(JAN)

        assert SHAPE.wake_at(closed.before) == int(ends_at("2026-02", ZONE).timestamp()) * 10**6
        assert SHAPE.wake_at(closed.state) == int(ends_at("2026-03", ZONE).timestamp()) * 10**6
        closed.given().when(wish, at=NOW).then_nothing()
        closed.given().when(judging("2026-02", jan=LOST, feb=LOST), at=NOW).then_nothing()

    def test_what_has_not_begun_wakes_nobody(self) -> None:
        assert SHAPE.wake_at(Heat()) is None

    def test_the_windows_on_which_flags_rest_are_looked_at_again(self) -> None:
        heat = Heat("2026-03", {"p": ("2025-01", "2025-02")})

        assert windows_for(heat, SCHEME) == {"2025-01", "2025-02", "2026-02", "2026-03"}


class TestTheTree:
    def test_an_edge_leads_from_a_territory_to_all_directly_below_it(self) -> None:
        found = edge(tree_of(a_province()), PROVINCE)

        assert found is not None
        assert found.upper == ("p", "p-dc")
        assert found.lower == ("p-1", "p-1-dc", "p-2", "p-2-dc")

    def test_the_lowest_units_have_no_edge(self) -> None:
        tree = tree_of(a_province())

        assert [one.unit for one in edges(tree)] == [PROVINCE, *CITIES]
        assert uppers(tree, CITIES[0]) == [CITIES[0]]
        assert uppers(tree, COUNTIES[0]) == []

    def test_levels_go_down_from_any_unit(self) -> None:
        tree = tree_of(a_province())

        assert list(depths(tree, PROVINCE)) == [[PROVINCE], [*CITIES], [*COUNTIES]]
        assert list(depths(tree, COUNTIES[1])) == [[COUNTIES[1]]]

    def test_what_a_closed_unit_owed_is_not_forgotten_but_nothing_is_lost_below_it(self) -> None:
        tree = tree_of([*a_province(), UnitClosed(unit=CITIES[0])])

        assert edge(tree, CITIES[0]) is None
        above = edge(tree, PROVINCE)
        assert above is not None
        assert CITIES[0] in above.lower

    def test_the_tree_of_the_day_counts_and_so_do_units_of_any_kind(self) -> None:
        office = UnitPlaced(unit="office", name="", kind="department", parent=CITIES[0])
        tree = tree_of([*a_province(), office, UnitMoved(unit=COUNTIES[0], parent=CITIES[1])])

        below = [edge(tree, city) for city in CITIES]
        assert [one.lower for one in below if one is not None] == [
            ("p-1-2", "p-1-2-dc", "office"),
            ("p-2-1", "p-2-1-dc", "p-2-2", "p-2-2-dc", "p-1-1", "p-1-1-dc"),
        ]
