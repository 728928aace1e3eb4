"""The draw: the inverse distribution function, and never an index of zero mass."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.sampling import Rule
from ramify.maths.law import Law, final_law, inverse_cdf

ALMOST_ONE = 1.0 - 2.0**-53
UNIFORM = st.one_of(st.sampled_from([0.0, 2.0**-53, 0.5, ALMOST_ONE]), st.floats(0, 1, exclude_max=True))
MASS = st.one_of(st.sampled_from([0.0, 0.25, 1.0]), st.floats(1e-30, 1.0))


@given(st.lists(MASS, min_size=1, max_size=12).filter(any), UNIFORM)
@settings(max_examples=600, deadline=None)
def test_inverse_cdf_by_definition(mass: list[float], uniform: float) -> None:
    cumulated, total = 0.0, math.fsum(mass)
    index = int(inverse_cdf(torch.tensor([mass], dtype=torch.float64), torch.tensor([uniform], dtype=torch.float64)))
    assert mass[index] > 0.0
    cumulated = math.fsum(mass[:index])
    slack = 1e-12 * total
    assert cumulated - slack <= uniform * total <= cumulated + mass[index] + slack


@pytest.mark.parametrize("uniform", [0.0, 1e-300, 0.3, 0.999999999, ALMOST_ONE])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_mass_is_never_drawn(uniform: float, dtype: torch.dtype) -> None:
    """Also where float32 masses sum to less (or more) than one, and zeros stand at both ends."""
    torch.manual_seed(1)
    logits = torch.randn(64, 4096).to(dtype)
    logits[:, :7] = logits[:, -9:] = -math.inf
    for rule in (Rule(), Rule(top_p=0.5), Rule(min_p=0.2), Rule(top_k=11)):
        law = final_law(logits, rule, [()] * 64, [()] * 64)
        drawn = torch.tensor(law.draw([uniform] * 64))
        assert (law.dense(4096).gather(1, drawn[:, None]) > 0).all()


@pytest.mark.parametrize("scale", [1e-3, 0.9999, 1.0, 1.0001, 1e3])
def test_masses_need_not_sum_to_one(scale: float) -> None:
    mass = torch.tensor([[0.2, 0.0, 0.5, 0.3, 0.0]]) * scale
    for uniform, want in ((0.0, 0), (0.19, 0), (0.21, 2), (0.69, 2), (0.71, 3), (ALMOST_ONE, 3)):
        assert inverse_cdf(mass, torch.tensor([uniform], dtype=torch.float64)).tolist() == [want]


def test_a_grid_of_uniforms_draws_the_masses() -> None:
    mass, n = [0.125, 0.5, 0.0, 0.25, 0.125], 1000
    law = Law(torch.tensor([mass]).expand(n, -1).contiguous())
    drawn = law.draw([(i + 0.5) / n for i in range(n)])
    assert [drawn.count(i) / n for i in range(5)] == mass


def test_the_support_may_be_named() -> None:
    law = Law(torch.tensor([[0.75, 0.25], [0.5, 0.5]]), torch.tensor([[7, 3], [0, 9]]))
    assert law.draw([0.7, 0.7]) == [7, 9]
    assert law.draw([0.8, 0.4]) == [3, 0]
    assert law.dense(10).tolist()[0] == [0, 0, 0, 0.25, 0, 0, 0, 0.75, 0, 0]


def test_one_token_needs_no_uniform() -> None:
    assert Law(torch.ones(2, 1), torch.tensor([[4], [2]])).draw([0.3, ALMOST_ONE]) == [4, 2]


def test_a_tiny_tail_is_reachable_in_float32() -> None:
    """Cumulated in float32, the last of a million tokens of equal mass would be lost."""
    size = 1_000_000
    mass = torch.full((1, size), 1 / size)
    index = int(inverse_cdf(mass, torch.tensor([1 - 0.5 / size], dtype=torch.float64)))
    assert index == size - 1
