"""Ragged attention is dense attention, sequence by sequence, and rows of one never see another."""

import pytest
import torch

from ramify.model.attention import DenseCausal
from ramify.model.config import AttentionSpec
from ramify.train.ragged import CHUNK, RaggedCausal, Rows

SPEC = AttentionSpec(0.35)


@pytest.mark.parametrize("lengths", [[5], [1, 9, 3], list(range(1, 2 * CHUNK + 4))])
def test_equals_dense(lengths: list[int]) -> None:
    rows = Rows.of([[1] * n for n in lengths])
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(sum(lengths), heads, 8, generator=generator, requires_grad=True) for heads in (4, 2, 2))
    got = RaggedCausal(rows)(0, SPEC, q, k, v)
    want = torch.cat(
        [
            DenseCausal(1, n)(0, SPEC, *parts)
            for n, *parts in zip(lengths, *(torch.split(x, lengths) for x in (q, k, v)), strict=True)
        ]
    )
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)
    weight = torch.randn(got.shape, generator=generator)
    for a, b in zip(
        torch.autograd.grad((got * weight).sum(), (q, k, v)),
        torch.autograd.grad((want * weight).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_positions_restart() -> None:
    rows = Rows.of([[7, 8], [9]])
    assert rows.tokens_R.tolist() == [7, 8, 9]
    assert rows.positions_R.tolist() == [0, 1, 0]


def test_what_training_does_not_cover_is_refused() -> None:
    q = torch.zeros(2, 1, 4)
    with pytest.raises(NotImplementedError, match="plain causal"):
        RaggedCausal(Rows.of([[1, 2]]))(0, AttentionSpec(1.0, window=4), q, q, q)
