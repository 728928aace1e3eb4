"""A process reward model: a value at every token, read as the logit that everything so far is right.

Lightman et al., "Let's Verify Step by Step", arXiv:2305.20050; Wang et al., "Math-Shepherd", arXiv:2312.08935.

A text is as good as its steps: `reduce` says how they combine. "min" is the worst step's value (a chain breaks at
its weakest
link), "last" the last step's, "mean" their mean. A step ends with a line break; an unfinished last line counts with
the value at its last token, so a text cut mid-step has a score too. Raw values: no sigmoid, no scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ramify.core.protocols import Codec, View

REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "last": lambda values: values[-1],
    "mean": lambda values: sum(values) / len(values),
}


@dataclass(frozen=True)
class ProcessReward:
    """Step values reduced to one score. `codec` finds the tokens that end a step."""

    name: str
    model: str | None
    codec: Codec
    reduce: Literal["min", "last", "mean"] = "min"
    needs_logprobs: bool = False

    def partial(self, view: View) -> float:
        """The steps so far, the unfinished one included; 0 before the first token."""
        steps = self.steps(view)
        return float(REDUCE[self.reduce](steps)) if steps else 0.0

    def final(self, view: View) -> float:
        """All steps."""
        return self.partial(view)

    def steps(self, view: View) -> list[float]:
        """The value at the end of each step, and at the last token."""
        tokens, last = view.branch.generated, len(view.values) - 1
        return [value for i, value in enumerate(view.values) if i == last or "\n" in self.codec.decode([tokens[i]])]
