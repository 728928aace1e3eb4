"""Classifier-free guidance: the prompt's say made louder, against the same model without it.

Sanchez et al., "Stay on topic with Classifier-Free Guidance", arXiv:2306.17806.

    p(x | c)   the target's law behind the prompt c        p(x | c')   behind another one, in the same model
    gamma      strength

Law of a token: p(x | c) ^ gamma p(x | c') ^ (1 - gamma), normalised. gamma=1 is no guide and reads nothing more;
gamma=0 is sampling behind c' alone. `negative` is c': a text, tokens, or None for the prompt's last token alone (the
paper's unconditional case). The other reading is a companion of each branch, forked, cut and dropped with it; it reads
each token once.
Departure: none. The companion's tokens count as the target's in the ledger.
"""

from dataclasses import dataclass

from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, whole
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import log_product


@dataclass(frozen=True, kw_only=True)
class ClassifierFree:
    """The target against itself behind another prompt."""

    gamma: float = 1.5
    negative: str | tuple[int, ...] | None = None
    name: str = "classifier-free"

    def __post_init__(self) -> None:
        finite("gamma", self.gamma, -100.0, 100.0)
        if self.negative is not None and not isinstance(self.negative, str | tuple):
            raise BadInput("negative", f"{self.negative!r} is neither a text nor token ids")
        if self.negative is not None and not self.negative:
            raise BadInput("negative", "it is empty; leave it out for the prompt's last token alone")
        for token in self.negative if isinstance(self.negative, tuple) else ():
            whole("negative", token, 0, 1 << 30)

    @property
    def models(self) -> tuple[str, ...]:
        """None but the target."""
        return ()

    def leads(self, branch: Branch) -> str | None:
        """The target."""
        return None

    def shape(self, rows: Rows) -> tuple[Tensor, None]:
        """gamma log p(x | c) + (1 - gamma) log p(x | c')."""
        other = [] if self.gamma == 1.0 else [(1.0 - self.gamma, rows.logits_behind(self.negative))]
        return log_product([(self.gamma, rows.logits_RV), *other]), None


GUIDE = GuideEntry(
    name="classifier-free",
    make=ClassifierFree,
    summary="the prompt against no prompt, or a negative one",
    paper="arXiv:2306.17806",
    law="p(x|prompt)^gamma p(x|negative)^(1-gamma), normalised token by token",
    options=("gamma", "negative"),
    models=(),
    defaults={},
    needs="nothing: the target alone, read twice",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method greedy --guide "classifier-free(gamma=1.5)"',
)
