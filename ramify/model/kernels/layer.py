"""One row through one layer in one call: at batch 1 the calls between products cost as much as a third of the weights.

    D width, X = (H + 2K) * d, F feed-forward width, H heads, K key-value heads, d head_dim, N slots, h rotated pairs
    P pages of the row's table

The row stays in fp32 from end to end; weights, keys and values are in bf16 (uint16) or fp32. An empty array is a norm
or a bias that the layer has not.
"""

from typing import NamedTuple

import numpy as np

from ramify.model.kernels.decode import decode_attention
from ramify.model.kernels.jit import Array, kernel
from ramify.model.kernels.product import vector
from ramify.model.kernels.rows import gate_row, norm_row, rotate_row, store_row


class LayerWeights(NamedTuple):
    """Arrays of one layer."""

    attention_norm: Array
    qkv: Array
    qkv_bias: Array
    q_norm: Array
    k_norm: Array
    out: Array
    out_bias: Array
    attention_post: Array
    mlp_norm: Array
    gate_up: Array
    gate_up_bias: Array
    down: Array
    down_bias: Array
    mlp_post: Array


class LayerNumbers(NamedTuple):
    """What is the same for all rows; `cap` 0 and `window` 0 mean none."""

    heads: int
    eps: np.float32
    offset: np.float32
    activation: int
    scale: np.float32
    cap: np.float32
    window: int


class Place(NamedTuple):
    """Where the row stands: arrays of one entry each, as `decode_attention` wants them, and its table."""

    row_1: Array
    span_1: Array
    position_1: Array
    first_1: Array
    offset_1: Array
    pages_P: Array
    no_tail: Array
    page_size: int
    slot: int


@kernel()
def layer(
    h_D: Array, w: LayerWeights, n: LayerNumbers, at: Place, cos_h: Array, sin_h: Array, k_KNd: Array, v_KNd: Array
) -> None:
    """The residual stream after the layer, in place of the one before it; the row's key and value are stored."""
    mixed_D = _attention(normed(h_D, w.attention_norm, n), w, n, at, cos_h, sin_h, k_KNd, v_KNd)
    h_D += normed(mixed_D, w.attention_post, n)
    x_D = normed(h_D, w.mlp_norm, n)
    both = np.empty(len(w.gate_up), np.float32)
    vector(x_D, w.gate_up, w.gate_up_bias, both)
    inner_F = np.empty(len(both) // 2, np.float32)
    gate_row(both, n.activation, inner_F)
    vector(inner_F, w.down, w.down_bias, mixed_D)
    h_D += normed(mixed_D, w.mlp_post, n)


@kernel()
def _attention(
    x_D: Array,
    w: LayerWeights,
    n: LayerNumbers,
    at: Place,
    cos_h: Array,
    sin_h: Array,
    k_KNd: Array,
    v_KNd: Array,
) -> Array:
    heads_kv, _, width = k_KNd.shape
    qkv_X = np.empty(len(w.qkv), np.float32)
    vector(x_D, w.qkv, w.qkv_bias, qkv_X)
    q_width, kv_width = n.heads * width, heads_kv * width
    q, k = qkv_X[:q_width], qkv_X[q_width : q_width + kv_width]
    norm_heads(q, w.q_norm, n)
    norm_heads(k, w.k_norm, n)
    q_1Hd, k_Kd = np.empty((1, n.heads, width), np.float32), np.empty((heads_kv, width), np.float32)
    rotate_row(q, 0, cos_h, sin_h, q_1Hd[0])
    rotate_row(k, 0, cos_h, sin_h, k_Kd)
    store_row(k_Kd.reshape(-1), 0, at.slot, k_KNd)
    store_row(qkv_X, q_width + kv_width, at.slot, v_KNd)
    out_1Hd, lse_1H = np.empty((1, n.heads, width), np.float32), np.full((1, n.heads), np.float32(-np.inf))
    decode_attention(
        q_1Hd, k_KNd, v_KNd, at.row_1, at.span_1, at.position_1, at.first_1, at.offset_1, at.pages_P,
        at.no_tail, at.no_tail, at.page_size, n.scale, n.cap, n.window, out_1Hd, lse_1H,
    )  # fmt: skip
    mixed_D = np.empty(len(w.out), np.float32)
    vector(out_1Hd.reshape(-1), w.out, w.out_bias, mixed_D)
    return mixed_D


@kernel()
def normed(x_D: Array, weight_D: Array, n: LayerNumbers) -> Array:
    """The row, normed; the row itself where the layer has no such norm."""
    if len(weight_D) == 0:
        return x_D
    out_D = np.empty(len(x_D), np.float32)
    norm_row(x_D, weight_D, n.offset, n.eps, out_D)
    return out_D


@kernel()
def norm_heads(x: Array, weight: Array, n: LayerNumbers) -> None:
    """Over all heads together if the weight is as wide, over each by itself otherwise; in place."""
    for begin in range(0, len(x) if len(weight) else 0, max(1, len(weight))):
        part = x[begin : begin + len(weight)]
        norm_row(part, weight, n.offset, n.eps, part)
