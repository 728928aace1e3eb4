"""What a decoder does between products, one pass a row: norms, rotation, gates, caps, and storing keys.

    R rows, D width, F feed-forward width, H heads, K key-value heads, d head_dim, h rotated pairs, N slots

Numbers in bf16 (uint16) or fp32, sums in fp32. A row's results depend on that row only, and not on where it lies: all
that stores is strict.
"""

import math

import numba
import numpy as np

from ramify.model.kernels.bits import narrow, widen
from ramify.model.kernels.elementary import exp, tanh
from ramify.model.kernels.jit import Array, kernel

ONE, HALF = np.float32(1.0), np.float32(0.5)
SILU, GELU, GELU_TANH = 0, 1, 2
ROOT_HALF = np.float32(math.sqrt(0.5))
ROOT_2_OVER_PI, CUBIC = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


@kernel()
def _squares(x_D: Array) -> np.float32:
    total = np.float32(0.0)
    for i in range(len(x_D)):
        total += widen(x_D[i]) * widen(x_D[i])
    return total


@kernel(strict=True)
def norm_row(x_D: Array, weight_D: Array, offset: np.float32, eps: np.float32, out_D: Array) -> None:
    """RMSNorm of one row, times weight + offset; may be in place."""
    scale = ONE / np.sqrt(_squares(x_D) / np.float32(len(x_D)) + eps)
    for i in range(len(x_D)):
        out_D[i] = narrow(widen(x_D[i]) * scale * (widen(weight_D[i]) + offset), out_D[i])


@kernel(strict=True)
def norm(x_RD: Array, weight_D: Array, offset: np.float32, eps: np.float32, out_RD: Array) -> None:
    """RMSNorm, times weight + offset."""
    for r in range(len(x_RD)):
        norm_row(x_RD[r], weight_D, offset, eps, out_RD[r])


@kernel(parallel=True, strict=True)
def norm_many(x_RD: Array, weight_D: Array, offset: np.float32, eps: np.float32, out_RD: Array) -> None:
    """`norm` over all threads."""
    for r in numba.prange(len(x_RD)):
        norm_row(x_RD[r], weight_D, offset, eps, out_RD[r])


@kernel(strict=True)
def gate_row(x_X: Array, kind: int, out_F: Array) -> None:
    """act(first half) * second half of one row."""
    width = len(out_F)
    for i in range(width):
        x = widen(x_X[i])
        if kind == SILU:
            active = x / (ONE + exp(-x))
        elif kind == GELU_TANH:
            active = HALF * x * (ONE + tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x)))
        else:
            active = HALF * x * (ONE + np.float32(math.erf(x * ROOT_HALF)))
        out_F[i] = narrow(active * widen(x_X[width + i]), out_F[i])


@kernel(strict=True)
def gate(x_RX: Array, kind: int, out_RF: Array) -> None:
    """act(first half of a row) * second half."""
    for r in range(len(x_RX)):
        gate_row(x_RX[r], kind, out_RF[r])


@kernel(parallel=True, strict=True)
def gate_many(x_RX: Array, kind: int, out_RF: Array) -> None:
    """`gate` over all threads."""
    for r in numba.prange(len(x_RX)):
        gate_row(x_RX[r], kind, out_RF[r])


@kernel(strict=True)
def rotate_row(x: Array, begin: int, cos_h: Array, sin_h: Array, out_Hd: Array) -> None:
    """Rotate the first 2h features of every head of the row that starts at x[begin]."""
    heads, width = out_Hd.shape
    half = len(cos_h)
    for head in range(heads):  # slices: an index of its own sum is checked for its sign, and no vectors come of it
        at = begin + head * width
        a_h, b_h = x[at : at + half], x[at + half : at + 2 * half]
        front_h, back_h = out_Hd[head, :half], out_Hd[head, half:]
        for i in range(half):
            front_h[i] = narrow(widen(a_h[i]) * cos_h[i] - widen(b_h[i]) * sin_h[i], front_h[i])
        for i in range(half):
            back_h[i] = narrow(widen(b_h[i]) * cos_h[i] + widen(a_h[i]) * sin_h[i], back_h[i])
        rest, as_it_is = x[at + 2 * half : at + width], out_Hd[head, 2 * half :]
        for i in range(len(rest)):
            as_it_is[i] = narrow(widen(rest[i]), as_it_is[i])


@kernel(strict=True)
def rotate(x: Array, stride: int, cos_Rh: Array, sin_Rh: Array, out_RHd: Array) -> None:
    """Rotate the first 2h features of every head. Row r of the input starts at x[r * stride]."""
    for r in range(len(cos_Rh)):
        rotate_row(x, r * stride, cos_Rh[r], sin_Rh[r], out_RHd[r])


@kernel(parallel=True, strict=True)
def rotate_many(x: Array, stride: int, cos_Rh: Array, sin_Rh: Array, out_RHd: Array) -> None:
    """`rotate` over all threads."""
    for r in numba.prange(len(cos_Rh)):
        rotate_row(x, r * stride, cos_Rh[r], sin_Rh[r], out_RHd[r])


@kernel(strict=True)
def angles(position_R: Array, frequency_h: Array, magnitude: np.float32, cos_Rh: Array, sin_Rh: Array) -> None:
    """cos and sin of position * frequency: the product in fp32, its cosine in fp64, rounded once."""
    for r in range(len(position_R)):
        for i in range(len(frequency_h)):
            angle = np.float64(np.float32(position_R[r]) * frequency_h[i])
            cos_Rh[r, i] = np.float32(math.cos(angle)) * magnitude
            sin_Rh[r, i] = np.float32(math.sin(angle)) * magnitude


@kernel(strict=True)
def soft_cap(x_RV: Array, cap: np.float32) -> None:
    """cap * tanh(x / cap), in place, fp32."""
    for r in range(x_RV.shape[0]):
        for i in range(x_RV.shape[1]):
            x_RV[r, i] = cap * tanh(x_RV[r, i] / cap)


@kernel(strict=True)
def store_row(x: Array, begin: int, slot: int | np.int64, x_KNd: Array) -> None:
    """Write the keys or values of one row, from x[begin] on, into a slot of every head."""
    heads, _, width = x_KNd.shape
    for head in range(heads):
        from_d, to_d = x[begin + head * width : begin + (head + 1) * width], x_KNd[head, slot]
        for i in range(width):
            to_d[i] = narrow(widen(from_d[i]), to_d[i])


@kernel(strict=True)
def store(k: Array, k_stride: int, v: Array, v_stride: int, slots_R: Array, k_KNd: Array, v_KNd: Array) -> None:
    """Write rows of keys and values (row r starts at r * stride) into their slots, rounded to the store's type."""
    for r in range(len(slots_R)):
        store_row(k, r * k_stride, slots_R[r], k_KNd)
        store_row(v, r * v_stride, slots_R[r], v_KNd)


@kernel(parallel=True, strict=True)
def store_many(k: Array, k_stride: int, v: Array, v_stride: int, slots_R: Array, k_KNd: Array, v_KNd: Array) -> None:
    """`store` over all threads; no two rows have the same slot."""
    for r in numba.prange(len(slots_R)):
        store_row(k, r * k_stride, slots_R[r], k_KNd)
        store_row(v, r * v_stride, slots_R[r], v_KNd)
