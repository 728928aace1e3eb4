"""GenARM: autoregressive reward models guide a frozen target, token by token.

Xu et al., "GenARM: Reward Guided Generation with Autoregressive Reward Model for Test-time Alignment",
arXiv:2410.08193. The restriction to k tokens is that of Khanov et al., "ARGS", arXiv:2402.01694.

    p_base   the target's law        p_arm_i   the i-th reward model's law: its log is the reward of a next token
    w_i      weight of an objective (the paper's 1 / beta_i)

Law of a token: p_base prod_i p_arm_i ^ w_i, normalised, among the base's `top_k` likeliest tokens (0: all). If an arm's
law is optimum / base token by token (up to factors that do not depend on the token), the guided law of whole texts is
the KL-regularised optimum; an arm that was trained comes near it only. Weight 0 is no guide at all, and reads nothing.
Departure: none. Temperature and cuts of the sampling come afterwards, on the product.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role, whole
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import among_top, log_product


@dataclass(frozen=True, kw_only=True)
class GenARM:
    """One arm or several, with one weight for all of them or one for each."""

    arms: str | tuple[str, ...]
    weights: float | tuple[float, ...] = 1.0
    top_k: int = 0
    name: str = "genarm"

    def __post_init__(self) -> None:
        for arm in self.models:
            role("arms", arm)
        if not self.models:
            raise BadInput("arms", "one reward model at least")
        if isinstance(self.weights, tuple) and len(self.weights) != len(self.models):
            raise BadInput("weights", f"{len(self.weights)} weights for {len(self.models)} arms; one, or one for each")
        for weight in self.each_weight:
            finite("weights", weight, -100.0, 100.0)
        whole("top_k", self.top_k, 0, 1 << 30)

    @property
    def models(self) -> tuple[str, ...]:
        """The arms."""
        return (self.arms,) if isinstance(self.arms, str) else tuple(self.arms)

    @property
    def each_weight(self) -> tuple[float, ...]:
        """A weight for each arm."""
        return self.weights if isinstance(self.weights, tuple) else (self.weights,) * len(self.models)

    def leads(self, branch: Branch) -> str | None:
        """The target."""
        return None

    def shape(self, rows: Rows) -> tuple[Tensor, None]:
        """log p_base + sum_i w_i log p_arm_i."""
        base_RV = rows.logits_RV
        weighted = [(w, rows.logits_of(arm)) for arm, w in zip(self.models, self.each_weight, strict=True) if w != 0.0]
        guided_RV = log_product([(1.0, base_RV), *weighted])
        return guided_RV.masked_fill(~among_top(base_RV, self.top_k), -torch.inf), None


GUIDE = GuideEntry(
    name="genarm",
    make=GenARM,
    summary="reward models that are language models weigh every token",
    paper="arXiv:2410.08193",
    law="p_base times the arms' laws to their weights, normalised token by token",
    options=("arms", "weights", "top_k"),
    models=("arms",),
    defaults={"arms": "builtin-arm"},
    needs="autoregressive reward models of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sample --guide "genarm(arms=builtin-arm, weights=1.0)"',
)
