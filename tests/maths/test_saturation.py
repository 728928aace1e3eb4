"""The saturation model: exact curves are recovered, simulated solvers within their noise."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.maths.saturation import Saturation, fit

BUDGETS = [1, 2, 4, 8, 16, 32]


def curve(f_max: float, p: float) -> Saturation:
    return Saturation(f_max, -math.log1p(-p))


@pytest.mark.parametrize(("f_max", "p"), [(0.8, 0.1), (1.0, 0.02), (0.3, 0.6), (0.9, 0.001)])
def test_fit_recovers_an_exact_curve(f_max: float, p: float) -> None:
    true = curve(f_max, p)
    budgets = [n / (40 * p) for n in range(1, 90)]
    found = fit(budgets, [true.accuracy(n) for n in budgets])
    assert (found.f_max, found.p) == (pytest.approx(f_max, rel=1e-4), pytest.approx(p, rel=1e-4))
    assert found.residual < 1e-5


def test_fit_to_simulated_solvers() -> None:
    """6,000 problems, 70% of them solvable, p = 0.15 a sample: four standard errors (false alarm 1e-4 a number)."""
    dice, problems, f_max, p = random.Random(5), 6000, 0.7, 0.15
    accuracies = []
    for n in BUDGETS:  # fresh problems at each budget, so that the points are independent
        solved = [dice.random() < f_max and any(dice.random() < p for _ in range(n)) for _ in range(problems)]
        accuracies.append(sum(solved) / problems)
    found = fit(BUDGETS, accuracies)
    # Cramer-Rao from binomial noise of the six points, for a fit by equal weights: see the sandwich below
    rows = [(-math.expm1(n * math.log1p(-p)), f_max * n * (1 - p) ** (n - 1)) for n in BUDGETS]
    a, b, d = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    det = a * d - b * b
    noise = [f_max * g * (1 - f_max * g) / problems for g, _ in rows]
    error_f = math.sqrt(sum(v * ((d * g - b * h) / det) ** 2 for v, (g, h) in zip(noise, rows, strict=True)))
    error_p = math.sqrt(sum(v * ((a * h - b * g) / det) ** 2 for v, (g, h) in zip(noise, rows, strict=True)))
    assert abs(found.f_max - f_max) < 4 * error_f < 0.03
    assert abs(found.p - p) < 4 * error_p < 0.03
    assert abs(found.saturation_budget(0.001) - curve(f_max, p).saturation_budget(0.001)) <= 5


def test_marginal_gain_is_the_difference() -> None:
    true = curve(0.6, 0.2)
    for n in range(20):
        assert true.marginal_gain(n) == pytest.approx(true.accuracy(n + 1) - true.accuracy(n), abs=1e-15)
    assert (true.accuracy(0), true.accuracy(1)) == (0.0, pytest.approx(0.12))


@given(st.floats(0.05, 1.0), st.floats(0.001, 0.95), st.floats(1e-6, 0.5))
def test_saturation_budget_is_the_first_small_gain(f_max: float, p: float, epsilon: float) -> None:
    true = curve(f_max, p)
    n = true.saturation_budget(epsilon)
    assert true.marginal_gain(n) <= epsilon * (1 + 1e-6)
    assert n == 1 or true.marginal_gain(n - 1) > epsilon * (1 - 1e-6)


def test_weights_count_as_repetitions() -> None:
    y = [0.2, 0.3, 0.5, 0.4, 0.55, 0.5]
    heavy = fit(BUDGETS, y, [1, 1, 3, 1, 1, 1])
    repeated = fit([*BUDGETS, 4, 4], [*y, 0.5, 0.5])
    assert (heavy.f_max, heavy.p) == (pytest.approx(repeated.f_max, rel=1e-4), pytest.approx(repeated.p, rel=1e-4))


def test_level_points_are_saturated_at_once() -> None:
    found = fit([1, 2, 4], [0.4, 0.4, 0.4])
    assert (found.f_max, found.saturation_budget(1e-3)) == (pytest.approx(0.4), 1)


def test_bad_input() -> None:
    for budgets, y, says in (
        ([1], [0.5], "at least 2"),
        ([3, 3], [0.5, 0.6], "two different budgets"),
        ([0, 3], [0.5, 0.6], "budget of 0"),
        ([1, 3], [0.0, 0.0], "no success"),
        ([1, 3], [0.5, 1.1], "outside"),
        ([1, 3], [0.5, math.nan], "NaN"),
        ([1, 3, 4], [0.5, 0.6], "one each"),
    ):
        with pytest.raises(BadInput, match=says):
            fit(budgets, y)
    with pytest.raises(BadInput, match="epsilon"):
        curve(0.5, 0.5).saturation_budget(0.0)
