"""Medusa heads learn to guess the target's next tokens but one, two, three, ... from its own hidden rows.

Cai et al. 2024, arXiv:2401.10774. On texts that the target wrote (the paper's self-distillation):

    Medusa-1, frozen trunk:  sum_k lambda_k CE_k,      lambda_k = 0.8^k for the head k = 1, 2, ... of the paper
    Medusa-2, joint:         KL(target || trunk) + lambda_0 sum_k lambda_k CE_k,      lambda_0 = 0.2

CE_k is the cross entropy of head k with the token k places behind the next. The joint run begins with a warm-up that
trains the heads alone; then the trunk follows at a quarter of the heads' rate, held to the original target by the KL.

R rows (tokens of a batch), D hidden width, V vocabulary, H heads
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ramify.model.checkpoint import save
from ramify.model.medusa import MedusaHeads, save_heads
from ramify.train.divergence import kl
from ramify.train.efficiency import along
from ramify.train.held_out import Guess, head_guesses, target_rows
from ramify.train.initial import copy_decoder
from ramify.train.optimiser import Optimiser
from ramify.train.ragged import RaggedCausal
from ramify.train.written import Laid, Pool, lay

DECAY = 0.8
HEADS_SHARE = 0.2  # lambda_0
TRUNK_RATE_SHARE = 0.25
TRUNK = "trunk"
UNKNOWN = -100  # no label: behind the end of the text


def head_labels(laid: Laid, num_heads: int) -> Tensor:
    """[H, R]: the token that head k should guess from each row before an answer's token; `UNKNOWN` behind the end."""
    parts = torch.split(laid.next_R, laid.lengths)
    return torch.cat([along(F.pad(ids_T[1:], (0, 1), value=UNKNOWN), num_heads, UNKNOWN) for ids_T in parts]).T


def heads_loss(logits_HRV: Tensor, label_HR: Tensor) -> Tensor:
    """sum_k lambda_k CE_k, each a mean over the rows that have a label (0 where none has)."""
    losses = [
        DECAY ** (k + 1) * F.cross_entropy(logits_RV, label_R, ignore_index=UNKNOWN)
        for k, (logits_RV, label_R) in enumerate(zip(logits_HRV, label_HR, strict=True))
        if bool((label_R != UNKNOWN).any())
    ]
    return torch.stack(losses).sum() if losses else logits_HRV.sum() * 0.0


class HeadsLearner:
    """Heads on a frozen trunk."""

    def __init__(self, heads: MedusaHeads, pool: Pool, base: str, rate: float) -> None:
        self.heads, self.pool, self.base = heads, pool, base
        self.judge = pool.target
        self.modules = nn.ModuleDict({"heads": heads})
        self.optimiser = Optimiser(nn.Module(), list(heads.parameters()), rate, extra_rate=rate)

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The heads' loss on one batch, and the rows that were read."""
        laid = lay(self.pool.texts(step))
        with torch.autocast("cpu", torch.bfloat16):
            logits_HRV = self.heads(target_rows(self.judge, laid)[0])
        return heads_loss(logits_HRV, head_labels(laid, len(logits_HRV))), len(laid.rows.tokens_R)

    def guesses(self, laid: Laid) -> list[Guess]:
        """What the heads would have drafted along texts of the target."""
        return head_guesses(self.heads(target_rows(self.judge, laid)[0]), laid)

    def write(self, folder: Path) -> None:
        """medusa_heads.safetensors and config.json."""
        save_heads(self.heads, folder, self.base)


class JointLearner:
    """Heads and the trunk they sit on, which becomes a model of its own: the folder `trunk` beside the heads."""

    def __init__(self, heads: MedusaHeads, pool: Pool, config: Mapping[str, Any], rate: float, warmup: int) -> None:
        self.heads, self.pool, self.config, self.warmup = heads, pool, config, warmup
        self.judge = copy_decoder(pool.target)
        self.modules = nn.ModuleDict({"heads": heads, TRUNK: self.judge})
        self.optimiser = Optimiser(self.judge, list(heads.parameters()), rate * TRUNK_RATE_SHARE, extra_rate=rate)

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The joint loss on one batch, and the rows that were read."""
        laid = lay(self.pool.texts(step))
        with torch.autocast("cpu", torch.bfloat16):
            hidden_RD = self._trunk_rows(laid) if step >= self.warmup else target_rows(self.judge, laid)[0]
            logits_HRV = self.heads(hidden_RD)
            heads = HEADS_SHARE * heads_loss(logits_HRV, head_labels(laid, len(logits_HRV)))
            if step < self.warmup:
                return heads, len(laid.rows.tokens_R)
            logp_RV = target_rows(self.pool.target, laid)[1].log_softmax(-1)
            held = kl(self.judge.logits(hidden_RD).log_softmax(-1), logp_RV, Generator())
        return held + heads, len(laid.rows.tokens_R)

    def guesses(self, laid: Laid) -> list[Guess]:
        """What the heads would have drafted along texts of the trunk as it is now."""
        return head_guesses(self.heads(target_rows(self.judge, laid)[0]), laid)

    def write(self, folder: Path) -> None:
        """The heads, and the trunk as a model folder beside them."""
        save_heads(self.heads, folder, TRUNK)
        save(copy_decoder(self.judge).to(torch.bfloat16), {**self.config, "torch_dtype": "bfloat16"}, folder / TRUNK)

    def _trunk_rows(self, laid: Laid) -> Tensor:
        hidden_RD = self.judge(laid.rows.tokens_R, laid.rows.positions_R, RaggedCausal(laid.rows))
        return hidden_RD[laid.read_R]  # type: ignore[no-any-return]
