"""Laws made of several: against plain Python on small tables, and at their extremes bit for bit."""

import math

import pytest
import torch

from ramify.core.errors import BadInput
from ramify.maths.products import (
    among_top,
    entropies,
    log_mixture,
    log_product,
    matching_temperature,
    plausible,
    top_masses,
)

A = torch.tensor([[0.1, 2.0, -1.0, 0.4], [3.0, 3.0, -torch.inf, 1.0]], dtype=torch.float64)
B = torch.tensor([[1.0, -2.0, 0.5, -torch.inf], [0.0, 1.0, 2.0, 3.0]], dtype=torch.float64)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, 1.7), (1.5, -0.5)])
def test_the_product_of_powers(weights: tuple[float, float]) -> None:
    p, q = A.softmax(-1), B.softmax(-1)
    want = torch.where((p > 0) & (q > 0), p ** weights[0] * q ** weights[1], 0.0)
    got = log_product(list(zip(weights, (A, B), strict=True))).softmax(-1)
    assert torch.allclose(got, want / want.sum(-1, keepdim=True), atol=1e-15, rtol=0)


def test_a_part_without_weight_has_no_say() -> None:
    assert log_product([(1.0, A), (0.0, B)]) is A
    assert torch.equal(log_product([(2.0, A), (0.0, B)]), log_product([(2.0, A)]))
    with pytest.raises(BadInput, match="weights"):
        log_product([(0.0, A)])


def test_plausible_and_top() -> None:
    assert plausible(A, 0.0).all()
    assert plausible(A, 1.0).tolist() == [[False, True, False, False], [True, True, False, False]]
    assert plausible(A, math.exp(-1.95)).tolist() == [[True, True, False, True], [True, True, False, False]]
    assert among_top(A, 0).all() and among_top(A, 9).all()
    assert among_top(A, 1).tolist() == [[False, True, False, False], [True, False, False, False]]  # ties: lower ids


def test_entropy_and_largest_mass() -> None:
    flat, sure = torch.zeros(1, 4), torch.tensor([[0.0, -torch.inf, -torch.inf, -torch.inf]])
    assert entropies(flat) == pytest.approx([math.log(4)]) and top_masses(flat) == pytest.approx([0.25])
    assert entropies(sure) == [0.0] and top_masses(sure) == [1.0]


def test_mixtures() -> None:
    got = log_mixture(A, B, [0.3, 0.6]).softmax(-1)
    share = torch.tensor([[0.3], [0.6]], dtype=torch.float64)
    assert torch.allclose(got, (1 - share) * A.softmax(-1) + share * B.softmax(-1), atol=1e-15, rtol=0)
    assert torch.equal(log_mixture(A, B, [0.0, 1.0]), torch.stack([A[0], B[1]]))


def test_a_calibrated_model_is_as_sure_as_it_is_right() -> None:
    dice = torch.Generator().manual_seed(0)
    logits = 6 * torch.randn(50, 7, generator=dice, dtype=torch.float64)
    temperature = matching_temperature(logits, 0.6)
    assert temperature > 1.0  # it was too sure
    assert sum(top_masses(logits / temperature)) / 50 == pytest.approx(0.6, abs=1e-9)
    assert matching_temperature(logits, 0.01) == pytest.approx(100.0)  # below what the flattest law has
    with pytest.raises(BadInput, match="calibration"):
        matching_temperature(logits[:0], 0.5)
