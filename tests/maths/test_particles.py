"""Resampling over lists: unbiased, by walking through every outcome, and the same as over tensors."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.maths import resampling as tensors
from ramify.maths.particles import (
    SCHEMES,
    Resampling,
    effective_sample_size,
    log_mean_exp,
    normalised,
    residual,
    stratified,
    systematic,
)

INF = math.inf
WEIGHTS = [(0.5, 0.0, 1 / 12, 5 / 12), (1.0, 0.0, 0.0), (0.0, 1.0), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.7, 0.1, 0.0, 0.2)]


def outcomes(plan: Resampling) -> Iterator[tuple[float, list[int]]]:
    """Every (chance, ancestors)."""
    intervals = [list(pairwise((0.0, *cuts, 1.0))) for cuts in plan.cuts]
    for path in product(*intervals):
        yield math.prod(b - a for a, b in path), plan.ancestors([(a + b) / 2 for a, b in path])


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("name", SCHEMES)
def test_expected_copies_are_n_times_the_weight(name: str, n: int, weights: Sequence[float]) -> None:
    every = list(outcomes(SCHEMES[name](weights, n)))
    assert math.fsum(chance for chance, _ in every) == pytest.approx(1.0, abs=1e-12)
    for i, w in enumerate(weights):
        expected = math.fsum(chance * ancestors.count(i) for chance, ancestors in every)
        assert expected == pytest.approx(n * w, abs=1e-12)
        assert w or all(i not in ancestors for _, ancestors in every)
    assert {len(ancestors) for _, ancestors in every} == {n}


@pytest.mark.parametrize("name", SCHEMES)
def test_an_interval_has_one_outcome_and_neighbours_differ(name: str) -> None:
    plan = SCHEMES[name](WEIGHTS[0], 3)
    middles = [0.123] * len(plan.cuts)
    for j, cuts in enumerate(plan.cuts):
        seen = []
        for a, b in pairwise((0.0, *cuts, 1.0)):
            points = [a, a + 0.01 * (b - a), (a + b) / 2, math.nextafter(b, 0.0)]
            drawn = [plan.ancestors([*middles[:j], u, *middles[j + 1 :]]) for u in points]
            assert all(d == drawn[0] for d in drawn)
            seen.append(drawn[0])
        assert all(left != right for left, right in pairwise(seen))


LOGWEIGHTS = st.lists(st.one_of(st.just(-INF), st.floats(-30, 30)), min_size=1, max_size=9).filter(
    lambda values: max(values) > -INF
)


@given(LOGWEIGHTS, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_agrees_with_tensors(logweights: list[float], u: list[float]) -> None:
    """At the same uniforms the ancestors are the same, unless a point lies within rounding of a cut."""
    weights, n, logweight_N = normalised(logweights), len(u), torch.tensor(logweights, dtype=torch.float64)
    assert weights == pytest.approx(logweight_N.softmax(-1).tolist(), rel=1e-12)
    assert effective_sample_size(logweights) == pytest.approx(tensors.effective_sample_size(logweight_N))
    cases = [
        (SCHEMES["multinomial"](weights, n), u, tensors.multinomial(logweight_N, u)),
        (stratified(weights, n), u, tensors.stratified(logweight_N, u)),
        (systematic(weights, n), u[:1], tensors.systematic(logweight_N, n, u[0])),
    ]
    for plan, uniforms, want in cases:
        near = any(abs(cut - x) < 1e-12 for copy in plan.copies for cut in copy.cuts for x in uniforms)
        assert near or plan.ancestors(uniforms) == want


def test_residual_needs_no_chance_where_the_copies_are_whole() -> None:
    plan = residual(normalised([0.0, 0.0, 0.0]), 6)
    assert plan.cuts == [] and plan.ancestors([]) == [0, 0, 1, 1, 2, 2]


def test_residual_spreads_less_than_multinomial() -> None:
    def variance(name: str) -> float:
        every = list(outcomes(SCHEMES[name](WEIGHTS[0], 4)))
        return sum(chance * (ancestors.count(0) - 2.0) ** 2 for chance, ancestors in every)

    assert variance("multinomial") == pytest.approx(1.0)  # 4 * 1/2 * 1/2
    assert variance("residual") == pytest.approx(0.0)


def test_weights() -> None:
    assert normalised([-1000.0, -INF, -1000.0]) == [0.5, 0.0, 0.5]
    assert normalised([math.log(3) + 900, 900.0]) == pytest.approx([0.75, 0.25])
    assert log_mean_exp([math.log(3), math.log(1), -INF]) == pytest.approx(math.log(4 / 3))
    assert log_mean_exp([-INF, -INF]) == -INF
    assert effective_sample_size([0.0, 0.0, -INF]) == pytest.approx(2)


@pytest.mark.parametrize(
    ("logweights", "says"),
    [([], "at least 1"), ([-INF, -INF], "all 2 are -inf"), ([0.0, math.nan], "log-weight 1"), ([INF], "finite or")],
)
def test_weights_that_are_none(logweights: list[float], says: str) -> None:
    with pytest.raises(BadInput, match=f"reward: .*{says}"):
        normalised(logweights)


@pytest.mark.parametrize("name", SCHEMES)
def test_bad_input(name: str) -> None:
    with pytest.raises(BadInput, match="n: "):
        SCHEMES[name]([1.0], 0)
    with pytest.raises(BadInput, match=r"sum to 0\.9"):
        SCHEMES[name]([0.5, 0.4], 2)
    with pytest.raises(BadInput, match="number 1 is NaN"):
        SCHEMES[name]([0.5, math.nan], 2)
    plan = SCHEMES[name]([0.3, 0.7], 2)
    with pytest.raises(BadInput, match=f"{len(plan.cuts)} needed"):
        plan.ancestors([0.5] * (len(plan.cuts) + 1))
    with pytest.raises(BadInput, match="number 0 is 1"):
        plan.ancestors([1.0] * len(plan.cuts))
