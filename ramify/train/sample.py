"""Many solutions at once: dense batches with a key-value cache, for training and evaluation only.

B sequences, T new positions, S positions of the cache, H heads, K key-value heads,
G groups x T, d head_dim, V vocabulary
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.model.config import AttentionSpec, DecoderConfig
from ramify.model.decoder import Decoder
from ramify.train.vocabulary import END_ID

COMPACT_BELOW = 0.75
NOTHING = -1


class DenseCache:
    """`attend` over B sequences of equal width; a row sees the positions up to its own.

    What stands behind a sequence's end is overwritten before it can be seen.
    """

    def __init__(self, config: DecoderConfig, batch: int, length: int) -> None:
        shape = (config.num_layers, batch, config.num_kv_heads, length, config.head_dim)
        self.k_LBKSd, self.v_LBKSd = torch.zeros(shape), torch.zeros(shape)
        self.positions_BT = torch.zeros(batch, 1, dtype=torch.long)

    def keep(self, alive_B: Tensor) -> None:
        """Forget every sequence that is not in the bool mask."""
        self.k_LBKSd, self.v_LBKSd = self.k_LBKSd[:, alive_B], self.v_LBKSd[:, alive_B]

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        batch, length = self.positions_BT.shape
        last = int(self.positions_BT.max()) + 1
        place = (torch.arange(batch)[:, None], slice(None), self.positions_BT)
        self.k_LBKSd[layer][place] = k_RKd.reshape(batch, length, *k_RKd.shape[1:]).float()
        self.v_LBKSd[layer][place] = v_RKd.reshape(batch, length, *v_RKd.shape[1:]).float()
        k_BKSd = self.k_LBKSd[layer][:, :, :last]
        v_BKSd = self.v_LBKSd[layer][:, :, :last]
        q_BHTd = q_RHd.reshape(batch, length, *q_RHd.shape[1:]).transpose(1, 2).float()
        groups = q_BHTd.shape[1] // k_BKSd.shape[1]
        q_BKGd = q_BHTd.reshape(batch, k_BKSd.shape[1], groups * length, -1)
        hidden_BTS = torch.arange(last) > self.positions_BT[:, :, None]
        score_BKGS = (q_BKGd * spec.scale) @ k_BKSd.transpose(-1, -2)
        score_BKGS.masked_fill_(hidden_BTS.repeat(1, groups, 1)[:, None], -torch.inf)
        out_BHTd = (score_BKGS.softmax(-1) @ v_BKSd).reshape(q_BHTd.shape)
        return out_BHTd.transpose(1, 2).flatten(0, 1).to(q_RHd.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """temperature 0 is greedy; `limit` tokens at most; `seed` of the draws of a whole call; `ends` end a text."""

    temperature: float
    limit: int = 160
    seed: int = 0
    ends: frozenset[int] = frozenset({END_ID})


@torch.no_grad()
def complete(decoder: Decoder, prompts: list[list[int]], how: Sampling) -> list[list[int]]:
    """Continue every prompt to an end token (kept, last) or to the limit; ids without the prompt.

    The draws depend on the whole list of prompts: same list, same seed, same answers.
    """
    cache, hidden_BD, positions_B = prefill(decoder, prompts, how.limit)
    generator = torch.Generator().manual_seed(how.seed)
    answers_BT = torch.full((len(prompts), how.limit), NOTHING)
    owners_B = torch.arange(len(prompts))
    alive_B = torch.ones(len(prompts), dtype=torch.bool)
    ends = torch.tensor(sorted(how.ends))
    for step in range(how.limit):
        tokens_B = draw(decoder.logits(hidden_BD), how.temperature, generator)
        answers_BT[owners_B[alive_B], step] = tokens_B[alive_B]
        alive_B = alive_B & ~torch.isin(tokens_B, ends)
        if not alive_B.any():
            break
        if alive_B.float().mean() < COMPACT_BELOW:
            cache.keep(alive_B)
            owners_B, positions_B, tokens_B, alive_B = (x[alive_B] for x in (owners_B, positions_B, tokens_B, alive_B))
        cache.positions_BT = positions_B[:, None]
        hidden_BD = decoder(tokens_B, positions_B, cache)
        positions_B = positions_B + 1
    return [[token for token in row if token != NOTHING] for row in answers_BT.tolist()]


def prefill(decoder: Decoder, prompts: list[list[int]], limit: int) -> tuple[DenseCache, Tensor, Tensor]:
    """The cache after the prompts, their last hidden rows [B, D], and their lengths [B]."""
    lengths_B = torch.tensor([len(p) for p in prompts])
    batch, width = len(prompts), int(lengths_B.max())
    cache = DenseCache(decoder.config, batch, width + limit)
    cache.positions_BT = torch.arange(width).expand(batch, width)
    padded_BT = torch.full((batch, width), END_ID)
    for row, prompt in enumerate(prompts):
        padded_BT[row, : len(prompt)] = torch.tensor(prompt)
    hidden_RD = decoder(padded_BT.flatten(), cache.positions_BT.flatten(), cache)
    return cache, hidden_RD[torch.arange(batch) * width + lengths_B - 1], lengths_B


def draw(logits_BV: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """One token of every row [B]; at temperature 0 the likeliest."""
    if temperature == 0:
        return logits_BV.argmax(-1)
    mass_BV = (logits_BV / temperature).softmax(-1)
    return torch.multinomial(mass_BV, 1, generator=generator)[:, 0]
