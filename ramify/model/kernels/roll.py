"""A small decoder rolls on by itself: it reads, draws, reads what it drew, each branch one task from end to end.

    B branches, T tokens to read first, K tokens to draw, L layers, V vocabulary, D width, F feed-forward width
    X = (H + 2K') * d, H heads, K' key-value heads, d head_dim, N slots, h rotated pairs, P pages of all tables

A model of a megabyte lies in a core's cache; what a step of it costs elsewhere is calls. What a branch draws depends on
its own tokens and uniforms only.
"""

from typing import NamedTuple

import numba
import numpy as np

from ramify.model.kernels.bits import widen
from ramify.model.kernels.decode import Index, attend_row
from ramify.model.kernels.elementary import exp, tanh
from ramify.model.kernels.jit import Array, kernel
from ramify.model.kernels.layer import LayerNumbers, LayerWeights, norm_heads, normed
from ramify.model.kernels.rows import angles, gate_row, norm_row, rotate_row, store_row


class Ends(NamedTuple):
    """What stands before the layers and after them; `cap` 0 means none."""

    embedding: Array
    multiplier: np.float32
    norm: Array
    head: Array
    eps: np.float32
    offset: np.float32
    cap: np.float32
    frequency_h: Array
    magnitude: np.float32


class Stack(NamedTuple):
    """All layers: weights one after another along a first dimension, and their numbers."""

    weights: LayerWeights
    heads: int
    eps: np.float32
    offset: np.float32
    activation: int
    scale_L: Array
    cap_L: Array
    window_L: Array
    k_LKNd: Array
    v_LKNd: Array


class Cuts(NamedTuple):
    """How a row of logits becomes a law: temperature 0 takes the largest, top_k 0 keeps all."""

    temperature: np.float32
    top_k: int
    top_p: np.float64
    min_p: np.float32


@kernel(parallel=True)
def roll(
    read_T: Array, first_B: Array, start_B: Array, pages_P: Array, offset_B: Array, page_size: int, count_B: Array,
    uniform_BK: Array, temperature: np.float32, top_k: int, top_p: np.float64, min_p: np.float32,
    embedding: Array, multiplier: np.float32, norm: Array, head: Array, logit_cap: np.float32, frequency_h: Array,
    magnitude: np.float32, attention_norm: Array, qkv: Array, qkv_bias: Array, q_norm: Array, k_norm: Array, out: Array,
    out_bias: Array, attention_post: Array, mlp_norm: Array, gate_up: Array, gate_up_bias: Array, down: Array,
    down_bias: Array, mlp_post: Array, heads: int, eps: np.float32, offset: np.float32, activation: int, scale_L: Array,
    cap_L: Array, window_L: Array, k_LKNd: Array, v_LKNd: Array, drawn_BK: Array, mass_BKV: Array,
) -> None:  # fmt: skip
    """Branch b reads read_T[first_B[b] : first_B[b + 1]] at positions from start_B[b] on, then draws count_B[b] tokens.

    All but the last drawn token are read, too. `mass_BKV` takes the laws drawn from, or has no V. Weights
    are stacked, a layer after another; what a layer has not is empty. (Only arrays and numbers reach other threads, so
    they come one by one.)
    """
    for b in numba.prange(len(start_B)):
        ends = Ends(embedding, multiplier, norm, head, eps, offset, logit_cap, frequency_h, magnitude)
        stack = Stack(
            LayerWeights(
                attention_norm, qkv, qkv_bias, q_norm, k_norm, out, out_bias, attention_post, mlp_norm, gate_up,
                gate_up_bias, down, down_bias, mlp_post,
            ),
            heads, eps, offset, activation, scale_L, cap_L, window_L, k_LKNd, v_LKNd,
        )  # fmt: skip
        cuts = Cuts(temperature, top_k, top_p, min_p)
        _branch(
            read_T[first_B[b] : first_B[b + 1]], start_B[b], pages_P[offset_B[b] :], page_size, count_B[b],
            uniform_BK[b], cuts, ends, stack, drawn_BK[b], mass_BKV[b],
        )  # fmt: skip


@kernel()
def _branch(
    read_T: Array,
    start: int,
    pages: Array,
    page_size: int,
    count: int,
    uniform_K: Array,
    cuts: Cuts,
    ends: Ends,
    stack: Stack,
    drawn_K: Array,
    mass_KV: Array,
) -> None:
    h_D, logit_V = np.empty(ends.embedding.shape[1], np.float32), np.empty(len(ends.head), np.float32)
    token: Index = np.int64(0)
    for i in range(len(read_T) + count - 1):
        k = i - len(read_T) + 1  # of the token that is drawn after this row, if one is
        token = read_T[i] if i < len(read_T) else token
        _row(h_D, token, start + i, pages, page_size, ends, stack)
        if k >= 0:
            _logits(h_D, ends, logit_V)
            token = _draw(logit_V, cuts, uniform_K[k], mass_KV[k])
            drawn_K[k] = token
            if token < 0:
                return


@kernel()
def _row(h_D: Array, token: Index, position: int, pages: Array, page_size: int, ends: Ends, stack: Stack) -> None:
    for i in range(len(h_D)):
        h_D[i] = widen(ends.embedding[token, i]) * ends.multiplier
    cos_1h, sin_1h = np.empty((1, len(ends.frequency_h)), np.float32), np.empty((1, len(ends.frequency_h)), np.float32)
    angles(np.full(1, position, np.int64), ends.frequency_h, ends.magnitude, cos_1h, sin_1h)
    for i in range(len(stack.scale_L)):
        w, n = _layer(stack, i)
        x_D = normed(h_D, w.attention_norm, n)
        mixed_D = _attention(
            x_D, w, n, position, pages, page_size, cos_1h[0], sin_1h[0], stack.k_LKNd[i], stack.v_LKNd[i]
        )
        h_D += normed(mixed_D, w.attention_post, n)
        both = np.empty(len(w.gate_up), np.float32)
        _vector(normed(h_D, w.mlp_norm, n), w.gate_up, w.gate_up_bias, both)
        inner_F = np.empty(len(both) // 2, np.float32)
        gate_row(both, n.activation, inner_F)
        _vector(inner_F, w.down, w.down_bias, mixed_D)
        h_D += normed(mixed_D, w.mlp_post, n)


@kernel()
def _layer(stack: Stack, i: int) -> tuple[LayerWeights, LayerNumbers]:
    s = stack.weights
    w = LayerWeights(
        s.attention_norm[i], s.qkv[i], s.qkv_bias[i], s.q_norm[i], s.k_norm[i], s.out[i], s.out_bias[i],
        s.attention_post[i], s.mlp_norm[i], s.gate_up[i], s.gate_up_bias[i], s.down[i], s.down_bias[i], s.mlp_post[i],
    )  # fmt: skip
    n = LayerNumbers(
        stack.heads, stack.eps, stack.offset, stack.activation, stack.scale_L[i], stack.cap_L[i], stack.window_L[i]
    )
    return w, n


@kernel()
def _attention(
    x_D: Array,
    w: LayerWeights,
    n: LayerNumbers,
    position: int,
    pages: Array,
    page_size: int,
    cos_h: Array,
    sin_h: Array,
    k_KNd: Array,
    v_KNd: Array,
) -> Array:
    heads_kv, _, width = k_KNd.shape
    group = n.heads // heads_kv
    qkv_X = np.empty(len(w.qkv), np.float32)
    _vector(x_D, w.qkv, w.qkv_bias, qkv_X)
    q_width, kv_width = n.heads * width, heads_kv * width
    q, k = qkv_X[:q_width], qkv_X[q_width : q_width + kv_width]
    norm_heads(q, w.q_norm, n)
    norm_heads(k, w.k_norm, n)
    q_Hd, k_Kd = np.empty((n.heads, width), np.float32), np.empty((heads_kv, width), np.float32)
    rotate_row(q, 0, cos_h, sin_h, q_Hd)
    rotate_row(k, 0, cos_h, sin_h, k_Kd)
    slot = np.int64(pages[position // page_size]) * page_size + position % page_size
    store_row(k_Kd.reshape(-1), 0, slot, k_KNd)
    store_row(qkv_X, q_width + kv_width, slot, v_KNd)
    out_Hd, lse_H = np.empty((n.heads, width), np.float32), np.full(n.heads, np.float32(-np.inf))
    first = max(0, position - n.window + 1) if n.window > 0 else 0
    tail = np.empty(0, np.int64)
    for head in range(heads_kv):
        mine = slice(head * group, (head + 1) * group)
        attend_row(
            q_Hd[mine], k_KNd, v_KNd, head, pages, tail, page_size, first, position, n.scale, n.cap,
            out_Hd[mine], lse_H[mine],
        )  # fmt: skip
    mixed_D = np.empty(len(w.out), np.float32)
    _vector(out_Hd.reshape(-1), w.out, w.out_bias, mixed_D)
    return mixed_D


@kernel()
def _vector(x_I: Array, weight_OI: Array, bias_O: Array, out_O: Array) -> None:
    biased = len(bias_O) > 0
    for o in range(len(weight_OI)):
        y = widen(bias_O[o]) if biased else np.float32(0.0)
        for i in range(len(x_I)):
            y += x_I[i] * widen(weight_OI[o, i])
        out_O[o] = y


@kernel()
def _logits(h_D: Array, ends: Ends, logit_V: Array) -> None:
    x_D, none = np.empty(len(h_D), np.float32), ends.head[0, :0]
    norm_row(h_D, ends.norm, ends.offset, ends.eps, x_D)
    _vector(x_D, ends.head, none, logit_V)
    if ends.cap > 0:
        for v in range(len(logit_V)):
            logit_V[v] = ends.cap * tanh(logit_V[v] / ends.cap)


@kernel()
def _draw(logit_V: Array, cuts: Cuts, at: float, mass_V: Array) -> Index:
    """The token drawn at a uniform; its law goes to `mass_V`, if that has room. -1: the logits are no numbers."""
    best, top = np.int64(-1), np.float32(-np.inf)
    for v in range(len(logit_V)):
        if np.isnan(logit_V[v]):
            return -1
        if logit_V[v] > top:
            best, top = np.int64(v), logit_V[v]
    if best < 0 or top == np.inf:
        return -1
    keeps = len(mass_V) > 0
    if cuts.temperature == 0:
        if keeps:
            mass_V[:] = 0.0
            mass_V[best] = 1.0
        return best
    law_V = np.empty(len(logit_V), np.float32)
    for v in range(len(logit_V)):
        law_V[v] = exp((logit_V[v] - top) / cuts.temperature)
    if cuts.top_k == 0 and cuts.top_p == 1.0 and cuts.min_p == 0:
        token = _inverse(law_V, at)
    else:
        order = np.argsort(-law_V, kind="mergesort")
        kept = _kept(law_V, order, cuts)
        for rank in range(kept, len(order)):
            law_V[order[rank]] = np.float32(0.0)
        token = order[_inverse(law_V[order[:kept]], at)]
    if keeps:
        total = np.float64(0.0)
        for v in range(len(law_V)):
            total += law_V[v]
        for v in range(len(law_V)):
            mass_V[v] = law_V[v] / total
    return token


@kernel()
def _kept(law_V: Array, order: Array, cuts: Cuts) -> int:
    """How many of the largest stay: the top k, of those the smallest set of mass top_p, of those what min_p lets."""
    kept = min(cuts.top_k, len(order)) if cuts.top_k > 0 else len(order)
    total = np.float64(0.0)
    for rank in range(kept):
        total += law_V[order[rank]]
    before = np.float64(0.0)
    for rank in range(kept):
        mass = law_V[order[rank]]
        if rank > 0 and (before >= cuts.top_p * total or mass < cuts.min_p * law_V[order[0]]):
            return rank
        before += mass
    return kept


@kernel()
def _inverse(law: Array, at: float) -> int:
    total = np.float64(0.0)
    for v in range(len(law)):
        total += law[v]
    goal, passed, last = at * total, np.float64(0.0), 0
    for v in range(len(law)):
        if law[v] > 0:
            passed += law[v]
            last = v
            if passed > goal:
                return v
    return last
