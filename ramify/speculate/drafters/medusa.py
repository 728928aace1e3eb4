"""Medusa heads draft: head k says from one row of the target what stands k + 2 tokens behind it.

Cai et al., "Medusa: Simple LLM Inference Acceleration Framework with Multiple Decoding Heads", arXiv:2401.10774. The
row is the one that the last token was drawn from, so drafting reads nothing at all. A head does not see what the heads
above it drew: all nodes of a level have one law (but for penalties, which see the path).

    H heads, R rows, V vocabulary
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.model.medusa import MedusaHeads
from ramify.speculate.drafter import Order, grow_together
from ramify.speculate.reading import laws_of
from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses, TokenTree


class MedusaDrafter:
    """Drafts with heads on the target's own rows.

    Args:
        target: the model whose rows the heads were trained on.
    """

    has_laws = True
    name = "medusa"

    def __init__(self, target: Model, heads: MedusaHeads) -> None:
        self.target, self.heads, self.dtype = target, heads, next(heads.parameters()).dtype
        self._logits: dict[int, torch.Tensor] = {}  # branch -> [H, V]

    @property
    def models(self) -> Sequence[Model]:
        """None beside the target."""
        return ()

    def prepare(self, orders: Sequence[Order]) -> None:
        """Nothing to read."""

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """One product of all heads for all branches; trees are as deep as there are heads at most."""
        able, rows = list[Order](), list[torch.Tensor]()
        for order in orders:
            shape, row = order.shape.within(len(self.heads.heads)), self.target.last_read(order.branch)
            if row is not None:
                able.append(replace(order, shape=shape))
                rows.append(row)
        if not able:
            return {}
        with torch.inference_mode():
            logits_RHV = self.heads(torch.stack(rows).to(self.dtype)).float().transpose(0, 1)
        self._logits = {order.branch.id: logits_HV for order, logits_HV in zip(able, logits_RHV, strict=True)}
        return grow_together(able, self._laws)

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """The target keeps its rows."""

    def share(self, leader: Branch, follower: Branch) -> None:
        """Nothing was read for the one that the other could have."""

    def forget(self, branch: Branch) -> None:
        """Nothing is kept."""

    def _laws(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> list[list[Masses]]:
        rows = [self._logits[branch.id][len(path)] for branch, paths in wanted for path in paths]
        return laws_of(self.target, torch.stack(rows), wanted, self.name, self.target.runner.vocab_size)
