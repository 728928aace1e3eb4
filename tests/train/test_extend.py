"""A grown decoder computes what the old one computed, and only what is new is trained."""

import torch

from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.train.extend import CODE_GAIN, extend_decoder
from ramify.train.initial import new_decoder, soften
from ramify.train.optimiser import Optimiser
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.shapes import TINY, llama_config

ROWS = Rows.of([list(range(2, 32)), [5, 5, 7]])
WIDTH, LANE = TINY.target.width, 8


def trained() -> Decoder:
    """A decoder whose blocks write, so that its stream is long as a trained one's."""
    decoder = new_decoder(DecoderConfig.from_hf(llama_config(TINY.target, 40)), 0)
    generator = torch.Generator().manual_seed(1)
    for name, weight in decoder.named_parameters():
        if name.endswith(("out.weight", "down.weight", "embedding")):
            torch.nn.init.normal_(weight, 0.0, 1.0, generator=generator)
    return decoder


def hidden(decoder: Decoder) -> torch.Tensor:
    rows_RD = decoder(ROWS.tokens_R, ROWS.positions_R, RaggedCausal(ROWS))
    assert isinstance(rows_RD, torch.Tensor)
    return rows_RD


def test_nothing_old_changes() -> None:
    decoder = trained()
    grown = hidden(extend_decoder(decoder, 2, LANE))
    torch.testing.assert_close(grown[:, :WIDTH], hidden(decoder), atol=2e-3, rtol=2e-3)
    assert torch.equal(grown[:, WIDTH:], torch.zeros_like(grown[:, WIDTH:]))


def test_new_blocks_read_the_token_loud_and_clear() -> None:
    grown = extend_decoder(trained(), 1, LANE)
    streams: list[torch.Tensor] = []
    grown(ROWS.tokens_R, ROWS.positions_R, RaggedCausal(ROWS), lambda _, h_RD: streams.append(h_RD))
    lane_RL = grown.layers[-1].attention_norm(streams[-2].detach())[:, WIDTH:].detach()  # type: ignore[operator]
    assert float(lane_RL.norm(dim=-1).min()) > CODE_GAIN / 50
    same = ROWS.tokens_R == 5
    codes = torch.nn.functional.normalize(lane_RL[same], dim=-1)
    torch.testing.assert_close(codes @ codes.T, torch.ones(len(codes), len(codes)))


def test_only_new_weights_move_and_the_lane_stays() -> None:
    grown = extend_decoder(trained(), 1, LANE)
    before = {name: weight.clone() for name, weight in grown.named_parameters()}
    optimiser = Optimiser(grown, [], 1e-2)
    for _ in range(3):
        (hidden(grown) ** 3).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step(1.0)
    old = TINY.target.layers
    for name, weight in grown.named_parameters():
        is_new = name == "norm.weight" or name.startswith(f"layers.{old}.")
        assert torch.equal(weight, before[name]) != is_new or "norm" in name, name
        if is_new and name.endswith(("out.weight", "down.weight")):
            assert not weight[WIDTH:].any()


def test_softened_logits_are_divided() -> None:
    decoder = trained()
    before = decoder.logits(hidden(decoder))
    soften(decoder, 1.6)
    torch.testing.assert_close(decoder.logits(hidden(decoder)) * 1.6, before, atol=1e-4, rtol=1e-4)
