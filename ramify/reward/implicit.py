"""The reward that a DPO-tuned policy implies: log p_policy - log p_reference of the drawn tokens.

Rafailov et al., "Direct Preference Optimization", NeurIPS 2023, arXiv:2305.18290; as a partial reward: Qiu et al.,
"TreeBoN", arXiv:2410.16033.

    beta    the policy's training parameter

beta times a sum over tokens: the rewards of the tokens add up to the text's, and partial rewards are on the final one's
scale. Raw: no length normalisation. The policy reads each token once; a reference that is the target costs nothing, as
its log-probabilities are known from drawing. Under the law p_reference exp(r / beta) / Z it is the policy itself: the
reward is right up to a constant of the prompt, which no ranking sees. What the policy cannot say is -inf.
"""

import math

from ramify.core.protocols import Combined, Reward, View
from ramify.core.strict import finite


class Drawn:
    """The target's own log-probability of what was drawn from it, summed (raw, whatever the temperature was)."""

    name, model, needs_logprobs = "drawn", None, True

    def partial(self, view: View) -> float:
        """Of the tokens so far."""
        if view.branch.num_generated and not view.branch.logprobs:
            raise ValueError("the branch keeps no log-probabilities: give it logprobs=0")
        return sum(entry.logprob for entry in view.branch.logprobs)

    def final(self, view: View) -> float:
        """Of all drawn tokens."""
        return self.partial(view)


DRAWN = Drawn()


def dpo_implicit(name: str, policy: Reward, reference: Reward = DRAWN, *, beta: float = 1.0) -> Combined:
    """beta (log p_policy - log p_reference): two `Likelihood`s, or one and what the target itself found.

    Raises:
        BadInput: beta is no finite number.
    """
    finite("beta", beta)
    return Combined(name, (policy, reference), lambda s: -math.inf if s[0] == -math.inf else beta * (s[0] - s[1]))
