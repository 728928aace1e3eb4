"""An outcome reward model: a value head's number at the last token of the text.

Cobbe et al., "Training Verifiers to Solve Math Word Problems", arXiv:2110.14168. Raw value: no sigmoid, no scale.
The model reads each token of a branch once, over the branch's own pages.
"""

from dataclasses import dataclass

from ramify.core.protocols import View


@dataclass(frozen=True)
class OutcomeReward:
    """The value at the last token. `model` is the engine's name for the reward model."""

    name: str
    model: str | None
    needs_logprobs: bool = False

    def partial(self, view: View) -> float:
        """The value where the text stands now; 0 before the first token."""
        return view.values[-1] if view.values else 0.0

    def final(self, view: View) -> float:
        """The value at the last token."""
        return self.partial(view)
