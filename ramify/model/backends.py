"""Back ends of linear layers, and `prepare`, which picks one for a whole decoder.

    R rows, I inputs, O outputs

| name | what | where |
|---|---|---|
| plain | `F.linear` | any device, any type |
| packed | oneDNN on weights laid out for it once | CPU, bf16 and fp32: twice as fast as plain at one row, 1.4 at 32 |
| exact | every output a sum in one fixed order, whatever rows are beside it | CPU, fp32 |
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.core.errors import Incompatible
from ramify.model.decoder import TORCH, Attention, Decoder, GatedMlp, Norm
from ramify.model.fused import FusedRowwise
from ramify.model.linear import Linear, LinearBackend, Product
from ramify.model.paged import Mode
from ramify.model.rowwise import Rowwise


class Plain:
    """`F.linear`."""

    name = "plain"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        return lambda x_RI: F.linear(x_RI, weight_OI, bias_O)


class Packed:
    """oneDNN with the weight in its own layout, a copy of the weight's size."""

    name = "packed"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        packed, product = torch.ops.mkldnn._reorder_linear_weight(weight_OI), torch.ops.mkldnn._linear_pointwise
        return lambda x_RI: product(x_RI, packed, bias_O, "none", [], "")


class Exact:
    """TODO."""

    name = "exact"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        return lambda x_RI: F.linear(x_RI, weight_OI, bias_O)


def prepare(decoder: Decoder, mode: Mode) -> Decoder:
    """Make a decoder answer in `mode` from now on, for inference only; in place, and returned.

    Raises:
        Incompatible: `exact` with weights that are not fp32 on the CPU.
    """
    weight = decoder.embedding
    if mode == "exact" and (weight.dtype != torch.float32 or weight.device.type != "cpu"):
        raise Incompatible("exact mode", f"{weight.dtype} weights on {weight.device}", "Use fp32 on the CPU.")
    kernels = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.bfloat16)
    rowwise: Rowwise = FusedRowwise() if kernels and mode != "reference" else TORCH
    backend = choose(mode, weight)
    for module in decoder.modules():
        if isinstance(module, Linear):
            module.use(backend)
        elif isinstance(module, Norm | Attention | GatedMlp | Decoder):
            module.rowwise = rowwise
    return decoder.eval().requires_grad_(False)


def choose(mode: Mode, weight: Tensor) -> LinearBackend:
    """The back end of a mode for weights of this type on this device."""
    if mode == "exact":
        return Exact()
    packs = weight.device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if mode == "fast" and packs and weight.dtype in (torch.float32, torch.bfloat16):
        return Packed()
    return Plain()
