"""Rotary tables: rotations compose, scalings do what their papers say."""

import math

import torch

from ramify.model.config import Rope
from ramify.model.rope import RotaryTable, rotate

ORIGINAL = {"original_max_position_embeddings": 64, "max_position_embeddings": 256}


def frequencies(kind, width=16, **parameters):
    return RotaryTable(Rope(kind=kind, parameters=ORIGINAL | parameters), width).frequencies


def test_products_depend_on_the_distance_only():
    table = RotaryTable(Rope(), 16)
    q_RHd, k_RHd = torch.randn(2, 1, 1, 16, generator=torch.Generator().manual_seed(0))

    def product(i, j):
        at_i, at_j = table(torch.tensor([i])), table(torch.tensor([j]))
        return (rotate(q_RHd, *at_i) * rotate(k_RHd, *at_j)).sum().item()

    assert math.isclose(product(9, 4), product(105, 100), rel_tol=1e-4)
    assert not math.isclose(product(9, 4), product(9, 5), rel_tol=1e-2)


def test_position_zero_and_unrotated_features_pass():
    cos_Rh, sin_Rh = RotaryTable(Rope(fraction=0.5), 16)(torch.tensor([0, 5]))
    x_RHd = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
    y_RHd = rotate(x_RHd, cos_Rh, sin_Rh)
    assert torch.equal(y_RHd[0], x_RHd[0])
    assert torch.equal(y_RHd[..., 8:], x_RHd[..., 8:])
    assert not torch.equal(y_RHd[1, :, :8], x_RHd[1, :, :8])


def test_linear_is_division_of_positions():
    torch.testing.assert_close(frequencies("linear", factor=4.0), frequencies("default") / 4)


def test_llama3_and_yarn_keep_fast_features_and_divide_slow_ones():
    base_h = frequencies("default", width=64)
    llama3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    for ratio_h in (frequencies("llama3", 64, **llama3) / base_h, frequencies("yarn", 64, factor=8.0) / base_h):
        assert ratio_h[0] == 1.0
        torch.testing.assert_close(ratio_h[-1], torch.tensor(1 / 8))
        assert bool((ratio_h.diff() <= 1e-6).all())


def test_longrope_uses_one_set_of_factors_for_a_whole_text():
    factors = {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    short = RotaryTable(Rope(kind="longrope", parameters=ORIGINAL | factors), 16)
    long = RotaryTable(Rope(kind="longrope", parameters=ORIGINAL | factors, long=True), 16)
    torch.testing.assert_close(short.frequencies, 2 * long.frequencies)
    assert short.magnitude == long.magnitude == math.sqrt(1 + math.log(4) / math.log(64))


def test_magnitudes():
    def magnitude(kind, **parameters):
        return RotaryTable(Rope(kind=kind, parameters=ORIGINAL | parameters), 16).magnitude

    factors = {"short_factor": [1.0] * 8}
    assert magnitude("default") == magnitude("yarn", factor=1.0) == magnitude("longrope", factor=1.0, **factors) == 1.0
    assert magnitude("yarn", factor=4.0) == 1 + math.log(4) / 10
    assert magnitude("yarn", factor=4.0, attention_factor=0.5) == 0.5
    assert magnitude("yarn", factor=4.0, mscale=1.0, mscale_all_dim=1.0) == 1.0
