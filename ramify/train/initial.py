"""Random weights to start from."""

import torch
from torch import nn

from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder

EMBEDDING_STD = 0.05


def new_decoder(config: DecoderConfig, seed: int) -> Decoder:
    """A decoder with fresh weights, fp32, the same for the same seed.

    Matrices are normal with variance 1 / inputs; those that write into the residual stream start at
    zero, so every block starts as the identity. Norms start at one.
    """
    generator = torch.Generator().manual_seed(seed)
    decoder = Decoder(config)
    for name, weight in decoder.named_parameters():
        with torch.no_grad():
            if weight.ndim == 1:
                weight.fill_(1.0)
            elif name == "embedding":
                weight.normal_(0.0, EMBEDDING_STD, generator=generator)
            elif name.endswith(("out.weight", "down.weight")):
                weight.zero_()
            else:
                weight.normal_(0.0, weight.shape[1] ** -0.5, generator=generator)
    return decoder


def copy_decoder(decoder: Decoder) -> Decoder:
    """The same weights in a new decoder, trainable, fp32."""
    twin = new_decoder(decoder.config, 0)
    twin.load_state_dict({name: weight.float() for name, weight in decoder.state_dict().items()})
    return twin


def soften(decoder: Decoder, temperature: float) -> None:
    """Divide the logits by `temperature` once and for all, in place, through the final norm.

    Greedy choices stay; what was sampled at that temperature is now sampled at temperature 1.
    """
    with torch.no_grad():
        decoder.norm.weight.div_(temperature)


def value_head(width: int) -> nn.Parameter:
    """The weight of a value head, [1, width], starting at zero: every value 0, every chance 1/2."""
    return nn.Parameter(torch.zeros(1, width))
