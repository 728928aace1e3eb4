"""Attention over pages: what the decoder calls `attend`, for one step over one store.

    R rows, S keys, H heads, K key-value heads, d head_dim, N slots

`reference` judges: every span by itself, in fp64. `fast` reads a shared prefix once for its group, gives chunks one
product each and single rows a kernel, and joins what they found by log-sum-exp. `exact` answers every row alone in one
fixed order, so a row's bits depend on its own keys only: not on chunks, packing, sharing or neighbours.
"""

from typing import Literal

import torch
from torch import Tensor

from ramify.core.errors import Incompatible
from ramify.kv.store import PagedStore
from ramify.model.attention import reference_attention, visible
from ramify.model.config import AttentionSpec
from ramify.model.decoder import Attend
from ramify.model.fast import FastAttend, attend_rows
from ramify.model.gathered import GatheredAttend
from ramify.model.kernels.jit import follow_torch
from ramify.model.plan import StepBatch

Mode = Literal["reference", "fast", "exact"]


def attend_over(store: PagedStore, batch: StepBatch, mode: Mode) -> Attend:
    """How the rows of `batch` attend in `store`.

    Raises:
        Incompatible: `exact` with a store that is not fp32 on the CPU.
    """
    follow_torch()
    if mode == "reference":
        return ReferenceAttend(store, batch)
    if mode == "fast":
        return FastAttend(store, batch) if store.has_kernels else GatheredAttend(store, batch)
    return ExactAttend(store, batch)


class ReferenceAttend:
    """Span by span over gathered keys, in fp64, on any device."""

    def __init__(self, store: PagedStore, batch: StepBatch) -> None:
        self.store, self.batch = store, batch

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        self.store.append(layer, self.batch.slots_R, k_RKd, v_RKd)
        out_RHd = torch.empty_like(q_RHd)
        for i, span in enumerate(self.batch.spans):
            if self.batch.has_tails(span):
                self._tree(layer, spec, q_RHd, i, out_RHd)
                continue
            last = span.start + span.num_rows
            k_KSd, v_KSd = self.store.read(layer, self.batch.slots(i, 0, last))
            seen_RS = visible(self.batch.positions_R[span.rows], torch.arange(last, device=q_RHd.device), spec.window)
            q, k, v = q_RHd[span.rows], k_KSd.transpose(0, 1), v_KSd.transpose(0, 1)
            out_RHd[span.rows] = reference_attention(q, k, v, seen_RS, spec)[0]
        return out_RHd

    def _tree(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, i: int, out_RHd: Tensor) -> None:
        """Row by row: each has its own path."""
        span = self.batch.spans[i]
        for row in range(span.first_row, span.rows.stop):
            slots = torch.from_numpy(self.batch.path_slots(i, row)).to(q_RHd.device)
            k_KSd, v_KSd = self.store.read(layer, slots)
            positions_S = torch.arange(len(slots), device=q_RHd.device)
            seen_1S = visible(self.batch.positions_R[row : row + 1], positions_S, spec.window)
            q, k, v = q_RHd[row : row + 1], k_KSd.transpose(0, 1), v_KSd.transpose(0, 1)
            out_RHd[row] = reference_attention(q, k, v, seen_1S, spec)[0][0]


class ExactAttend:
    """Every row alone, its keys in order of position."""

    def __init__(self, store: PagedStore, batch: StepBatch) -> None:
        if store.dtype != torch.float32 or store.device.type != "cpu":
            raise Incompatible("exact mode", f"{store.dtype} pages on {store.device}", "Use fp32 on the CPU.")
        self.store, self.batch = store, batch

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        self.store.append(layer, self.batch.slots_R, k_RKd, v_RKd)
        return attend_rows(self.store, self.batch, layer, spec, q_RHd)
