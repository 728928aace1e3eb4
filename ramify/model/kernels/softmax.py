"""The part of attention between its two products, for many rows at once, and joining it to what a row found before.

    R rows, r rows of a part, S keys, H heads, K key-value heads, G = H / K, M = r * G columns of a product, d head_dim

Column m of a product is head m % G of the group, for row m // G of the part. Keys come first in the product, so that
the many keys need no re-laying for it, and so that the loops below run over columns, side by side in a vector.
"""

import numba
import numpy as np

from ramify.model.kernels.bits import narrow, widen
from ramify.model.kernels.elementary import LOWEST, exp, tanh
from ramify.model.kernels.jit import Array, kernel

ZERO, ONE = np.float32(0.0), np.float32(1.0)
COLUMNS = 64  # of one task


@kernel(parallel=True)
def weigh(
    score_KSM: Array,
    position_r: Array,
    first: int,
    scale: np.float32,
    cap: np.float32,
    window: int,
    top_KM: Array,
    mass_KM: Array,
) -> None:
    """Scores become weights exp(score - top), in place; `mass` is their sum. Key s is at position first + s.

    Scores in bf16 (uint16) or fp32; `cap` 0 and `window` 0 mean none. A row that sees nothing has mass 0.
    """
    heads_kv, keys, columns = score_KSM.shape
    group = columns // len(position_r)
    begin_M, end_M = np.empty(columns, np.int32), np.empty(columns, np.int32)
    for m in range(columns):
        last = position_r[m // group]
        end_M[m] = min(max(last - first + 1, 0), keys)
        begin_M[m] = max(last - window + 1 - first, 0) if window > 0 else 0
    blocks = (columns + COLUMNS - 1) // COLUMNS
    for task in numba.prange(heads_kv * blocks):
        head, a = task // blocks, task % blocks * COLUMNS
        z = min(a + COLUMNS, columns)
        _weigh_columns(score_KSM[head], a, begin_M[a:z], end_M[a:z], scale, cap, top_KM[head, a:z], mass_KM[head, a:z])


@kernel()
def _weigh_columns(
    score_SM: Array,
    a: int,
    begin_m: Array,
    end_m: Array,
    scale: np.float32,
    cap: np.float32,
    top_m: Array,
    mass_m: Array,
) -> None:
    for m in range(len(top_m)):
        top_m[m], mass_m[m] = LOWEST, ZERO
    for s in range(len(score_SM)):
        score_m, s32 = score_SM[s, a : a + len(top_m)], np.int32(s)
        if cap > 0:
            for m in range(len(top_m)):
                score_m[m] = narrow(cap / scale * tanh(widen(score_m[m]) * scale / cap), score_m[m])
        for m in range(len(top_m)):
            x = widen(score_m[m]) * scale
            x = x if begin_m[m] <= s32 and s32 < end_m[m] else LOWEST
            top_m[m] = x if x > top_m[m] else top_m[m]
    for s in range(len(score_SM)):
        score_m, s32 = score_SM[s, a : a + len(top_m)], np.int32(s)
        for m in range(len(top_m)):
            weight = exp(widen(score_m[m]) * scale - top_m[m])
            weight = weight if begin_m[m] <= s32 and s32 < end_m[m] else ZERO
            mass_m[m] += weight
            score_m[m] = narrow(weight, score_m[m])


@kernel(parallel=True)
def fold(mixed_KMd: Array, top_KM: Array, mass_KM: Array, rows_r: Array, out_RHd: Array, lse_RH: Array) -> None:
    """Merge values mixed by such weights into what the rows hold (fp32; nothing: -inf) by log-sum-exp."""
    heads_kv, columns, width = mixed_KMd.shape
    group = columns // len(rows_r)
    for task in numba.prange(heads_kv * columns):
        head, m = task // columns, task % columns
        mass = mass_KM[head, m]
        if mass > 0:
            row, its_head = rows_r[m // group], head * group + m % group
            lse, before = top_KM[head, m] + np.log(mass), lse_RH[row, its_head]
            top = max(lse, before)
            old, new = exp(before - top) if before > LOWEST else ZERO, exp(lse - top)
            mixed_d, out_d = mixed_KMd[head, m], out_RHd[row, its_head]
            share_old, share_new = old / (old + new), new / (old + new) / mass
            if old > 0:
                for i in range(width):
                    out_d[i] = out_d[i] * share_old + widen(mixed_d[i]) * share_new
            else:
                for i in range(width):
                    out_d[i] = widen(mixed_d[i]) * share_new
            lse_RH[row, its_head] = top + np.log(old + new)
