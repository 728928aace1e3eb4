"""Back ends of linear layers, and `prepare`, which picks one for a whole decoder.

    R rows, I inputs, O outputs

| name | what | where |
|---|---|---|
| plain | `F.linear` | any device, any type |
| fast | one row: a kernel at the memory's speed; several: oneDNN on weights laid out for it once | CPU, bf16 and fp32 |
| exact | every output a sum in one fixed order, whatever rows are beside it | CPU, fp32 |

Measured on one core, the products of a model of 110M in bf16, ms: one row 6.9 (plain 15.4), 8 rows 10 (17), 32 rows 21
(28), 128 rows 61 (66). The price is a second copy of the weights.
"""

from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.core.errors import Incompatible
from ramify.model.decoder import TORCH, Attention, Decoder, GatedMlp, Norm
from ramify.model.few_rows import FewRows
from ramify.model.fused import FusedRowwise, as_numpy, has_kernels
from ramify.model.kernels.product import product, vector
from ramify.model.linear import Linear, LinearBackend, Product
from ramify.model.paged import Mode
from ramify.model.rowwise import Rowwise


class Plain:
    """`F.linear`."""

    name = "plain"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        return lambda x_RI: F.linear(x_RI, weight_OI, bias_O)


class Fast:
    """A kernel for one row, oneDNN with the weight in its own layout for more."""

    name = "fast"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        many = self._many(weight_OI, bias_O)
        weight, bias = as_numpy(weight_OI), as_numpy(weight_OI.new_empty(0) if bias_O is None else bias_O)
        outputs = len(weight_OI)

        def product(x_RI: Tensor) -> Tensor:
            if x_RI.shape[0] != 1:
                return many(x_RI)
            out_1O = x_RI.new_empty(1, outputs)
            vector(as_numpy(x_RI)[0], weight, bias, as_numpy(out_1O)[0])
            return out_1O

        return product

    def _many(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return Plain().prepare(weight_OI, bias_O)
        packed, linear = torch.ops.mkldnn._reorder_linear_weight(weight_OI), torch.ops.mkldnn._linear_pointwise.default

        def many(x_RI: Tensor) -> Tensor:
            rows = x_RI.shape[0]
            padded = F.pad(x_RI, (0, 0, 0, spare)) if (spare := spare_rows(rows)) else x_RI
            return linear(padded, packed, bias_O, "none", [], "")[:rows]  # type: ignore[no-any-return]

        return many


def spare_rows(rows: int) -> int:
    """Rows of nothing to put behind these.

    oneDNN compiles a product for each number of rows that it meets: milliseconds, and half a MiB for each shape of a
    weight. Traffic meets all numbers, so they are rounded up to one of a few.
    """
    step = 1 if rows <= 2 else 2 if rows <= 8 else 4 if rows <= 16 else 8 if rows <= 64 else 16
    if rows > 256:
        step = 1 << ((rows - 1).bit_length() - 3)  # an eighth of the next power of two
    return -rows % step


def compile_products(decoder: Decoder, most: int, seconds: float) -> int:
    """Let a decoder that is prepared as `fast` meet all numbers of rows up to `most`, small ones first, for so long.

    Returns: how many numbers it has met. Large models need not meet them all: their steps take longer than compiling.
    """
    products = {(*m.weight.shape, m.bias is None): m for m in decoder.modules() if isinstance(m, Linear)}
    sizes = sorted({rows + spare_rows(rows) for rows in range(1, most + 1)})
    until = perf_counter() + seconds
    for met, rows in enumerate(sizes):
        if perf_counter() > until:
            return met
        for linear in products.values():
            linear(linear.weight.new_zeros(rows, linear.weight.shape[1]))
    return len(sizes)


class Exact:
    """One sum in one order for every output."""

    name = "exact"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        weight = as_numpy(weight_OI)

        def product_of(x_RI: Tensor) -> Tensor:
            out_RO = x_RI.new_empty(x_RI.shape[0], len(weight))
            product(as_numpy(x_RI), weight, as_numpy(out_RO))
            return out_RO if bias_O is None else out_RO.add_(bias_O)

        return product_of


def prepare(decoder: Decoder, mode: Mode) -> Decoder:
    """Make a decoder answer in `mode` from now on, for inference only; in place, and returned.

    Raises:
        Incompatible: `exact` with weights that are not fp32 on the CPU.
    """
    weight = decoder.embedding
    if mode == "exact" and (weight.dtype != torch.float32 or weight.device.type != "cpu"):
        raise Incompatible("exact mode", f"{weight.dtype} weights on {weight.device}", "Use fp32 on the CPU.")
    rowwise: Rowwise = FusedRowwise(exact=mode == "exact") if mode != "reference" and has_kernels(weight) else TORCH
    backend = choose(mode, weight)
    for module in decoder.modules():
        if isinstance(module, Linear):
            module.use(backend)
        elif isinstance(module, Norm | Attention | GatedMlp | Decoder):
            module.rowwise = rowwise
    decoder.eval().requires_grad_(False)
    decoder.through = FewRows(decoder) if isinstance(backend, Fast) and not decoder.config.num_experts else None
    return decoder


def choose(mode: Mode, weight: Tensor) -> LinearBackend:
    """The back end of a mode for weights of this type on this device."""
    if mode == "exact":
        return Exact()
    if mode == "fast" and has_kernels(weight):
        return Fast()
    return Plain()
