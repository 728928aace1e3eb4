"""Attention as the decoder sees it: the reference that judges every faster path, and dense batches for training.

R rows, S keys, H heads, K key-value heads, d head_dim, B sequences, T tokens each
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.model.config import AttentionSpec


def visible(query_positions_R: Tensor, key_positions_S: Tensor, window: int | None) -> Tensor:
    """Which keys a causal row sees: its own position and before, `window` of them if it slides. bool [R, S]."""
    distance_RS = query_positions_R[:, None] - key_positions_S[None, :]
    seen_RS = distance_RS >= 0
    return seen_RS if window is None else seen_RS & (distance_RS < window)


def reference_attention(
    q_RHd: Tensor, k_SKd: Tensor, v_SKd: Tensor, seen_RS: Tensor, spec: AttentionSpec
) -> tuple[Tensor, Tensor]:
    """Plain softmax attention, computed in fp64.

    Returns:
        (out_RHd in q's type, lse_RH in fp64): the mixed values and the log of the mass they were divided by,
        which is what merging two partial results needs. A row that sees nothing has lse -inf and out 0.
    """
    group = q_RHd.shape[1] // k_SKd.shape[1]
    k_SHd, v_SHd = (x.double().repeat_interleave(group, dim=1) for x in (k_SKd, v_SKd))
    score_RHS = torch.einsum("rhd,shd->rhs", q_RHd.double(), k_SHd) * spec.scale
    if spec.softcap is not None:
        score_RHS = torch.tanh(score_RHS / spec.softcap) * spec.softcap
    score_RHS = score_RHS.masked_fill(~seen_RS[:, None], -torch.inf)
    lse_RH = score_RHS.logsumexp(-1)
    weight_RHS = torch.exp(score_RHS - lse_RH.masked_fill(lse_RH.isinf(), 0.0)[..., None])
    return torch.einsum("rhs,shd->rhd", weight_RHS, v_SHd).to(q_RHd.dtype), lse_RH


class ReferenceCausal:
    """`attend` for sequences of the given lengths laid out one after another: windows, soft caps, fp64, no speed."""

    def __init__(self, *lengths: int) -> None:
        self.lengths = list(lengths)

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        outs = []
        for q_THd, k_TKd, v_TKd in zip(*(torch.split(x, self.lengths) for x in (q_RHd, k_RKd, v_RKd)), strict=True):
            positions_T = torch.arange(len(q_THd), device=q_THd.device)
            seen_TT = visible(positions_T, positions_T, spec.window)
            outs.append(reference_attention(q_THd, k_TKd, v_TKd, seen_TT, spec)[0])
        return torch.cat(outs)


class DenseCausal:
    """`attend` for B sequences of T tokens laid out row after row; differentiable, used by training."""

    def __init__(self, batch: int, length: int) -> None:
        self.batch, self.length = batch, length

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        if spec.softcap is not None or spec.window is not None:
            raise NotImplementedError("training covers plain causal attention only")
        q, k, v = (x.view(self.batch, self.length, *x.shape[1:]).transpose(1, 2) for x in (q_RHd, k_RKd, v_RKd))
        out_BHTd = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=spec.scale, enable_gqa=q.shape[1] != k.shape[1]
        )
        return out_BHTd.transpose(1, 2).flatten(0, 1)
