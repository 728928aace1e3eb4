"""Proxy-tuning: what tuning did to a small model is done to the target's logits.

Liu et al., "Tuning Language Models by Proxy", arXiv:2401.08565.

    s_base   the target's logits    s_tuned, s_untuned   a small model's, tuned and before    scale   of the difference

Law of a token: softmax(s_base + scale (s_tuned - s_untuned)), that is p_base (p_tuned / p_untuned) ^ scale normalised.
scale=0, and a tuned model that is the untuned one, are no guide.
Departure: `scale` is 1 in the paper's main results.
"""

from dataclasses import dataclass

from torch import Tensor

from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import log_product


@dataclass(frozen=True, kw_only=True)
class ProxyTuning:
    """A tuned and an untuned model of one size beside the target."""

    tuned: str
    untuned: str
    scale: float = 1.0
    name: str = "proxy-tuning"

    def __post_init__(self) -> None:
        role("tuned", self.tuned)
        role("untuned", self.untuned)
        finite("scale", self.scale, -100.0, 100.0)

    @property
    def models(self) -> tuple[str, ...]:
        """Tuned, untuned."""
        return (self.tuned, self.untuned)

    def leads(self, branch: Branch) -> str | None:
        """The target."""
        return None

    def shape(self, rows: Rows) -> tuple[Tensor, None]:
        """log p_base + scale (log p_tuned - log p_untuned)."""
        if self.scale == 0.0 or self.tuned == self.untuned:
            return rows.logits_RV, None
        tuned, untuned = rows.logits_of(self.tuned), rows.logits_of(self.untuned)
        return log_product([(1.0, rows.logits_RV), (self.scale, tuned), (-self.scale, untuned)]), None


GUIDE = GuideEntry(
    name="proxy-tuning",
    make=ProxyTuning,
    summary="a small model's tuning, done to the target's logits",
    paper="arXiv:2401.08565",
    law="p_base (p_tuned / p_untuned)^scale, normalised token by token",
    options=("tuned", "untuned", "scale"),
    models=("tuned", "untuned"),
    defaults={"tuned": "builtin-aligned", "untuned": "builtin-draft"},
    needs="a model before and after tuning, of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sample '
    '--guide "proxy-tuning(tuned=builtin-aligned, untuned=builtin-draft)"',
)
