"""Joining partial attentions over disjoint keys: the identity that lets a shared prefix be read once.

Softmax attention over keys S and T together is the mix of the two with weights exp(lse_S) : exp(lse_T).
Jordan et al., "Hydragen", arXiv:2402.05099; the identity is Milakov and Gimelshein's, arXiv:1805.02867.

    R rows, H heads, d head_dim
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Partial = tuple[Tensor, Tensor]  # (out_RHd, lse_RH): values mixed over some keys, log of the mass they were divided by


def merge(parts: Sequence[Partial]) -> Partial:
    """Attention over the union of disjoint key sets, from the attention over each.

    A part that saw no key has lse -inf and weight 0; a row no part saw anything for has out 0 and lse -inf.
    The parts are of one shape; the result has their promoted types.
    """
    if len(parts) == 1:
        return parts[0]
    lse_PRH = torch.stack([lse_RH for _, lse_RH in parts])
    lse_RH = lse_PRH.logsumexp(0)
    weight_PRH = torch.exp(lse_PRH - lse_RH.masked_fill(lse_RH == -torch.inf, 0.0))
    out_RHd = parts[0][0] * weight_PRH[0, ..., None]
    for (part_RHd, _), weight_RH in zip(parts[1:], weight_PRH[1:], strict=True):
        out_RHd = out_RHd + part_RHd * weight_RH[..., None]
    return out_RHd, lse_RH
