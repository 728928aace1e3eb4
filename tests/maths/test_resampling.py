"""Resampling: unbiased, by averaging over every outcome exactly."""

import math
from collections.abc import Sequence
from itertools import product

import pytest
import torch

from ramify.maths.resampling import effective_sample_size, multinomial, stratified, systematic

TWELFTHS = [(6, 0, 1, 5), (12, 0, 0, 0), (0, 0, 12, 0), (3, 3, 3, 3), (0, 11, 1, 0)]  # weights, in twelfths
n = 4
MIDDLES = [(i + 0.5) / 12 for i in range(12)]  # every boundary of a scheme's outcome is a multiple of 1 / 12


def logweights(twelfths: Sequence[int], shift: float = 0.0) -> torch.Tensor:
    return torch.tensor([math.log(w) + shift if w else -math.inf for w in twelfths], dtype=torch.float64)


def copies(drawn: Sequence[Sequence[int]], i: int) -> float:
    return sum(list(d).count(i) for d in drawn) / len(drawn)


@pytest.mark.parametrize("twelfths", TWELFTHS, ids=str)
@pytest.mark.parametrize("shift", [0.0, -1000.0, 700.0])
def test_expected_copies_are_n_times_the_weight(twelfths: tuple[int, ...], shift: float) -> None:
    weights = logweights(twelfths, shift)
    ways = {
        "multinomial": [multinomial(weights, [u] * n) for u in MIDDLES],  # each draw alone has the same expectation
        "systematic": [systematic(weights, n, u) for u in MIDDLES],
        "stratified": [stratified(weights, [u] * n) for u in MIDDLES],
    }
    for drawn in ways.values():
        for i, w in enumerate(twelfths):
            assert copies(drawn, i) == pytest.approx(n * w / 12, abs=1e-12)


def test_multinomial_draws_are_independent() -> None:
    weights = logweights((6, 0, 1, 5))
    pairs = [tuple(multinomial(weights, pair)) for pair in product(MIDDLES, repeat=2)]
    for i, j in product(range(4), repeat=2):
        assert pairs.count((i, j)) == [6, 0, 1, 5][i] * [6, 0, 1, 5][j]


def test_strata_are_independent() -> None:
    """Each point stays in its own stratum, whatever the others are."""
    weights = logweights((3, 3, 3, 3))
    for uniforms in product([0.0, 0.5, 0.9999999999, 1 - 2.0**-50], repeat=n):
        assert stratified(weights, uniforms) == [0, 1, 2, 3]


@pytest.mark.parametrize("uniform", [0.0, 0.3, 1 - 2.0**-53])
def test_systematic_copies_differ_from_the_expectation_by_less_than_one(uniform: float) -> None:
    torch.manual_seed(2)
    for _ in range(50):
        weights = torch.randn(9, dtype=torch.float64) * 2
        drawn = systematic(weights, 20, uniform)
        for i, w in enumerate(weights.softmax(-1).tolist()):
            assert abs(drawn.count(i) - 20 * w) < 1


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2.0**-53])
def test_zero_weight_is_never_drawn(uniform: float) -> None:
    weights = logweights((0, 5, 0, 7, 0))
    for drawn in (
        multinomial(weights, [uniform] * 7),
        systematic(weights, 7, uniform),
        stratified(weights, [uniform] * 7),
    ):
        assert len(drawn) == 7
        assert set(drawn) <= {1, 3}


def test_effective_sample_size() -> None:
    assert effective_sample_size(torch.zeros(5)) == pytest.approx(5)
    assert effective_sample_size(torch.tensor([0.0, -math.inf, -math.inf])) == pytest.approx(1)
    assert effective_sample_size(logweights((6, 0, 1, 5), -900.0)) == pytest.approx(144 / (36 + 1 + 25))
