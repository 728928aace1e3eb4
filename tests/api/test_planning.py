"""The user's face of coverage and of the saturation planner."""

import math

import pytest

from ramify.api.planning import coverage, plan
from ramify.core.errors import BadInput


def test_coverage_at_powers_of_two_and_its_law() -> None:
    curve = coverage([(10, 1), (12, 3), (10, 0), (40, 1)])
    assert [point.k for point in curve.points] == [1, 2, 4, 8, 10]
    assert curve.points[0].value == pytest.approx((0.1 + 0.25 + 0 + 0.025) / 4)
    assert curve.law is not None and curve.law.b < 0 and curve.law.r_squared > 0.95
    assert curve.law.predict(4) == pytest.approx(curve.points[2].value, abs=0.05)
    assert coverage([(4, 4)]).law is None and coverage([(4, 0)], [1, 4]).law is None


def test_plan_stops_where_the_gain_is_small() -> None:
    points = [(n, 0.7 * (1 - 0.8**n), 200.0) for n in (1, 2, 4, 8, 16)]
    found = plan(points, 0.01)
    assert found.budget == math.ceil(math.log(0.01 / 0.14) / math.log(0.8))
    assert found.accuracy == pytest.approx(0.7 * (1 - 0.8**found.budget), rel=1e-4)
    assert found.marginal_gain <= 0.01 < found.curve.marginal_gain(found.budget - 1)


def test_bad_input() -> None:
    for call, says in (
        (lambda: coverage([]), "counts: no problem"),
        (lambda: coverage([(4, 1)], []), "ks: no k"),
        (lambda: coverage([(4, 1)], [5]), "problem 0 has 4 samples"),
        (lambda: coverage([(0, 0)]), "k: 0|n: 0"),
        (lambda: plan([]), "budgets"),
        (lambda: plan([(1, 0.5), (2, 0.6)], 0.0), "epsilon"),
        (lambda: plan([(1, 0.5, 1.0, 2.0)]), "point 0 has 4 numbers"),  # type: ignore[list-item]
    ):
        with pytest.raises(BadInput, match=says):
            call()
