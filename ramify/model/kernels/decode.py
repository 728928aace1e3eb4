"""Attention of single rows over pages: every row and key-value head is a task of its own.

    R rows, H heads, K key-value heads, G = H / K, d head_dim, N slots, P pages of all tables, S spans

Keys are visited page by page in order of position with a running maximum (Milakov and Gimelshein, arXiv:1805.02867).
What a row gets depends on its own query, keys and carried state only.
"""

import numba
import numpy as np

from ramify.model.kernels.bits import widen
from ramify.model.kernels.elementary import exp, tanh
from ramify.model.kernels.jit import Array, kernel

LOWEST = np.float32(-3.0e38)


@kernel(parallel=True)
def decode_attention(
    q_RHd: Array,
    k_KNd: Array,
    v_KNd: Array,
    rows_r: Array,
    span_R: Array,
    position_R: Array,
    first_S: Array,
    offset_S: Array,
    pages_P: Array,
    page_size: int,
    scale: np.float32,
    cap: np.float32,
    window: int,
    out_RHd: Array,
    lse_RH: Array,
) -> None:
    """Add the keys first_S .. position_R of each row's table to what out_RHd and lse_RH hold (fp32; nothing: -inf).

    q, k and v in bf16 (uint16) or fp32; `cap` 0 and `window` 0 mean none.
    """
    heads_kv = k_KNd.shape[0]
    for task in numba.prange(len(rows_r) * heads_kv):
        row, head = rows_r[task // heads_kv], task % heads_kv
        span, last = span_R[row], position_R[row]
        first = max(first_S[span], last - window + 1) if window > 0 else first_S[span]
        group = q_RHd.shape[1] // heads_kv
        mine = slice(head * group, (head + 1) * group)
        _row(
            q_RHd[row, mine], k_KNd[head], v_KNd[head], pages_P[offset_S[span] :], page_size,
            first, last, scale, cap, out_RHd[row, mine], lse_RH[row, mine],
        )  # fmt: skip


@kernel()
def _row(
    q_Gd: Array,
    k_Nd: Array,
    v_Nd: Array,
    pages: Array,
    page_size: int,
    first: int,
    last: int,
    scale: np.float32,
    cap: np.float32,
    out_Gd: Array,
    lse_G: Array,
) -> None:
    group, width = q_Gd.shape
    q_buffer_Gd = np.empty((group, width), np.float32)
    top_G, mass_G = np.empty(group, np.float32), np.empty(group, np.float32)
    score = np.empty(page_size, np.float32)
    for g in range(group):
        carried = lse_G[g] > LOWEST
        top_G[g] = lse_G[g] if carried else LOWEST
        mass_G[g] = np.float32(1.0) if carried else np.float32(0.0)
        for i in range(width):
            q_buffer_Gd[g, i] = widen(q_Gd[g, i]) * scale
            if not carried:
                out_Gd[g, i] = np.float32(0.0)
    for page in range(first // page_size, last // page_size + 1):
        begin = max(first - page * page_size, 0)
        count = min(last + 1 - page * page_size, page_size) - begin
        slot = np.int64(pages[page]) * page_size + begin
        k, v = k_Nd[slot : slot + count], v_Nd[slot : slot + count]
        for g in range(group):
            top = _scores(q_buffer_Gd[g], k, cap, top_G[g], score)
            mass_G[g] = _mix(score, top, top_G[g], mass_G[g], v, out_Gd[g])
            top_G[g] = top
    for g in range(group):
        share = np.float32(1.0) / mass_G[g] if mass_G[g] > 0 else np.float32(0.0)
        for i in range(width):
            out_Gd[g, i] *= share
        lse_G[g] = top_G[g] + np.log(mass_G[g]) if mass_G[g] > 0 else np.float32(-np.inf)


@kernel()
def _scores(q_d: Array, k_sd: Array, cap: np.float32, top: np.float32, score: Array) -> np.float32:
    for j in range(k_sd.shape[0]):
        total = np.float32(0.0)
        for i in range(k_sd.shape[1]):
            total += q_d[i] * widen(k_sd[j, i])
        if cap > 0:
            total = cap * tanh(total / cap)
        score[j] = total
    for j in range(k_sd.shape[0]):
        top = max(top, score[j])
    return top


@kernel()
def _mix(
    score: Array, top: np.float32, top_before: np.float32, mass: np.float32, v_sd: Array, out_d: Array
) -> np.float32:
    decay = exp(top_before - top)
    mass *= decay
    for j in range(v_sd.shape[0]):
        score[j] = exp(score[j] - top)
    for j in range(v_sd.shape[0]):
        mass += score[j]
    for i in range(v_sd.shape[1]):
        out_d[i] *= decay
    for j in range(v_sd.shape[0]):
        weight = score[j]
        for i in range(v_sd.shape[1]):
            out_d[i] += weight * widen(v_sd[j, i])
    return mass
