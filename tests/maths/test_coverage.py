"""Coverage: the estimator against every subset, the fit against a planted law."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.maths.coverage import Coverage, PowerLaw, coverage, fit_power_law, pass_at_k


@pytest.mark.parametrize("n", range(1, 8))
def test_estimator_is_the_share_of_subsets_with_a_correct_one(n: int) -> None:
    for c in range(n + 1):
        for k in range(1, n + 1):
            subsets = list(combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-14)


@pytest.mark.parametrize("p", [0.03, 0.5, 0.9])
def test_estimator_is_unbiased(p: float) -> None:
    n = 9
    for k in (1, 4, 9):
        mean = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(n, c, k) for c in range(n + 1))
        assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-13)


@given(st.integers(1, 3000), st.data())
def test_large_counts_against_whole_numbers(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    exact = 1 - math.comb(n - c, k) / math.comb(n, k) if n < 900 else None
    found = pass_at_k(n, c, k)
    assert 0.0 <= found <= 1.0
    assert exact is None or found == pytest.approx(exact, abs=1e-10)


def test_k_of_one_is_the_share_of_correct_samples() -> None:
    found = coverage([(4, 1), (8, 6), (2, 0)], 1)
    values = [0.25, 0.75, 0.0]
    error = math.sqrt(sum((v - 1 / 3) ** 2 for v in values) / 2 / 3)
    assert found == Coverage(1, pytest.approx(1 / 3), pytest.approx(error), 3)  # type: ignore[arg-type]
    assert coverage([(4, 1)], 2).error == math.inf


@pytest.mark.parametrize(("a", "b"), [(-1.7, -0.4), (-0.05, -1.2), (-6.0, -0.1)])
def test_fit_recovers_the_planted_law(a: float, b: float) -> None:
    ks = [1, 3, 10, 100, 1000]
    law = fit_power_law(ks, [math.exp(a * k**b) for k in ks])
    assert (law.a, law.b, law.r_squared) == (pytest.approx(a), pytest.approx(b), pytest.approx(1.0))
    assert law.predict(50) == pytest.approx(math.exp(a * 50**b))


def test_a_point_of_no_weight_does_not_count() -> None:
    law = PowerLaw(-2.0, -0.5, 1.0)
    ks = [1, 4, 16, 64]
    values = [law.predict(k) for k in ks[:3]] + [0.2]
    fitted = fit_power_law(ks, values, [1, 2, 3, 0])
    assert (fitted.a, fitted.b) == (pytest.approx(-2.0), pytest.approx(-0.5))
    assert fit_power_law(ks, values).r_squared < 0.9


def test_fit_minimises_the_weighted_squares() -> None:
    ks, values, weights = [1.0, 2.0, 5.0, 9.0], [0.1, 0.3, 0.35, 0.6], [1.0, 4.0, 2.0, 1.0]

    def squares(a: float, b: float) -> float:
        terms = zip(ks, values, weights, strict=True)
        return sum(w * (math.log(-math.log(v)) - math.log(-a) - b * math.log(k)) ** 2 for k, v, w in terms)

    law = fit_power_law(ks, values, weights)
    least = squares(law.a, law.b)
    for da, db in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert squares(law.a + da, law.b + db) > least


def test_bad_input() -> None:
    for n, c, k, field in ((0, 0, 1, "n"), (3, 4, 1, "c"), (3, 1, 4, "k"), (3, 1, 0, "k"), (3, -1, 1, "c")):
        with pytest.raises(BadInput, match=f"^{field}: "):
            pass_at_k(n, c, k)
    with pytest.raises(BadInput, match="no problem"):
        coverage([], 1)
    with pytest.raises(BadInput, match="problem 1 has 2 samples"):
        coverage([(4, 1), (2, 1)], 3)
    for values in ([0.0, 0.5], [0.5, 1.0]):
        with pytest.raises(BadInput, match="strictly between"):
            fit_power_law([1, 2], values)
    with pytest.raises(BadInput, match="two different k"):
        fit_power_law([2, 2], [0.3, 0.4])
    with pytest.raises(BadInput, match="NaN"):
        fit_power_law([1, 2], [0.3, math.nan])
    with pytest.raises(BadInput, match="outside"):
        PowerLaw(-1, -1, 1).predict(0.5)
