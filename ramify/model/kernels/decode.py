"""Attention of single rows over pages: every row and key-value head is a task of its own.

    R rows, r rows asked for, H heads, K key-value heads, G = H / K, d head_dim, N slots, j keys of one block
    P pages of all tables, S spans

Keys are visited in blocks in order of position under a running maximum (Milakov and Gimelshein, arXiv:1805.02867).
What a row gets depends on its own query, keys and carried state only, not on where they lie: a row of a token tree
finds its last keys (its tail: the path from the tree's root to itself) in slots of their own, and gets, bit for bit,
what the same text gets as a chain.
"""

from typing import Any

import numba
import numpy as np

from ramify.model.kernels.bits import fma, greater, per_line, prefetch, widen
from ramify.model.kernels.elementary import LOWEST, exp, tanh
from ramify.model.kernels.jit import Array, kernel

Index = int | np.int64

BLOCK = 32  # keys; while the keys of one are read, its values are fetched, and with the values the next one's keys


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
    first: Index,
    last: Index,
    scale: np.float32,
    cap: np.float32,
    out_Gd: Array,
    lse_G: Array,
) -> None:
    """One row's heads of one key-value head: the keys first .. last of a table, added to what out and lse hold."""
    group, width = q_Gd.shape
    scaled_Gd = np.empty((group, width), np.float32)
    top_G, mass_G = np.empty(group, np.float32), np.empty(group, np.float32)
    for g in range(group):
        carried = lse_G[g] > LOWEST
        top_G[g] = lse_G[g] if carried else LOWEST
        mass_G[g] = np.float32(1.0) if carried else np.float32(0.0)
        for i in range(width):
            scaled_Gd[g, i] = widen(q_Gd[g, i]) * scale
            if not carried:
                out_Gd[g, i] = np.float32(0.0)
    score_Gj = np.empty((group, BLOCK), np.float32)
    slot_j, later_j = np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64)
    count = _slots(pages, tail, page_size, first, last, slot_j)
    while count > 0:
        first += count
        later, its_head = _slots(pages, tail, page_size, first, last, later_j), head
        if later == 0:  # the next task is this row's next head
            later, its_head = count, min(head + 1, len(k_KNd) - 1)
            later_j[:] = slot_j
        _scores(scaled_Gd, k_KNd[head], slot_j, count, v_KNd[head], score_Gj)
        for g in range(group):
            top_G[g], mass_G[g] = _weigh(score_Gj[g], count, cap, top_G[g], mass_G[g], out_Gd[g])
        _mix(score_Gj, v_KNd[head], slot_j, count, k_KNd[its_head], later_j, later, out_Gd)
        slot_j, later_j = later_j, slot_j
        count = min(later, last + 1 - first)
    for g in range(group):
        share = np.float32(1.0) / mass_G[g] if mass_G[g] > 0 else np.float32(0.0)
        for i in range(width):
            out_Gd[g, i] *= share
        lse_G[g] = top_G[g] + np.log(mass_G[g]) if mass_G[g] > 0 else np.float32(-np.inf)


@kernel(strict=True)
def _slots(pages: Array, tail: Array, page_size: int, first: Any, last: Any, slot_j: Array) -> Any:
    """Where the keys of the block from `first` on lie; how many they are."""
    count, start = max(min(last + 1 - first, BLOCK), 0), last + 1 - len(tail)  # positions from `start` on: the tail's
    page, begin, done = first // page_size, first % page_size, 0
    while done < count:
        slot, many = np.int64(pages[page]) * page_size + begin, min(page_size - begin, count - done)
        for j in range(many):
            slot_j[done + j] = slot + j
        page, begin, done = page + 1, 0, done + many
    for at in range(max(first, start), first + count):
        slot_j[at - first] = tail[at - start]
    return count


@kernel(strict=True)
def _scores(q_Gd: Array, k_Nd: Array, slot_j: Array, count: Index, v_Nd: Array, score_Gj: Array) -> None:
    for j in range(count):
        for i in range(0, v_Nd.shape[1], per_line(v_Nd)):
            prefetch(v_Nd, slot_j[j], i)
        for g in range(len(q_Gd)):
            score_Gj[g, j] = _product(q_Gd[g], k_Nd[slot_j[j]])


@kernel()
def _product(q_d: Array, k_d: Array) -> np.float32:
    total = np.float32(0.0)
    for i in range(len(q_d)):
        total += q_d[i] * widen(k_d[i])
    return total


@kernel(strict=True)
def _weigh(
    score_j: Array, count: Index, cap: np.float32, top_before: np.float32, mass: np.float32, out_d: Array
) -> tuple[np.float32, np.float32]:
    """Scores become weights under the new maximum, what was gathered before is lowered to it: the maximum, the mass."""
    if cap > 0:
        for j in range(count):
            score_j[j] = cap * tanh(score_j[j] / cap)
    top = _top(score_j, count, top_before)
    decay = exp(top_before - top)
    for j in range(count):
        score_j[j] = exp(score_j[j] - top)
    for i in range(len(out_d)):
        out_d[i] *= decay
    return top, mass * decay + _total(score_j, count)


@kernel(strict=True)
def _top(score_j: Array, count: Index, top: Any) -> Any:
    whole, a, b, c = count - count % 4, top, top, top
    for j in range(0, whole, 4):  # four at a time: each would wait for the one before
        top, a = greater(score_j[j], top), greater(score_j[j + 1], a)
        b, c = greater(score_j[j + 2], b), greater(score_j[j + 3], c)
    for j in range(whole, count):
        top = greater(score_j[j], top)
    return greater(greater(top, a), greater(b, c))


@kernel(strict=True)
def _mix(
    weight_Gj: Array,
    v_Nd: Array,
    slot_j: Array,
    count: Index,
    later_Nd: Array,
    later_j: Array,
    later: Index,
    out_Gd: Array,
) -> None:
    group, width = out_Gd.shape
    whole = count - count % 4
    for j in range(0, whole, 4):  # four at a time: `out` is loaded and stored a quarter as often
        s0, s1, s2, s3 = slot_j[j], slot_j[j + 1], slot_j[j + 2], slot_j[j + 3]
        if j < later:
            for i in range(0, width, per_line(later_Nd)):
                prefetch(later_Nd, later_j[j], i)
                prefetch(later_Nd, later_j[j + 1], i)
                prefetch(later_Nd, later_j[j + 2], i)
                prefetch(later_Nd, later_j[j + 3], i)
        for g in range(group):
            w0, w1, w2, w3 = weight_Gj[g, j], weight_Gj[g, j + 1], weight_Gj[g, j + 2], weight_Gj[g, j + 3]
            for i in range(width):
                near = fma(w0, widen(v_Nd[s0, i]), w1 * widen(v_Nd[s1, i]))
                far = fma(w2, widen(v_Nd[s2, i]), w3 * widen(v_Nd[s3, i]))
                out_Gd[g, i] += near + far
    for j in range(whole, count):
        for g in range(group):
            for i in range(width):
                out_Gd[g, i] = fma(weight_Gj[g, j], widen(v_Nd[slot_j[j], i]), out_Gd[g, i])


@kernel()
def _total(score_j: Array, count: Index) -> np.float32:
    total = np.float32(0.0)
    for j in range(count):
        total += score_j[j]
    return total
