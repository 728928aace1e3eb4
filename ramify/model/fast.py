"""The fast path of attention over pages, on the CPU: parts over disjoint keys, each by what computes it best.

    R rows, r rows of one part, b of one block, S keys of a part, H heads, K key-value heads, G = H / K, d head_dim

    shared prefix     products of all the group's rows with keys that are read once
    chunk             products of its rows with its own keys, stored and new
    single rows       a kernel that walks the pages

Scores between bf16 queries and keys are rounded to bf16 in products, as in transformers' eager attention: an error of
the size that rounding query and key has made. `gathered.py` has the same plan without kernels.
"""

import numpy as np
import torch
from torch import Tensor

from ramify.kv.store import PagedStore
from ramify.model.config import AttentionSpec
from ramify.model.fused import append, as_numpy
from ramify.model.kernels.decode import decode_attention
from ramify.model.kernels.softmax import fold, weigh
from ramify.model.parts import Part, chunk_parts, shared_parts
from ramify.model.plan import Ints, StepBatch

BLOCK = 256  # most rows of one product
SCORES = 4 << 20  # scores of one product: they should stay in the cache until they are used


class FastAttend:
    """`attend` for one step; what a part covers is worked out once and used in every layer."""

    def __init__(self, store: PagedStore, batch: StepBatch) -> None:
        self.store, self.batch = store, batch
        self.parts = [*shared_parts(batch), *chunk_parts(batch)]

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        out_RHd = torch.empty(q_RHd.shape, dtype=torch.float32)  # nothing yet, as lse says
        lse_RH = torch.full(q_RHd.shape[:2], -torch.inf)
        append(self.store, layer, self.batch.slots_R, k_RKd, v_RKd)
        for part in self.parts:
            self._products(layer, spec, q_RHd, part, out_RHd, lse_RH)
        if len(self.batch.few_R):
            few_R, own_S = self.batch.few_R, self.batch.own_S
            _walk(self.store, self.batch, layer, spec, q_RHd, few_R, own_S, out_RHd, lse_RH)
        return out_RHd.to(q_RHd.dtype)

    def _products(
        self, layer: int, spec: AttentionSpec, q_RHd: Tensor, part: Part, out_RHd: Tensor, lse_RH: Tensor
    ) -> None:
        k_KSd, v_KSd = self.store.read(layer, part.slots)
        q_rHd, window = q_RHd[part.rows].to(self.store.dtype), spec.window or 0
        heads_kv, heads, width = len(k_KSd), q_rHd.shape[1], q_rHd.shape[2]
        block = min(max(SCORES // (heads * part.count), 16), BLOCK)
        for begin in range(0, len(part.rows_r), block):
            rows_b, position_b = part.rows_r[begin : begin + block], part.position_r[begin : begin + block]
            a = max(int(position_b.min()) - window + 1 - part.first, 0) if window else 0
            z = min(int(position_b.max()) + 1 - part.first, part.count)
            if a >= z:
                continue
            q_bKGd = q_rHd[begin : begin + block].reshape(len(rows_b), heads_kv, heads // heads_kv, width)
            q_KMd = q_bKGd.transpose(0, 1).reshape(heads_kv, -1, width)
            score_KSM = torch.bmm(k_KSd[:, a:z], q_KMd.transpose(1, 2))
            top_KM, mass_KM = (np.empty(q_KMd.shape[:2], np.float32) for _ in range(2))
            scale, cap = np.float32(spec.scale), np.float32(spec.softcap or 0.0)
            weigh(as_numpy(score_KSM), position_b, part.first + a, scale, cap, window, top_KM, mass_KM)
            mixed_KMd = torch.bmm(score_KSM.transpose(1, 2), v_KSd[:, a:z])
            fold(as_numpy(mixed_KMd), top_KM, mass_KM, rows_b, out_RHd.numpy(), lse_RH.numpy())


def attend_rows(store: PagedStore, batch: StepBatch, layer: int, spec: AttentionSpec, q_RHd: Tensor) -> Tensor:
    """Every row alone over all of its keys, in one fixed order."""
    out_RHd = torch.empty(q_RHd.shape, dtype=torch.float32)
    lse_RH = torch.full(q_RHd.shape[:2], -torch.inf)
    every_R, start_S = np.arange(batch.num_rows), np.zeros_like(batch.own_S)
    _walk(store, batch, layer, spec, q_RHd, every_R, start_S, out_RHd, lse_RH)
    return out_RHd.to(q_RHd.dtype)


def _walk(
    store: PagedStore,
    batch: StepBatch,
    layer: int,
    spec: AttentionSpec,
    q_RHd: Tensor,
    rows_r: Ints,
    first_S: Ints,
    out_RHd: Tensor,
    lse_RH: Tensor,
) -> None:
    decode_attention(
        as_numpy(q_RHd), store.k_arrays[layer], store.v_arrays[layer], rows_r, batch.span_R,
        batch.positions_R.numpy(), first_S, batch.offset_S, batch.pages_P, batch.tail_R, batch.tails_T, batch.page_size,
        np.float32(spec.scale), np.float32(spec.softcap or 0.0), spec.window or 0, out_RHd.numpy(), lse_RH.numpy(),
    )  # fmt: skip
