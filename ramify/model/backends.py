"""Back ends of linear layers, and `prepare`, which picks one for a whole decoder.

    R rows, I inputs, O outputs
"""

import torch.nn.functional as F
from torch import Tensor

from ramify.model.decoder import Decoder
from ramify.model.linear import Linear, LinearBackend, Product
from ramify.model.paged import Mode


class Plain:
    """`F.linear`."""

    name = "plain"

    def prepare(self, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        return lambda x_RI: F.linear(x_RI, weight_OI, bias_O)


def prepare(decoder: Decoder, mode: Mode) -> Decoder:
    """Make a decoder answer in `mode` from now on, for inference only; in place, and returned."""
    backend: LinearBackend = Plain()
    for module in decoder.modules():
        if isinstance(module, Linear):
            module.use(backend)
    return decoder.eval().requires_grad_(False)
