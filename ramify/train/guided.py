"""Decoding guided by an autoregressive reward model: dense batches, for evaluation only.

Every token is drawn from softmax(log p_base + w log p_arm): Xu et al. 2024, "GenARM", arXiv:2410.08193,
with w for the paper's 1 / beta. At w = 0 this is the base model's own decoding.

B sequences, V vocabulary
"""

import torch
from torch import Tensor

from ramify.model.decoder import Decoder
from ramify.train.sample import NOTHING, Sampling, draw, prefill


@torch.no_grad()
def complete_guided(base: Decoder, arm: Decoder, w: float, prompts: list[list[int]], how: Sampling) -> list[list[int]]:
    """Continue every prompt to an end token (kept, last) or to the limit; ids without the prompt."""
    caches, hidden, positions = zip(*(prefill(decoder, prompts, how.limit) for decoder in (base, arm)), strict=True)
    hiddens, positions_B = list(hidden), positions[0]
    generator = torch.Generator().manual_seed(how.seed)
    answers_BT = torch.full((len(prompts), how.limit), NOTHING)
    alive_B = torch.ones(len(prompts), dtype=torch.bool)
    ends = torch.tensor(sorted(how.ends))
    for step in range(how.limit):
        tokens_B = draw(_logits(base, arm, w, hiddens), how.temperature, generator)
        answers_BT[alive_B, step] = tokens_B[alive_B]
        alive_B = alive_B & ~torch.isin(tokens_B, ends)
        if not alive_B.any():
            break
        for place, (decoder, cache) in enumerate(zip((base, arm), caches, strict=True)):
            cache.positions_BT = positions_B[:, None]
            hiddens[place] = decoder(tokens_B, positions_B, cache)
        positions_B = positions_B + 1
    return [[token for token in row if token != NOTHING] for row in answers_BT.tolist()]


def _logits(base: Decoder, arm: Decoder, w: float, hiddens: list[Tensor]) -> Tensor:
    logp_BV, reward_BV = (
        decoder.logits(hidden_BD).float().log_softmax(-1)
        for decoder, hidden_BD in zip((base, arm), hiddens, strict=True)
    )
    return logp_BV + w * reward_BV
