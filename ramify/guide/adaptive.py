"""Entropy-adaptive decoding: a small model writes until its laws grow flat, then the large one does.

Simonds, "Entropy Adaptive Decoding: Dynamic Model Switching for Efficient Inference", arXiv:2502.06833.

    H       mean entropy of the laws of the last `window` tokens, in bits, whichever model drew them
    tau     threshold              least    tokens that a model draws before the other may take over (d_min)

    M = the large model if H > tau, the small one if not, once M has drawn `least` tokens; till then as before

Law of a token: that of the model which leads. tau above log2 V is the small model alone, tau below 0 the large one
(the target) alone; the idle model reads nothing, and catches up at once when it is to lead.
`branch.notes` is the entropy of each token's law, with a minus sign where the large model drew it (-0.0 is one, too).
Departures: before the first token H is 0, and either model may begin. A text that was put there counts as drawn by the
small model without doubt. Entropy is of the raw law, before temperature and cuts.
"""

from dataclasses import dataclass
from math import copysign, log

from torch import Tensor

from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role, whole
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import entropies


@dataclass(frozen=True, kw_only=True)
class EntropyAdaptive:
    """A small model beside the target, which is the large one."""

    small: str
    threshold: float = 1.0
    window: int = 5
    least: int = 5
    name: str = "entropy-adaptive"

    def __post_init__(self) -> None:
        role("small", self.small)
        finite("threshold", self.threshold, -1.0, 100.0)
        whole("window", self.window, 1, 1 << 20)
        whole("least", self.least, 1, 1 << 20)

    @property
    def models(self) -> tuple[str, ...]:
        """The small one."""
        return (self.small,)

    def leads(self, branch: Branch) -> str | None:
        """Read off the notes of the last tokens: nothing else decides."""
        large = [_large(note) for note in branch.notes[-self.least :]]
        if large and (len(large) < self.least or len(set(large)) > 1):
            return None if large[-1] else self.small
        recent = branch.notes[-self.window :]
        H = sum(map(abs, recent)) / max(1, len(recent))
        return None if self.threshold < H else self.small

    def shape(self, rows: Rows) -> tuple[Tensor, list[float]]:
        """The leader's logits as they are; entropy and leader are noted."""
        leaders = [b.writer or self.leads(b) for b in rows.branches]
        bits = [nats / log(2) for nats in entropies(rows.logits_RV)]
        return rows.logits_RV, [
            copysign(H, 1 if who == self.small else -1) for H, who in zip(bits, leaders, strict=True)
        ]


def _large(note: float) -> bool:
    return copysign(1.0, note) < 0


GUIDE = GuideEntry(
    name="entropy-adaptive",
    make=EntropyAdaptive,
    summary="a small model writes where it is sure, the target elsewhere",
    paper="arXiv:2502.06833",
    law="that of the model which leads; the rolling entropy decides which one does",
    options=("small", "threshold", "window", "least"),
    models=("small",),
    defaults={"small": "builtin-draft"},
    needs="a smaller model of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sample '
    '--guide "entropy-adaptive(small=builtin-draft, threshold=0.5)"',
)
