"""The model's own confidence: mean log-probability of the drawn tokens, natural logarithm, at most 0.

Length-normalised on purpose: ranking by the sum prefers short texts, which is why engines that ranked by it dropped
best_of. Log-probabilities are the kind the run's `logprobs_mode` says (raw by default). Sun et al.
(arXiv:2410.20290) use its exponential, perplexity, as a reward.
"""

from dataclasses import dataclass

from ramify.core.protocols import View


@dataclass(frozen=True)
class MeanLogprob:
    """Mean log-probability per drawn token; 0 before the first."""

    name: str = "logprob"
    model: str | None = None
    needs_logprobs: bool = True

    def partial(self, view: View) -> float:
        """Of the tokens so far."""
        if view.branch.num_generated and not view.branch.logprobs:
            raise ValueError("the branch keeps no log-probabilities: give it logprobs=0")
        logprobs = [entry.logprob for entry in view.branch.logprobs]
        return sum(logprobs) / len(logprobs) if logprobs else 0.0

    def final(self, view: View) -> float:
        """Of all drawn tokens, the end token included."""
        return self.partial(view)
