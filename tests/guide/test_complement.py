"""Two models that know different things: what uncertainty-aware fusion is for.

At contexts of even length the target knows the next token, and the other model is sure of a wrong one; at odd lengths
the target knows nothing, and the other model does. No fixed share suits both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.core.types import Guide, Prompt
from ramify.engine.engine import Engine
from ramify.guide.mixing import UncertaintyMixing
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model

CONTEXTS = [(1, 2), (1, 1), (2, 2, 1, 1), (2, 1, 1), (1, 1, 1), (2,), (1, 2, 2, 1), (2, 2, 2, 1, 2)]


def right(context: Sequence[int]) -> int:
    """The token that should follow."""
    return 1 + sum(context) % 2


@dataclass(frozen=True)
class Half(ToyModel):
    """Knows the right token at one parity of lengths; at the other it is flat, or sure of the wrong letter."""

    parity: int = 0
    wrong: bool = False

    def weights(self, context: Sequence[int]) -> Tensor:
        """98 of 100 on what it believes, or a third each."""
        weights = torch.ones(3, dtype=torch.float64)
        if len(context) % 2 == self.parity:
            weights[right(context)] = 98.0
        elif self.wrong:
            weights[3 - right(context)] = 98.0
        return weights


def quality(guide: Guide) -> float:
    """The mean log-probability of the right tokens."""
    other = toy_model("other", Half(parity=1, wrong=True))
    engine = Engine(toy_model(model=Half(parity=0)), {"other": other})
    branches = [engine.prefill(Prompt(context, guide=guide)) for context in CONTEXTS]
    logp_RV = engine.guidance.shaped(engine.guidance.logits(None, branches), branches).log_softmax(-1)
    engine.drop(branches)
    return sum(float(row_V[right(c)]) for row_V, c in zip(logp_RV, CONTEXTS, strict=True)) / len(CONTEXTS)


def test_shares_by_uncertainty_beat_every_fixed_share() -> None:
    fixed = [quality(UncertaintyMixing(other="other", share=share / 50)) for share in range(51)]
    assert quality(UncertaintyMixing(other="other")) > max(fixed) + 0.05
