"""Matrix products whose every output is one sum in one order: x_RI times w_OI transposed.

    R rows, I inputs, O outputs

`product`: the loop that makes an output is chosen by the output's number alone. A row's outputs therefore do not depend
on how many rows there are, which they are, or where it stands among them: not even in the last bit.
`vector`: one row, at the speed at which memory gives the weights.
`few`: a few rows, two outputs and four rows at a time, for weights that lie in the cache.
"""

import numba
import numpy as np

from ramify.model.kernels.bits import narrow, widen
from ramify.model.kernels.jit import Array, kernel

BLOCK = 16  # outputs of one task: their weights stay in the first cache while all rows pass
FOUR = 4  # outputs that share the loads of a row


@kernel(parallel=True)
def vector(x_I: Array, weight_OI: Array, bias_O: Array, out_O: Array) -> None:
    """out = weight @ x + bias, bf16 (uint16) or fp32, summed in fp32; an empty bias is none."""
    wide_I = np.empty(len(x_I), np.float32)
    for i in range(len(x_I)):
        wide_I[i] = widen(x_I[i])
    biased = len(bias_O) > 0
    for o in numba.prange(len(weight_OI)):
        y = widen(bias_O[o]) if biased else np.float32(0.0)
        for i in range(len(wide_I)):
            y += wide_I[i] * widen(weight_OI[o, i])
        out_O[o] = narrow(y, out_O[o])


@kernel(parallel=True)
def product(x_RI: Array, weight_OI: Array, out_RO: Array) -> None:
    """out = x @ weight.T, all in fp32."""
    outputs = len(weight_OI)
    for block in numba.prange((outputs + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, min((block + 1) * BLOCK, outputs)
        for r in range(len(x_RI)):
            for o in range(first, last - FOUR + 1, FOUR):
                _four(x_RI[r], weight_OI[o], weight_OI[o + 1], weight_OI[o + 2], weight_OI[o + 3], out_RO[r], o)
            for o in range(last - (last - first) % FOUR, last):
                _one(x_RI[r], weight_OI[o], out_RO[r], o)


@kernel()
def _four(x_I: Array, w0: Array, w1: Array, w2: Array, w3: Array, out_O: Array, o: int) -> None:
    y0, y1, y2, y3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for i in range(len(x_I)):
        x = x_I[i]
        y0 += x * w0[i]
        y1 += x * w1[i]
        y2 += x * w2[i]
        y3 += x * w3[i]
    out_O[o], out_O[o + 1], out_O[o + 2], out_O[o + 3] = y0, y1, y2, y3


@kernel()
def _one(x_I: Array, w_I: Array, out_O: Array, o: int) -> None:
    y = np.float32(0.0)
    for i in range(len(x_I)):
        y += x_I[i] * w_I[i]
    out_O[o] = y


@kernel(parallel=True)
def few(x_RI: Array, weight_OI: Array, bias_O: Array, out_RO: Array) -> None:
    """out = x @ weight.T + bias for fp32 rows, weights in bf16 (uint16) or fp32; an empty bias is none."""
    rows, outputs = len(x_RI), len(weight_OI)
    whole = rows - rows % FOUR
    for pair in numba.prange((outputs + 1) // 2):
        o = 2 * pair
        p = min(o + 1, outputs - 1)  # an odd last output is made twice
        for r in range(0, whole, FOUR):
            _four_rows(x_RI[r], x_RI[r + 1], x_RI[r + 2], x_RI[r + 3], weight_OI[o], weight_OI[p], out_RO[r:], o, p)
        for r in range(whole, rows):
            a, b, w_I, v_I = np.float32(0.0), np.float32(0.0), weight_OI[o], weight_OI[p]
            for i in range(x_RI.shape[1]):
                a += x_RI[r, i] * widen(w_I[i])
                b += x_RI[r, i] * widen(v_I[i])
            out_RO[r, o], out_RO[r, p] = a, b
        if len(bias_O) > 0:
            for r in range(rows):
                out_RO[r, o] += widen(bias_O[o])
                if p > o:
                    out_RO[r, p] += widen(bias_O[p])


@kernel()
def _four_rows(
    x0: Array, x1: Array, x2: Array, x3: Array, w_I: Array, v_I: Array, out_RO: Array, o: int, p: int
) -> None:
    a0, a1, a2, a3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    b0, b1, b2, b3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for i in range(len(w_I)):
        w, v = widen(w_I[i]), widen(v_I[i])
        a0 += x0[i] * w
        a1 += x1[i] * w
        a2 += x2[i] * w
        a3 += x3[i] * w
        b0 += x0[i] * v
        b1 += x1[i] * v
        b2 += x2[i] * v
        b3 += x3[i] * v
    out_RO[0, o], out_RO[1, o], out_RO[2, o], out_RO[3, o] = a0, a1, a2, a3
    out_RO[0, p], out_RO[1, p], out_RO[2, p], out_RO[3, p] = b0, b1, b2, b3
