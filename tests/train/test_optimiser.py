"""Who is trained at which rate."""

import pytest
import torch
from torch import nn

from ramify.model.config import DecoderConfig
from ramify.train.initial import new_decoder
from ramify.train.optimiser import ADAMW_SHARE, Optimiser
from ramify.train.shapes import TINY, llama_config


def moved(optimiser: Optimiser, weight: nn.Parameter, share: float = 0.5) -> float:
    """How far one step moves a weight whose gradient is 1 (the first step of Adam is the rate itself)."""
    before = weight.detach().clone()
    for parameter in optimiser.parameters:
        parameter.grad = torch.ones_like(parameter)
    optimiser.step(share)
    return float((before - weight.detach()).abs().mean())


def test_weights_beside_the_decoder_have_its_rate_or_their_own() -> None:
    for own, expected in ((None, 0.5 * 1e-3 * ADAMW_SHARE), (4e-3, 0.5 * 4e-3)):
        decoder = new_decoder(DecoderConfig.from_hf(llama_config(TINY.draft, 40)), 0)
        extra = nn.Parameter(torch.zeros(3))
        optimiser = Optimiser(decoder, [extra], 1e-3, own)
        assert moved(optimiser, extra) == pytest.approx(expected, rel=1e-4)
        assert moved(optimiser, decoder.embedding) == pytest.approx(0.5 * 1e-3 * ADAMW_SHARE, rel=1e-2)


def test_nothing_but_extra_weights() -> None:
    extra = nn.Parameter(torch.zeros(3))
    optimiser = Optimiser(nn.Module(), [extra], 1e-3, 1e-3)
    assert moved(optimiser, extra) == pytest.approx(0.5e-3, rel=1e-4)
    optimiser.load_state_dict(optimiser.state_dict())
