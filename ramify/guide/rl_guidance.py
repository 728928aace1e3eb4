"""Reinforcement-learning guidance: the geometric average of a model and its tuned version, and beyond it.

Jin et al., "Inference-Time Alignment Control for Diffusion Models with Reinforcement Learning Guidance",
arXiv:2508.21016, carried over to next tokens.

    p_base   the target's law    p_tuned   the tuned model's    w   scale: between them, or (above 1) past the tuned one

Law of a token: p_base ^ (1 - w) p_tuned ^ w, normalised. w=0 and w=1 are the two models; w=0 reads the target alone.
Of texts of one token, if p_tuned is the optimum at KL coefficient beta, this is the optimum at beta / w. Of longer
texts it is not: each token is normalised by itself (the verified gap is in `ramify verify`).
Departure: the paper averages scores of a diffusion; this is the same average of token laws.
"""

from dataclasses import dataclass

from torch import Tensor

from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import log_product


@dataclass(frozen=True, kw_only=True)
class RLGuidance:
    """The target and its tuned version."""

    tuned: str
    w: float = 1.5
    name: str = "rl-guidance"

    def __post_init__(self) -> None:
        role("tuned", self.tuned)
        finite("w", self.w, -100.0, 100.0)

    @property
    def models(self) -> tuple[str, ...]:
        """The tuned one."""
        return (self.tuned,)

    def leads(self, branch: Branch) -> str | None:
        """The target, unless it has no say."""
        return self.tuned if self.w == 1.0 else None

    def shape(self, rows: Rows) -> tuple[Tensor, None]:
        """(1 - w) log p_base + w log p_tuned."""
        if self.w in (0.0, 1.0):
            return rows.logits_RV, None
        return log_product([(1.0 - self.w, rows.logits_RV), (self.w, rows.logits_of(self.tuned))]), None


GUIDE = GuideEntry(
    name="rl-guidance",
    make=RLGuidance,
    summary="between a model and its tuned version, or past it",
    paper="arXiv:2508.21016",
    law="p_base^(1-w) p_tuned^w, normalised token by token",
    options=("tuned", "w"),
    models=("tuned",),
    defaults={"tuned": "builtin-tuned"},
    needs="a tuned version of the target",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sample --guide "rl-guidance(tuned=builtin-tuned, w=1.5)"',
)
