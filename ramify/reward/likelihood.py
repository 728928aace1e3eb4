"""The log-probability of the drawn tokens under another model: natural logarithm, summed, at most 0.

An autoregressive reward model (Xu et al., "GenARM", arXiv:2410.08193) scores a text so; the difference of two is the
implicit reward of DPO (`implicit.py`). Raw: no length normalisation, no scale. The model reads each token once.
"""

from dataclasses import dataclass

from ramify.core.protocols import View


@dataclass(frozen=True)
class Likelihood:
    """Summed log-probability. `model` is the engine's name of a model that keeps log-probabilities."""

    name: str
    model: str | None
    needs_logprobs: bool = False

    def partial(self, view: View) -> float:
        """Of the tokens so far; 0 before the first."""
        return float(sum(view.values))

    def final(self, view: View) -> float:
        """Of all drawn tokens, the end token included."""
        return self.partial(view)
