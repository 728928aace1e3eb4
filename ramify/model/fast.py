"""The fast path of attention over pages: parts over disjoint keys, each by what computes it best, then merged.

    R rows, r rows of one part, S keys of one part, H heads, K key-value heads, d head_dim

    shared prefix     one product of all the group's rows with keys that are read once
    chunk             its past and itself, a product each
    single rows       a kernel that walks the pages
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ramify.kv.store import PagedStore, Slots
from ramify.maths.merge import Partial, merge
from ramify.model.attention import visible
from ramify.model.config import AttentionSpec
from ramify.model.fused import append, as_numpy
from ramify.model.kernels.decode import decode_attention
from ramify.model.plan import StepBatch, run_of_slots

BLOCK = 128  # rows of a masked product at a time: bounds the scores kept


@dataclass(frozen=True)
class Part:
    """Rows (a run or a list) that attend to positions first .. first + S - 1, kept in `slots`."""

    rows: Slots
    low: int  # positions of the rows
    high: int
    first: int
    count: int
    slots: Slots
    causal: bool = False  # the rows' own keys: row i sees the first i + 1


class FastAttend:
    """`attend` for one step; what a part covers is worked out once and used in every layer."""

    def __init__(self, store: PagedStore, batch: StepBatch) -> None:
        self.store, self.batch = store, batch
        self.parts = [*_shared_parts(batch), *_chunk_parts(batch)]

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        if self.store.has_kernels:
            append(self.store, layer, self.batch.slots_R, k_RKd, v_RKd)
        else:
            self.store.append(layer, self.batch.slots_R, k_RKd, v_RKd)
        out_RHd = torch.zeros(q_RHd.shape, dtype=torch.float32, device=q_RHd.device)
        lse_RH = torch.full(q_RHd.shape[:2], -torch.inf, device=q_RHd.device)
        for part in self.parts:
            _fold(part.rows, self._attend(layer, spec, q_RHd, part), out_RHd, lse_RH)
        if len(self.batch.few_R):
            attend_few(self.store, self.batch, layer, spec, q_RHd, out_RHd, lse_RH)
        return out_RHd.to(q_RHd.dtype)

    def _attend(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, part: Part) -> Partial:
        k_KSd, v_KSd = self.store.read(layer, part.slots)
        q_rHd, first = q_RHd[part.rows], part.first
        masked = spec.window is not None and part.high - first >= spec.window
        if masked:
            skip = min(max(part.low - (spec.window or 0) + 1 - first, 0), part.count)
            k_KSd, v_KSd, first = k_KSd[:, skip:], v_KSd[:, skip:], first + skip
            masked = part.causal or part.high - first >= (spec.window or 0)
        if not masked and spec.softcap is None and q_RHd.device.type == "cpu" and k_KSd.shape[1]:
            return flash(q_rHd, k_KSd, v_KSd, spec.scale, part.causal)
        positions_r = self.batch.positions_R[part.rows]
        positions_S = torch.arange(first, part.first + part.count, device=q_RHd.device)
        return masked_product(q_rHd, k_KSd, v_KSd, positions_r, positions_S, spec)


def flash(q_RHd: Tensor, k_KSd: Tensor, v_KSd: Tensor, scale: float, causal: bool) -> Partial:
    """Blocked softmax attention (CPU) that also tells the log mass, as [R, H, d] in q's type and [R, H] in fp32."""
    q_1HRd = q_RHd.to(k_KSd.dtype).transpose(0, 1)[None]
    out_1HRd, lse_1HR = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q_1HRd, k_KSd[None], v_KSd[None], 0.0, causal, scale=scale
    )
    return out_1HRd[0].transpose(0, 1), lse_1HR[0].transpose(0, 1)


def masked_product(
    q_RHd: Tensor, k_KSd: Tensor, v_KSd: Tensor, positions_R: Tensor, positions_S: Tensor, spec: AttentionSpec
) -> Partial:
    """Softmax attention in fp32 with windows and soft caps, on any device; a row that sees nothing has lse -inf."""
    heads_kv, parts = len(k_KSd), []
    k_KSd, v_KSd = k_KSd.float(), v_KSd.float()
    for begin in range(0, len(q_RHd), BLOCK):
        q_rHd, positions_r = q_RHd[begin : begin + BLOCK], positions_R[begin : begin + BLOCK]
        q_Krgd = q_rHd.float().reshape(len(q_rHd), heads_kv, -1, q_rHd.shape[-1]).transpose(0, 1)
        score_KrgS = torch.einsum("krgd,ksd->krgs", q_Krgd * spec.scale, k_KSd)
        if spec.softcap is not None:
            score_KrgS = torch.tanh(score_KrgS / spec.softcap) * spec.softcap
        seen_rS = visible(positions_r, positions_S, spec.window)
        score_KrgS = score_KrgS.masked_fill(~seen_rS[:, None], -torch.inf)
        lse_Krg = score_KrgS.logsumexp(-1)
        weight_KrgS = torch.exp(score_KrgS - lse_Krg.masked_fill(lse_Krg == -torch.inf, 0.0)[..., None])
        out_Krgd = torch.einsum("krgs,ksd->krgd", weight_KrgS, v_KSd)
        parts.append((out_Krgd.transpose(0, 1).flatten(1, 2), lse_Krg.transpose(0, 1).flatten(1)))
    return torch.cat([out for out, _ in parts]), torch.cat([lse for _, lse in parts])


def attend_few(
    store: PagedStore, batch: StepBatch, layer: int, spec: AttentionSpec, q_RHd: Tensor, out_RHd: Tensor, lse_RH: Tensor
) -> None:
    """Add to (out, lse) what the rows of short spans find among the keys no group has read for them."""
    if store.has_kernels:
        _walk(store, batch, layer, spec, q_RHd, batch.few_R, batch.own_S, out_RHd, lse_RH)
        return
    for i, span in enumerate(batch.spans):
        if i not in batch.chunks:
            first, last = int(batch.own_S[i]), span.start + span.num_rows
            k_KSd, v_KSd = store.read(layer, batch.slots(i, first, last))
            positions_S = torch.arange(first, last, device=q_RHd.device)
            part = masked_product(q_RHd[span.rows], k_KSd, v_KSd, batch.positions_R[span.rows], positions_S, spec)
            _fold(span.rows, part, out_RHd, lse_RH)


def attend_rows(store: PagedStore, batch: StepBatch, layer: int, spec: AttentionSpec, q_RHd: Tensor) -> Tensor:
    """Every row alone over all of its keys, in one fixed order."""
    out_RHd = torch.zeros(q_RHd.shape, dtype=torch.float32)
    lse_RH = torch.full(q_RHd.shape[:2], -torch.inf)
    _walk(store, batch, layer, spec, q_RHd, np.arange(batch.num_rows), np.zeros_like(batch.own_S), out_RHd, lse_RH)
    return out_RHd.to(q_RHd.dtype)


def _walk(
    store: PagedStore,
    batch: StepBatch,
    layer: int,
    spec: AttentionSpec,
    q_RHd: Tensor,
    rows_r: NDArray[np.int64],
    first_S: NDArray[np.int64],
    out_RHd: Tensor,
    lse_RH: Tensor,
) -> None:
    decode_attention(
        as_numpy(q_RHd), store.k_arrays[layer], store.v_arrays[layer], rows_r, batch.span_R,
        batch.positions_R.numpy(), first_S, batch.offset_S, batch.pages_P, batch.page_size,
        np.float32(spec.scale), np.float32(spec.softcap or 0.0), spec.window or 0, out_RHd.numpy(), lse_RH.numpy(),
    )  # fmt: skip


def _fold(rows: Slots, part: Partial, out_RHd: Tensor, lse_RH: Tensor) -> None:
    out_RHd[rows], lse_RH[rows] = merge([(out_RHd[rows], lse_RH[rows]), part])


def _shared_parts(batch: StepBatch) -> list[Part]:
    parts = []
    for group in batch.shared:
        rows = [np.arange(batch.spans[s].first_row, batch.spans[s].rows.stop) for s in group.spans]
        rows_r = np.concatenate(rows)
        count = group.last - group.first
        slots = run_of_slots(group.pages, batch.page_size, 0, count)
        starts = [batch.spans[s].start for s in group.spans]
        ends = [batch.spans[s].start + batch.spans[s].num_rows for s in group.spans]
        run = len(rows_r) == rows_r[-1] - rows_r[0] + 1
        where = slice(int(rows_r[0]), int(rows_r[-1]) + 1) if run else torch.from_numpy(rows_r)
        parts.append(Part(where, min(starts), max(ends) - 1, group.first, count, slots))
    return parts


def _chunk_parts(batch: StepBatch) -> list[Part]:
    parts = []
    for s in batch.chunks:
        span, own = batch.spans[s], int(batch.own_S[s])
        end = span.start + span.num_rows
        if span.start > own:
            slots = batch.slots(s, own, span.start)
            parts.append(Part(span.rows, span.start, end - 1, own, span.start - own, slots))
        slots = batch.slots(s, span.start, end)
        parts.append(Part(span.rows, span.start, end - 1, span.start, span.num_rows, slots, causal=True))
    return parts
