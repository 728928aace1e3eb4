"""Merging partial attentions: any split of the keys gives attention over all of them."""

import pytest
import torch

from ramify.maths.merge import merge


def attention(q_RHd, k_SHd, v_SHd):
    score_RHS = torch.einsum("rhd,shd->rhs", q_RHd, k_SHd)
    return torch.einsum("rhs,shd->rhd", score_RHS.softmax(-1), v_SHd), score_RHS.logsumexp(-1)


@pytest.mark.parametrize("sizes", [(9,), (4, 5), (1, 7, 1)])
def test_any_split_of_the_keys_is_the_whole(sizes):
    q, k, v = torch.randn(5, 3, 8).double(), torch.randn(9, 3, 8).double() * 3, torch.randn(9, 3, 8).double()
    parts = [attention(q, a, b) for a, b in zip(k.split(sizes), v.split(sizes), strict=True)]
    for merged, whole in zip(merge(parts), attention(q, k, v), strict=True):
        torch.testing.assert_close(merged, whole)


def test_a_part_without_keys_weighs_nothing():
    out, lse = torch.randn(2, 3, 8), torch.randn(2, 3)
    merged_out, merged_lse = merge([(torch.zeros(2, 3, 8), torch.full((2, 3), -torch.inf)), (out, lse)])
    assert torch.equal(merged_out, out)
    assert torch.equal(merged_lse, lse)


def test_no_keys_at_all_is_zero_not_nan():
    nothing = torch.zeros(2, 3, 8), torch.full((2, 3), -torch.inf)
    out, lse = merge([nothing, nothing])
    assert torch.equal(out, nothing[0])
    assert torch.equal(lse, nothing[1])


def test_huge_scores_do_not_overflow():
    a, b = torch.ones(1, 1, 4), 3 * torch.ones(1, 1, 4)
    out, lse = merge([(a, torch.tensor([[500.0]])), (b, torch.tensor([[500.0]]))])
    torch.testing.assert_close(out, 2 * a)
    torch.testing.assert_close(lse, torch.tensor([[500.0]]) + torch.tensor(2.0).log())
