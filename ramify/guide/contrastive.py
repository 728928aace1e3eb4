"""Contrastive decoding: what an expert likes better than an amateur does, among what the expert finds plausible.

Li et al., "Contrastive Decoding: Open-ended Text Generation as Optimization", arXiv:2210.15097; with the strength of
O'Brien and Lewis, "Contrastive Decoding Improves Reasoning in Large Language Models", arXiv:2309.09117.

    p_expert   the target's law      p_amateur   a weaker model's law
    alpha      a token is plausible if p_expert reaches alpha times the largest      beta   strength

Law of a token: p_expert ^ (1 + beta) p_amateur ^ -beta, normalised over the plausible ones. beta=0 is the expert's law
cut at alpha and reads no amateur; with alpha=0, too, it is the expert's own.
Departures: the first paper searches by beams for the largest sum of log p_expert - log p_amateur; here it is a law that
any search draws from (greedy for its largest token). A token that the amateur's vocabulary lacks is never said.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import log_product, plausible


@dataclass(frozen=True, kw_only=True)
class Contrastive:
    """The target against an amateur."""

    amateur: str
    alpha: float = 0.1
    beta: float = 0.5
    name: str = "contrastive"

    def __post_init__(self) -> None:
        role("amateur", self.amateur)
        finite("alpha", self.alpha, 0.0, 1.0)
        finite("beta", self.beta, 0.0, 100.0)

    @property
    def models(self) -> tuple[str, ...]:
        """The amateur."""
        return (self.amateur,)

    def leads(self, branch: Branch) -> str | None:
        """The target."""
        return None

    def shape(self, rows: Rows) -> tuple[Tensor, None]:
        """(1 + beta) log p_expert - beta log p_amateur where the expert finds it plausible."""
        expert_RV = rows.logits_RV
        amateur = [(-self.beta, rows.logits_of(self.amateur))] if self.beta else []
        contrast_RV = log_product([(1.0 + self.beta, expert_RV), *amateur])
        return contrast_RV.masked_fill(~plausible(expert_RV, self.alpha), -torch.inf), None


GUIDE = GuideEntry(
    name="contrastive",
    make=Contrastive,
    summary="what the target likes better than a weaker model does",
    paper="arXiv:2210.15097",
    law="p_expert^(1+beta) p_amateur^-beta, normalised over the plausible tokens",
    options=("amateur", "alpha", "beta"),
    models=("amateur",),
    defaults={"amateur": "builtin-draft"},
    needs="a weaker model of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method greedy --guide "contrastive(amateur=builtin-draft)"',
)
