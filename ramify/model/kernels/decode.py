"""Attention of single rows over pages: every row and key-value head is a task of its own.

    R rows, r rows asked for, H heads, K key-value heads, G = H / K, d head_dim, N slots, s slots of one page
    P pages of all tables, S spans

Keys are visited page by page in order of position under a running maximum (Milakov and Gimelshein, arXiv:1805.02867).
What a row gets depends on its own query, keys and carried state only. A row of a token tree finds its last keys (its
tail: the path from the tree's root to itself) in slots of their own; they are first laid out as their pages would be,
so that it gets, bit for bit, what the same text gets as a chain.
"""

import numba
import numpy as np

from ramify.model.kernels.bits import fma, prefetch, widen
from ramify.model.kernels.elementary import LOWEST, exp, tanh
from ramify.model.kernels.jit import Array, kernel

Index = int | np.int64

AHEAD = 2  # pages fetched before they are needed: without that, memory is idle while a page is worked on
LINE = 32  # elements between two fetches, a cache line of bf16


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
    tail_R: Array,
    tails_T: Array,
    page_size: int,
    scale: np.float32,
    cap: np.float32,
    window: int,
    out_RHd: Array,
    lse_RH: Array,
) -> None:
    """Add the keys first_S .. position_R of each row's table to what out_RHd and lse_RH hold (fp32; nothing: -inf).

    q, k and v in bf16 (uint16) or fp32; `cap` 0 and `window` 0 mean none. The last positions of row r are in the slots
    tails_T[tail_R[r] : tail_R[r + 1]]; an empty tail_R means that no row has a tail.
    """
    heads_kv = k_KNd.shape[0]
    for task in numba.prange(len(rows_r) * heads_kv):
        row, head = rows_r[task // heads_kv], task % heads_kv
        span, last = span_R[row], position_R[row]
        first = max(first_S[span], last - window + 1) if window > 0 else first_S[span]
        group = q_RHd.shape[1] // heads_kv
        mine = slice(head * group, (head + 1) * group)
        tail = tails_T[tail_R[row] : tail_R[row + 1]] if len(tail_R) > 0 else tails_T[:0]
        attend_row(
            q_RHd[row, mine], k_KNd, v_KNd, head, pages_P[offset_S[span] :], tail, page_size,
            first, last, scale, cap, out_RHd[row, mine], lse_RH[row, mine],
        )  # fmt: skip


@kernel(strict=True)
def attend_row(
    q_Gd: Array,
    k_KNd: Array,
    v_KNd: Array,
    head: int,
    pages: Array,
    tail: Array,
    page_size: int,
    first: int,
    last: int,
    scale: np.float32,
    cap: np.float32,
    out_Gd: Array,
    lse_G: Array,
) -> None:
    """One row's heads of one key-value head: the keys first .. last of a table, added to what out and lse hold."""
    group, width = q_Gd.shape
    scaled_Gd = np.empty((group, width), np.float32)
    top_G, mass_G = np.empty(group, np.float32), np.empty(group, np.float32)
    score = np.empty(page_size, np.float32)
    start = last + 1 - len(tail)  # positions from here on are the tail's
    spare = page_size if len(tail) > 0 else 0
    k_sd, v_sd = np.empty((spare, width), k_KNd.dtype), np.empty((spare, width), v_KNd.dtype)
    for g in range(group):
        carried = lse_G[g] > LOWEST
        top_G[g] = lse_G[g] if carried else LOWEST
        mass_G[g] = np.float32(1.0) if carried else np.float32(0.0)
        for i in range(width):
            scaled_Gd[g, i] = widen(q_Gd[g, i]) * scale
            if not carried:
                out_Gd[g, i] = np.float32(0.0)
    first_page, last_page = first // page_size, last // page_size
    for page in range(first_page, last_page + 1):
        begin = max(first - page * page_size, 0)
        count = min(last + 1 - page * page_size, page_size) - begin
        slot = np.int64(pages[page]) * page_size + begin
        soon, its_head = page + AHEAD, head
        if soon > last_page:  # the next task is this row's next head
            soon, its_head = min(first_page + soon - last_page - 1, last_page), min(head + 1, len(k_KNd) - 1)
        later, k_later, v_later = np.int64(pages[soon]) * page_size, k_KNd[its_head], v_KNd[its_head]
        k_Nd, v_Nd = k_KNd[head], v_KNd[head]
        at = page * page_size + begin
        if at + count > start:
            for j in range(count):
                source = slot + j if at + j < start else np.int64(tail[at + j - start])
                k_sd[j], v_sd[j] = k_KNd[head, source], v_KNd[head, source]
            k_Nd, v_Nd, slot = k_sd, v_sd, np.int64(0)
        for g in range(group):
            top = _scores(scaled_Gd[g], k_Nd, slot, count, k_later, later, cap, top_G[g], score)
            mass_G[g] = _mix(score, top, top_G[g], mass_G[g], v_Nd, slot, count, v_later, later, out_Gd[g])
            top_G[g] = top
            later = np.int64(-1)  # the group's first head has fetched it
    for g in range(group):
        share = np.float32(1.0) / mass_G[g] if mass_G[g] > 0 else np.float32(0.0)
        for i in range(width):
            out_Gd[g, i] *= share
        lse_G[g] = top_G[g] + np.log(mass_G[g]) if mass_G[g] > 0 else np.float32(-np.inf)


@kernel(strict=True)
def _scores(
    q_d: Array,
    k_Nd: Array,
    slot: Index,
    count: Index,
    later_Nd: Array,
    later: Index,
    cap: np.float32,
    top: np.float32,
    score: Array,
) -> np.float32:
    for j in range(count):
        if later >= 0:
            for i in range(0, k_Nd.shape[1], LINE):
                prefetch(later_Nd, later + j, i)
        score[j] = _product(q_d, k_Nd[slot + j])
    if cap > 0:
        for j in range(count):
            score[j] = cap * tanh(score[j] / cap)
    for j in range(count):
        top = max(top, score[j])
    return top


@kernel()
def _product(q_d: Array, k_d: Array) -> np.float32:
    total = np.float32(0.0)
    for i in range(len(q_d)):
        total += q_d[i] * widen(k_d[i])
    return total


@kernel(strict=True)
def _mix(
    score: Array,
    top: np.float32,
    top_before: np.float32,
    mass: np.float32,
    v_Nd: Array,
    slot: Index,
    count: Index,
    later_Nd: Array,
    later: Index,
    out_d: Array,
) -> np.float32:
    decay = exp(top_before - top)
    for j in range(count):
        score[j] = exp(score[j] - top)
    mass = mass * decay + _total(score, count)
    for i in range(len(out_d)):
        out_d[i] *= decay
    if later >= 0:
        for j in range(count):
            for i in range(0, v_Nd.shape[1], LINE):
                prefetch(later_Nd, later + j, i)
    whole = count - count % 4
    for j in range(0, whole, 4):  # four at a time: `out_d` is loaded and stored a quarter as often
        w0, w1, w2, w3 = score[j], score[j + 1], score[j + 2], score[j + 3]
        for i in range(len(out_d)):
            near = fma(w0, widen(v_Nd[slot + j, i]), w1 * widen(v_Nd[slot + j + 1, i]))
            far = fma(w2, widen(v_Nd[slot + j + 2, i]), w3 * widen(v_Nd[slot + j + 3, i]))
            out_d[i] += near + far
    for j in range(whole, count):
        for i in range(len(out_d)):
            out_d[i] = fma(score[j], widen(v_Nd[slot + j, i]), out_d[i])
    return mass


@kernel()
def _total(score: Array, count: Index) -> np.float32:
    total = np.float32(0.0)
    for j in range(count):
        total += score[j]
    return total
