"""A draft model learns the target's law on the target's own texts, on line.

Every step reads texts from the pool, asks the target for its logits there and forgets them: no hidden state is ever
stored. Pre-training a small draft and aligning it on target-generated text is FastDraft's order (Zafrir et al. 2024,
arXiv:2411.11055); from fresh weights the same text does for both. The texts are the target's, not the draft's: that
is where a drafted chain stands when it begins, and by the time it has left them it is rejected.

R rows (tokens of a batch), V vocabulary
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ramify.model.checkpoint import save
from ramify.model.decoder import Decoder
from ramify.train.divergence import Divergence
from ramify.train.held_out import Guess, chain_guesses, target_rows
from ramify.train.initial import copy_decoder
from ramify.train.optimiser import Optimiser
from ramify.train.ragged import RaggedCausal
from ramify.train.written import Laid, Pool, lay

DEPTH = 6  # tokens of the chain that block efficiency is measured with


class DistilLearner:
    """A draft, trained by the mean of a divergence over the tokens of the answers."""

    def __init__(
        self, draft: Decoder, config: Mapping[str, Any], pool: Pool, divergence: Divergence, rate: float, seed: int
    ) -> None:
        self.draft, self.config, self.pool, self.divergence, self.seed = draft, config, pool, divergence, seed
        self.judge = pool.target
        self.vocab_size = min(draft.config.vocab_size, self.judge.config.vocab_size)  # further columns are padding
        self.modules = nn.ModuleDict({"draft": draft})
        self.optimiser = Optimiser(draft, [], rate)

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The divergence of one batch, and the rows that were read."""
        laid = lay(self.pool.texts(step))
        with torch.autocast("cpu", torch.bfloat16):
            logp_RV = target_rows(self.judge, laid)[1][:, : self.vocab_size].log_softmax(-1)
            logits_RV = self._logits(laid)
        draws = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return self.divergence(logits_RV.log_softmax(-1), logp_RV, draws), len(laid.rows.tokens_R)

    def guesses(self, laid: Laid) -> list[Guess]:
        """What chains of six tokens of the draft would have been along texts of the target."""
        return chain_guesses(self._logits(laid), laid, DEPTH)

    def write(self, folder: Path) -> None:
        """config.json and model.safetensors, in bfloat16."""
        save(copy_decoder(self.draft).to(torch.bfloat16), {**self.config, "torch_dtype": "bfloat16"}, folder)

    def _logits(self, laid: Laid) -> Tensor:
        hidden_RD = self.draft(laid.rows.tokens_R, laid.rows.positions_R, RaggedCausal(laid.rows))
        return self.draft.logits(hidden_RD[laid.read_R])[:, : self.vocab_size]
