"""Uncertainty-aware fusion: the less sure a model is of a token, the more another one has to say.

Chen et al., "It's Never Too Late: Fusing Acoustic Information into Large Language Models for Automatic Speech
Recognition" (UADF), arXiv:2402.05457, equation 10.

    p        the target's law, its logits divided by tau        p'   the other model's, divided by tau'
    U        entropy of p, in nats                              w    sigmoid(U) - beta

    p(x) + w p'(x), normalised: (1 - s) p + s p' with s = w / (1 + w)

beta=1/2 gives the other model nothing where the target is certain, and a third at most. `share` fixes s instead: 0 is
the target's calibrated law, 1 the other's. `branch.notes` is s of each token.
Departures: the paper takes the largest of the sum, which is here a law to draw from (greedy takes the largest); its
second model hears, ours reads the same text. tau and tau' are what `maths.products.matching_temperature` finds.
"""

from dataclasses import dataclass
from math import exp

from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import entropies, log_mixture


@dataclass(frozen=True, kw_only=True)
class UncertaintyMixing:
    """The target and another model, both with their temperatures."""

    other: str
    beta: float = 0.5
    share: float | None = None
    temperature: float = 1.0
    other_temperature: float = 1.0
    name: str = "uncertainty-mixing"

    def __post_init__(self) -> None:
        role("other", self.other)
        finite("beta", self.beta, 0.0, 0.5)
        if self.share is not None:
            finite("share", self.share, 0.0, 1.0)
        for field in ("temperature", "other_temperature"):
            if finite(field, getattr(self, field), 0.0, 100.0) == 0.0:
                raise BadInput(field, "it divides logits; it must be above 0")

    @property
    def models(self) -> tuple[str, ...]:
        """The other one."""
        return (self.other,)

    def leads(self, branch: Branch) -> str | None:
        """The target."""
        return None

    def shape(self, rows: Rows) -> tuple[Tensor, list[float]]:
        """(1 - s) p + s p'."""
        p_RV = rows.logits_RV / self.temperature
        s = [self._share(U) for U in entropies(p_RV)] if self.share is None else [self.share] * len(p_RV)
        asked = [row for row, share in enumerate(s) if share > 0]
        mixed_RV = p_RV.clone()
        if asked:
            other_AV = rows.logits_of(self.other, asked) / self.other_temperature
            mixed_RV[asked] = log_mixture(p_RV[asked], other_AV, [s[row] for row in asked])
        return mixed_RV, s

    def _share(self, U: float) -> float:
        w = 1.0 / (1.0 + exp(-U)) - self.beta
        return w / (1.0 + w)


GUIDE = GuideEntry(
    name="uncertainty-mixing",
    make=UncertaintyMixing,
    summary="another model's law mixed in where the target is unsure",
    paper="arXiv:2402.05457",
    law="(1 - s) p + s p' with s = w / (1 + w), w = sigmoid(entropy of p) - beta",
    options=("other", "beta", "share", "temperature", "other_temperature"),
    models=("other",),
    defaults={"other": "builtin-draft"},
    needs="another model of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method greedy --guide "uncertainty-mixing(other=builtin-draft)"',
)
