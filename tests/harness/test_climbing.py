"""How much of a method the budget pays for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.harness.cells import scales
from ramify.harness.climbing import MOST_N, NEAR, climb, next_n
from ramify.harness.spec import Spec
from ramify.harness.trial import nearest
from tests.harness.made import trial


def test_between_two_trials_the_line_through_them_decides() -> None:
    trials = [trial(2, 20.0), trial(32, 320.0)]
    assert next_n(trials, 80.0) == 8
    assert next_n([trial(1, 10.0), trial(16, 40.0)], 20.0) == 4


def test_beyond_the_last_trial_the_last_slope_goes_on() -> None:
    assert next_n([trial(1, 10.0), trial(4, 20.0)], 40.0) == 16
    assert next_n([trial(1, 10.0), trial(2, 10.1)], 20.2) < 32  # two close points say nothing
    assert next_n([trial(1, 10.0)], 20.0) in (2, 3)


def test_n_stays_in_bounds() -> None:
    assert next_n([trial(MOST_N // 2, 10.0)], 1e9) == MOST_N
    assert next_n([trial(2, 10.0), trial(4, 20.0)], 0.1) == 1


@given(st.floats(0.1, 5.0), st.floats(0.6, 1.0), st.lists(st.floats(1.5, 60.0), min_size=1, max_size=3))
def test_every_budget_is_met_as_closely_as_whole_numbers_allow(fixed: float, power: float, wanted: list[float]) -> None:
    def cost(n: int) -> float:
        return fixed + n**power

    targets = [value * cost(1) for value in wanted]
    trials = climb(lambda n: trial(n, cost(n)), 1, targets)
    for target in targets:
        got = nearest(trials, target)
        assert got.n is not None
        between = cost(got.n - 1) < target < cost(got.n + 1)
        assert got.n == MOST_N or between or abs(got.cost / target - 1) <= NEAR


def test_a_climb_begins_where_the_method_begins() -> None:
    trials = climb(lambda n: trial(n, 5.0 * n), 4, [100.0])
    assert trials[0].n == 4 and min(t.n or 0 for t in trials) == 4
    assert trials[-1].n == 20


def test_which_methods_climb() -> None:
    specs = [Spec("greedy"), Spec("sample"), Spec("best-of-n"), Spec("majority-vote"), Spec("best-of-n", (("n", 4),))]
    assert [scales(spec) for spec in specs] == [False, False, True, True, False]
    assert scales(Spec("qalign")) and Spec("qalign").size == "steps"


def test_nearest_is_by_ratio() -> None:
    assert nearest([trial(1, 50.0), trial(2, 180.0)], 100.0).n == 2
    assert trial(2, 180.0).cost == pytest.approx(180.0)
