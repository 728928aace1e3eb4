"""Linear layers behind one interface, so that a faster product is a table entry and not a new decoder.

    R rows, I inputs, O outputs

A back end turns (weight_OI, bias_O) once into a product `x_RI -> y_RO`; rows never couple.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Product = Callable[[Tensor], Tensor]


class LinearBackend(Protocol):
    """Prepares a product from a weight; the weight may be re-laid, the result may not depend on other rows."""

    name: str

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product: ...


class Linear(nn.Module):
    """A weight and the product that is currently used for it (plain `F.linear` until `use` is called)."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self._product: Product | None = None

    def use(self, backend: LinearBackend) -> None:
        """Answer through `backend` from now on (inference only: no gradient is promised)."""
        self._product = backend.prepare(self.weight.detach(), None if self.bias is None else self.bias.detach())

    def forward(self, x_RI: Tensor) -> Tensor:
        if self._product is not None:
            return self._product(x_RI)
        return F.linear(x_RI, self.weight, self.bias)
