"""The log-probability of the drawn tokens under another model: natural logarithm, at most 0.

An autoregressive reward model (Xu et al., "GenARM", arXiv:2410.08193) scores a text so; the difference of two is the
implicit reward of DPO (`implicit.py`). Raw: no scale. The model reads each token once.

    sum    log p of the text; a sum over tokens, so partial and final texts share a scale. Longer texts have less
    mean   the same per token, which does not prefer short texts
"""

from dataclasses import dataclass
from typing import Literal

from ramify.core.errors import UnknownName
from ramify.core.protocols import View

REDUCE = ("sum", "mean")


@dataclass(frozen=True)
class Likelihood:
    """Log-probability. `model` is the engine's name of a model that keeps log-probabilities.

    Raises:
        UnknownName: no such way of reducing.
    """

    name: str
    model: str | None
    needs_logprobs: bool = False
    reduce: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.reduce not in REDUCE:
            raise UnknownName("reduce", self.reduce, REDUCE)

    def partial(self, view: View) -> float:
        """Of the tokens so far; 0 before the first."""
        total = float(sum(view.values))
        return total / len(view.values) if self.reduce == "mean" and view.values else total

    def final(self, view: View) -> float:
        """Of all drawn tokens, the end token included."""
        return self.partial(view)
