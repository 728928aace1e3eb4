"""A process reward model: a value at every token, read as the logit that everything so far is right.

Lightman et al., "Let's Verify Step by Step", arXiv:2305.20050; Wang et al., "Math-Shepherd", arXiv:2312.08935.

A text is as good as its steps: `reduce` says how they combine. "min" is the worst step's value (a chain breaks at its
weakest link), "last" the last step's, "mean" their mean. A step ends with a line break; an unfinished last line counts
with the value at its last token, so a text cut mid-step has a score too. Raw values: no sigmoid, no scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ramify.core.errors import UnknownName
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
    _breaks: dict[int, bool] = field(default_factory=dict, compare=False, repr=False)  # token -> whether it ends a line

    def __post_init__(self) -> None:
        if self.reduce not in REDUCE:
            raise UnknownName("reduce", self.reduce, REDUCE)

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
        return [value for i, value in enumerate(view.values) if i == last or self._ends_line(tokens[i])]

    def _ends_line(self, token: int) -> bool:
        if token not in self._breaks:
            self._breaks[token] = "\n" in self.codec.decode([token])
        return self._breaks[token]
