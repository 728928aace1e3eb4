"""Partial attentions joined are the attention over the union.

R rows, H heads, d head_dim, S keys
"""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ramify.maths.merge import Partial, merge

R, H, d = 3, 2, 5


def attention(score_RHS: Tensor, value_SHd: Tensor) -> Partial:
    out_RHd = torch.einsum("rhs,shd->rhd", score_RHS.softmax(-1).nan_to_num(0.0), value_SHd)
    return out_RHd, score_RHS.logsumexp(-1)


def keys(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(5)
    return torch.randn(R, H, count, dtype=torch.float64) * 4, torch.randn(count, H, d, dtype=torch.float64)


@pytest.mark.parametrize("cuts", [(), (4,), (1, 2, 3), (0, 4), (3, 3, 10), (0, 0)])
def test_any_split_is_the_whole(cuts: Sequence[int]) -> None:
    """Empty parts too: they have log mass -inf."""
    score_RHS, value_SHd = keys(10)
    edges = [0, *cuts, 10]
    pairs = list(pairwise(edges))
    parts = [attention(score_RHS[..., a:b], value_SHd[a:b]) for a, b in pairs]
    for got, want in zip(merge(parts), attention(score_RHS, value_SHd), strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-12)


def test_a_row_that_sees_nothing_anywhere() -> None:
    score_RHS, value_SHd = keys(6)
    score_RHS[1] = -torch.inf
    out_RHd, lse_RH = merge(
        [attention(score_RHS[..., :3], value_SHd[:3]), attention(score_RHS[..., 3:], value_SHd[3:])]
    )
    assert torch.equal(out_RHd[1], torch.zeros(H, d, dtype=torch.float64))
    assert (lse_RH[1] == -torch.inf).all()
    assert out_RHd.isfinite().all()


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_masses_too_large_for_exp(shift: float) -> None:
    score_RHS, value_SHd = keys(6)
    parts = [attention(score_RHS[..., :2] + shift, value_SHd[:2]), attention(score_RHS[..., 2:] + shift, value_SHd[2:])]
    torch.testing.assert_close(merge(parts)[0], attention(score_RHS, value_SHd)[0], rtol=0, atol=1e-9)


def test_one_part_is_itself() -> None:
    part = attention(*keys(3))
    assert merge([part]) is part
