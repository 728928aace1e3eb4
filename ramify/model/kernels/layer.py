"""A few rows through one layer: in one call, or with calls for all that lies between its products.

An operation at a time would be a dozen calls and more, which small layers feel.

    R rows, D width, X = (H + 2K) * d, F feed-forward width, H heads, K key-value heads, d head_dim, N slots
    h rotated pairs, P pages of all tables, S spans, T slots of all tails

The residual stream stays in fp32; weights, keys and values are in bf16 (uint16) or fp32, and so is what products read
and give unless all is done in one call. An empty array is a norm or a bias that the layer has not.
"""

from typing import NamedTuple

import numpy as np

from ramify.model.kernels.bits import narrow, widen
from ramify.model.kernels.decode import decode_attention
from ramify.model.kernels.jit import Array, kernel
from ramify.model.kernels.product import few, vector
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
    """Where the rows stand, as `decode_attention` wants it, and the slots of their keys."""

    rows_R: Array
    span_R: Array
    position_R: Array
    first_S: Array
    offset_S: Array
    pages_P: Array
    tail_R: Array
    tails_T: Array
    page_size: int
    slots_R: Array


@kernel()
def layer(
    h_RD: Array, w: LayerWeights, n: LayerNumbers, at: Place, cos_Rh: Array, sin_Rh: Array, k_KNd: Array, v_KNd: Array
) -> None:
    """The residual stream after the layer, in place of the one before it; the rows' keys and values are stored."""
    rows = len(h_RD)
    x_RD, mixed_RD = np.empty(h_RD.shape, np.float32), np.empty(h_RD.shape, np.float32)
    qkv_RX, out_RX = np.empty((rows, len(w.qkv)), np.float32), np.empty((rows, w.out.shape[1]), np.float32)
    both_RX = np.empty((rows, len(w.gate_up)), np.float32)
    inner_RF = np.empty((rows, len(w.gate_up) // 2), np.float32)
    read(h_RD, w.attention_norm, n, x_RD)
    _product(x_RD, w.qkv, w.qkv_bias, qkv_RX)
    attended(qkv_RX, w.q_norm, w.k_norm, n, at, cos_Rh, sin_Rh, k_KNd, v_KNd, out_RX)
    _product(out_RX, w.out, w.out_bias, mixed_RD)
    add(h_RD, mixed_RD, w.attention_post, n)
    read(h_RD, w.mlp_norm, n, x_RD)
    _product(x_RD, w.gate_up, w.gate_up_bias, both_RX)
    for r in range(rows):
        gate_row(both_RX[r], n.activation, inner_RF[r])
    _product(inner_RF, w.down, w.down_bias, mixed_RD)
    add(h_RD, mixed_RD, w.mlp_post, n)


@kernel()
def attended(
    qkv_RX: Array,
    q_norm: Array,
    k_norm: Array,
    n: LayerNumbers,
    at: Place,
    cos_Rh: Array,
    sin_Rh: Array,
    k_KNd: Array,
    v_KNd: Array,
    out_RX: Array,
) -> None:
    """What lies between the products of attention: norms of heads, rotation, storing keys and values, the mean."""
    rows, (heads_kv, _, width) = len(qkv_RX), k_KNd.shape
    q_width, kv_width = n.heads * width, heads_kv * width
    q_RHd, k_Kd = np.empty((rows, n.heads, width), np.float32), np.empty((heads_kv, width), np.float32)
    for r in range(rows):
        q, k = qkv_RX[r, :q_width], qkv_RX[r, q_width : q_width + kv_width]
        norm_heads(q, q_norm, n)
        norm_heads(k, k_norm, n)
        rotate_row(q, 0, cos_Rh[r], sin_Rh[r], q_RHd[r])
        rotate_row(k, 0, cos_Rh[r], sin_Rh[r], k_Kd)
        store_row(k_Kd.reshape(-1), 0, at.slots_R[r], k_KNd)
        store_row(qkv_RX[r], q_width + kv_width, at.slots_R[r], v_KNd)
    out_RHd = np.empty((rows, n.heads, width), np.float32)
    lse_RH = np.full((rows, n.heads), np.float32(-np.inf))
    decode_attention(
        q_RHd, k_KNd, v_KNd, at.rows_R, at.span_R, at.position_R, at.first_S, at.offset_S, at.pages_P,
        at.tail_R, at.tails_T, at.page_size, n.scale, n.cap, n.window, out_RHd, lse_RH,
    )  # fmt: skip
    for r in range(rows):
        _copy(out_RHd[r].reshape(-1), out_RX[r])


@kernel()
def add(h_RD: Array, mixed_RD: Array, post_D: Array, n: LayerNumbers) -> None:
    """What a block gave joins the residual stream, normed if the layer norms it."""
    normed_D = np.empty(h_RD.shape[1], np.float32)
    for r in range(len(h_RD)):
        if len(post_D) > 0:
            norm_row(mixed_RD[r], post_D, n.offset, n.eps, normed_D)
        else:
            _copy(mixed_RD[r], normed_D)
        h_RD[r] += normed_D


@kernel()
def read(h_RD: Array, norm_D: Array, n: LayerNumbers, x_RD: Array) -> None:
    """What a block reads of the residual stream: the stream, normed if the layer norms it."""
    for r in range(len(h_RD)):
        if len(norm_D) > 0:
            norm_row(h_RD[r], norm_D, n.offset, n.eps, x_RD[r])
        else:
            _copy(h_RD[r], x_RD[r])


@kernel()
def _copy(from_D: Array, to_D: Array) -> None:
    for i in range(len(to_D)):
        to_D[i] = narrow(widen(from_D[i]), to_D[i])


@kernel()
def _product(x_RI: Array, weight_OI: Array, bias_O: Array, out_RO: Array) -> None:
    if len(x_RI) == 1:
        vector(x_RI[0], weight_OI, bias_O, out_RO[0])
    else:
        few(x_RI, weight_OI, bias_O, out_RO)


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
