"""Matrix products whose every output is one sum in one order: x_RI times w_OI transposed.

    R rows, I inputs, O outputs

`product`: the loop that makes an output is chosen by the output's number alone. A row's outputs therefore do not depend
on how many rows there are, which they are, or where it stands among them: not even in the last bit.
`vector`: one row, at the speed at which memory gives the weights.
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
