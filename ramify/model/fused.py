"""The operations between products by kernels, on the CPU: one pass over a row where PyTorch makes several.

    R rows, D width, H heads, K key-value heads, d head_dim, h rotated pairs, F feed-forward width, N slots

Inference only. A row's results do not depend on the rows beside it, nor on where they lie, not even in the last bit, as
long as one kernel computes them: the sum in a norm is the compiler's to order, and nothing says that it orders it alike
for one thread and for several. Exact mode therefore stays with the kernels for one thread, however many rows there are.
"""

import sys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ramify.kv.store import PagedStore
from ramify.model.kernels import rows
from ramify.model.rope import RotaryTable

MANY = 64  # rows from which on handing out work to threads pays
KINDS = {"silu": rows.SILU, "gelu": rows.GELU, "gelu_tanh": rows.GELU_TANH}


class FusedRowwise:
    """`Rowwise` by kernels, for bf16 and fp32 on the CPU.

    Args:
        exact: one kernel for any number of rows.
    """

    def __init__(self, *, exact: bool) -> None:
        self.many = sys.maxsize if exact else MANY

    def norm(self, x: Tensor, weight_D: Tensor, offset: float, eps: float) -> Tensor:
        x_RD = x.reshape(-1, x.shape[-1])
        out_RD = torch.empty_like(x_RD)
        kernel = rows.norm if x_RD.shape[0] < self.many else rows.norm_many
        kernel(as_numpy(x_RD), as_numpy(weight_D), np.float32(offset), np.float32(eps), as_numpy(out_RD))
        return out_RD.view(x.shape)

    def angles(self, table: RotaryTable, positions_R: Tensor) -> tuple[Tensor, Tensor]:
        cos_Rh = torch.empty(len(positions_R), len(table.frequencies))
        sin_Rh = torch.empty_like(cos_Rh)
        magnitude = np.float32(table.magnitude)
        rows.angles(positions_R.numpy(), table.frequencies.numpy(), magnitude, cos_Rh.numpy(), sin_Rh.numpy())
        return cos_Rh, sin_Rh

    def rotate(self, x_RHd: Tensor, cos_Rh: Tensor, sin_Rh: Tensor) -> Tensor:
        out_RHd = torch.empty(x_RHd.shape, dtype=x_RHd.dtype)
        x, stride = flat(x_RHd)
        kernel = rows.rotate if x_RHd.shape[0] < self.many else rows.rotate_many
        kernel(x, stride, cos_Rh.numpy(), sin_Rh.numpy(), as_numpy(out_RHd))
        return out_RHd

    def gate(self, x_RX: Tensor, activation: str) -> Tensor:
        out_RF = torch.empty(x_RX.shape[0], x_RX.shape[1] // 2, dtype=x_RX.dtype)
        kernel = rows.gate if x_RX.shape[0] < self.many else rows.gate_many
        kernel(as_numpy(x_RX), KINDS[activation], as_numpy(out_RF))
        return out_RF

    def soft_cap(self, x: Tensor, cap: float) -> Tensor:
        rows.soft_cap(x.numpy(), np.float32(cap))
        return x


def has_kernels(x: Tensor) -> bool:
    """Whether there are kernels for tensors of this type on this device."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)


def append(store: PagedStore, layer: int, slots_R: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> None:
    """`store.append` in one pass over both (CPU)."""
    kernel = rows.store if slots_R.shape[0] < MANY else rows.store_many
    kernel(*flat(k_RKd), *flat(v_RKd), slots_R.numpy(), store.k_arrays[layer], store.v_arrays[layer])


def as_numpy(x: Tensor) -> NDArray[np.generic]:
    """The same memory as an array, bf16 as uint16; a copy if it is not contiguous."""
    x = x.contiguous()
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


def flat(x_RHd: Tensor) -> tuple[NDArray[np.generic], int]:
    """The memory of rows that may lie apart, as one list, and how far apart they lie."""
    if x_RHd.stride(-1) != 1 or x_RHd.stride(-2) != x_RHd.shape[-1]:
        x_RHd = x_RHd.contiguous()
    stride, row = x_RHd.stride(0), x_RHd.shape[1] * x_RHd.shape[2]
    return as_numpy(x_RHd.as_strided(((x_RHd.shape[0] - 1) * stride + row,), (1,))), stride
