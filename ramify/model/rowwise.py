"""What a decoder does between its products, behind one interface: norms, rotation, gates, caps.

    R rows, H heads, d head_dim, h rotated pairs, F feed-forward width

All of it is one row at a time. `TorchRowwise` is differentiable, runs anywhere and judges what is faster.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.model.rope import RotaryTable, rotate

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


class Rowwise(Protocol):
    """The operations; results have the input's type, inputs may be overwritten by `soft_cap` only."""

    def norm(self, x: Tensor, weight_D: Tensor, offset: float, eps: float) -> Tensor:
        """RMSNorm over the last dimension in fp32, times weight + offset (Gemma stores weight - 1)."""
        ...

    def angles(self, table: RotaryTable, positions_R: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin of the rows' angles, fp32 [R, h]."""
        ...

    def rotate(self, x_RHd: Tensor, cos_Rh: Tensor, sin_Rh: Tensor) -> Tensor:
        """Rotate the first 2h features of every head."""
        ...

    def gate(self, x_RX: Tensor, activation: str) -> Tensor:
        """act(first half) * second half, [R, 2F] -> [R, F]."""
        ...

    def soft_cap(self, x: Tensor, cap: float) -> Tensor:
        """cap * tanh(x / cap)."""
        ...


class TorchRowwise:
    """Plain PyTorch, in the order of operations that `transformers` has."""

    def norm(self, x: Tensor, weight_D: Tensor, offset: float, eps: float) -> Tensor:
        if offset:
            scaled = F.rms_norm(x.float(), weight_D.shape, None, eps)
            return (scaled * (weight_D.float() + offset)).to(x.dtype)
        return F.rms_norm(x, weight_D.shape, weight_D, eps)

    def angles(self, table: RotaryTable, positions_R: Tensor) -> tuple[Tensor, Tensor]:
        return table(positions_R)

    def rotate(self, x_RHd: Tensor, cos_Rh: Tensor, sin_Rh: Tensor) -> Tensor:
        return rotate(x_RHd, cos_Rh, sin_Rh)

    def gate(self, x_RX: Tensor, activation: str) -> Tensor:
        gate_RF, up_RF = x_RX.chunk(2, dim=-1)
        return ACTIVATIONS[activation](gate_RF) * up_RF

    def soft_cap(self, x: Tensor, cap: float) -> Tensor:
        return torch.tanh(x / cap) * cap
