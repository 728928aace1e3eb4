"""The fast path's plan in plain PyTorch, for devices without kernels: shared prefixes once, single rows together.

R rows, r rows of one product, S keys, H heads, K key-value heads, G = H / K, d head_dim
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ramify.kv.store import PagedStore
from ramify.maths.merge import Partial, merge
from ramify.model.attention import visible
from ramify.model.config import AttentionSpec
from ramify.model.parts import Part, chunk_parts, run_of_rows, shared_parts
from ramify.model.plan import Ints, StepBatch

BLOCK = 256  # most rows of one product
GATHERED = 1 << 18  # keys gathered at once for single rows


@dataclass(frozen=True)
class Single:
    """Rows that each have keys of their own, padded: `seen` says which of the slots are keys of the row."""

    rows_r: Tensor
    slots_rS: Tensor
    position_rS: Tensor
    seen_rS: Tensor


class GatheredAttend:
    """`attend` for one step, in fp32 on any device."""

    def __init__(self, store: PagedStore, batch: StepBatch) -> None:
        self.store, self.batch = store, batch
        self.parts = [*shared_parts(batch), *chunk_parts(batch)]
        self.singles = _singles(batch, store.device)

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        self.store.append(layer, self.batch.slots_R, k_RKd, v_RKd)
        out_RHd = torch.zeros(q_RHd.shape, device=q_RHd.device)
        lse_RH = torch.full(q_RHd.shape[:2], -torch.inf, device=q_RHd.device)
        for part in self.parts:
            for begin in range(0, len(part.rows_r), BLOCK):
                rows = run_of_rows(part.rows_r[begin : begin + BLOCK])
                found = self._together(layer, spec, q_RHd[rows], self.batch.positions_R[rows], part)
                out_RHd[rows], lse_RH[rows] = merge([(out_RHd[rows], lse_RH[rows]), found])
        for single in self.singles:
            rows = single.rows_r
            found = self._apart(layer, spec, q_RHd[rows], self.batch.positions_R[rows], single)
            out_RHd[rows], lse_RH[rows] = merge([(out_RHd[rows], lse_RH[rows]), found])
        return out_RHd.to(q_RHd.dtype)

    def _together(self, layer: int, spec: AttentionSpec, q_rHd: Tensor, position_r: Tensor, part: Part) -> Partial:
        k_KSd, v_KSd = self.store.read(layer, part.slots)
        position_S = torch.arange(part.first, part.first + part.count, device=q_rHd.device)
        score_rKGS = torch.einsum("rkgd,ksd->rkgs", _grouped(q_rHd, len(k_KSd)), k_KSd.float())
        weight_rKGS, lse_rH = _softmax(score_rKGS, visible(position_r, position_S, spec.window), spec)
        return torch.einsum("rkgs,ksd->rkgd", weight_rKGS, v_KSd.float()).flatten(1, 2), lse_rH

    def _apart(self, layer: int, spec: AttentionSpec, q_rHd: Tensor, position_r: Tensor, single: Single) -> Partial:
        k_KrSd, v_KrSd = self.store.read(layer, single.slots_rS)
        seen_rS = single.seen_rS
        if spec.window is not None:
            seen_rS = seen_rS & (position_r[:, None] - single.position_rS < spec.window)
        score_rKGS = torch.einsum("rkgd,krsd->rkgs", _grouped(q_rHd, len(k_KrSd)), k_KrSd.float())
        weight_rKGS, lse_rH = _softmax(score_rKGS, seen_rS, spec)
        return torch.einsum("rkgs,krsd->rkgd", weight_rKGS, v_KrSd.float()).flatten(1, 2), lse_rH


def _grouped(q_rHd: Tensor, heads_kv: int) -> Tensor:
    return q_rHd.float().reshape(len(q_rHd), heads_kv, -1, q_rHd.shape[-1])


def _softmax(score_rKGS: Tensor, seen_rS: Tensor, spec: AttentionSpec) -> Partial:
    """Weights and the log of their mass, [r, H]; a row that sees nothing has lse -inf and weights 0."""
    score_rKGS = score_rKGS * spec.scale
    if spec.softcap is not None:
        score_rKGS = torch.tanh(score_rKGS / spec.softcap) * spec.softcap
    score_rKGS = score_rKGS.masked_fill(~seen_rS[:, None, None], -torch.inf)
    lse_rKG = score_rKGS.logsumexp(-1)
    weight_rKGS = torch.exp(score_rKGS - lse_rKG.masked_fill(lse_rKG == -torch.inf, 0.0)[..., None])
    return weight_rKGS, lse_rKG.flatten(1)


def _singles(batch: StepBatch, device: torch.device) -> list[Single]:
    """The rows of short spans, a bounded number of keys at a time."""
    rows_R, position_R, found = batch.few_R, batch.positions_R.cpu().numpy(), []
    while len(rows_R):
        count = max(1, GATHERED // int(position_R[rows_R].max() + 1))
        rows_r, rows_R = rows_R[:count], rows_R[count:]
        span_r, last_r = batch.span_R[rows_r], position_R[rows_r]
        width = int((last_r - batch.own_S[span_r]).max()) + 1
        position_rS = batch.own_S[span_r][:, None] + np.arange(width)
        seen_rS = position_rS <= last_r[:, None]
        page_rS = np.minimum(position_rS, last_r[:, None]) // batch.page_size
        pages_rS = batch.pages_P[batch.offset_S[span_r][:, None] + page_rS].astype(np.int64)
        slots_rS = pages_rS * batch.page_size + position_rS % batch.page_size
        if len(batch.tail_R):
            _put_tails(batch, rows_r, last_r, slots_rS)
        arrays = (rows_r, slots_rS, position_rS, seen_rS)
        found.append(Single(*(torch.from_numpy(x).to(device) for x in arrays)))
    return found


def _put_tails(batch: StepBatch, rows_r: Ints, last_r: Ints, slots_rS: Ints) -> None:
    """The last keys of a tree's row lie in slots of their own."""
    for i, (row, last) in enumerate(zip(rows_r, last_r, strict=True)):
        tail = batch.tails_T[batch.tail_R[row] : batch.tail_R[row + 1]]
        end = last + 1 - batch.own_S[batch.span_R[row]]
        slots_rS[i, end - len(tail) : end] = tail
