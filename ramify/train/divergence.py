"""How far a draft's law is from the target's, in three ways that can be trained.

    R rows, V vocabulary, N draws, p the target's law, q the draft's, both given as log-probabilities

kl      KL(p || q), what distillation usually minimises.
tvd     the total variation sum_v max(q - p, 0): one minus the acceptance of speculative sampling, its true objective.
tvd++   Goel et al. 2024, "Direct Alignment of Draft Model for Speculative Decoding", arXiv:2403.00858. The gradient of
        tvd is a policy gradient, as the gradient of the indicator is zero almost everywhere:

            grad TV = sum_v 1{q > p} grad q = E_{x ~ q}[ r(x) grad log q(x) ],     r(x) = 1{q(x) > p(x)}

        (r is the paper's reward with the sign of a cost). It is estimated from N tokens drawn from q in every row, r
        replaced by its advantage (r - mu) / sigma over all draws of the batch. As E_q[grad log q] = 0, mu changes no
        expectation and takes variance away; sigma only scales. If q were summed over the whole vocabulary instead of
        drawn from, mu would drop out and tvd++ would be tvd divided by sigma.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

DRAWS = 8
LEAST_DEVIATION = 1e-4  # of the reward: when every draw has the same reward there is nothing to learn

Divergence = Callable[[Tensor, Tensor, Generator], Tensor]  # (log q_RV, log p_RV, draws) -> the mean over rows


def kl(logq_RV: Tensor, logp_RV: Tensor, _: Generator) -> Tensor:
    """KL(p || q) in nats."""
    return F.kl_div(logq_RV, logp_RV, reduction="batchmean", log_target=True)


def tvd(logq_RV: Tensor, logp_RV: Tensor, _: Generator) -> Tensor:
    """Total variation, in 0..1."""
    return (logq_RV.exp() - logp_RV.exp()).relu().sum(-1).mean()


def tvd_plus_plus(logq_RV: Tensor, logp_RV: Tensor, draws: Generator) -> Tensor:
    """The total variation by its value, the estimate of TVD++ by its gradient."""
    drawn_RN = torch.multinomial(logq_RV.detach().exp(), DRAWS, replacement=True, generator=draws)
    logq_RN = logq_RV.gather(-1, drawn_RN)
    reward_RN = (logq_RN.detach() > logp_RV.gather(-1, drawn_RN)).float()
    advantage_RN = (reward_RN - reward_RN.mean()) / reward_RN.std(correction=0).clamp(min=LEAST_DEVIATION)
    estimate = (advantage_RN * logq_RN).mean()
    return estimate - estimate.detach() + tvd(logq_RV.detach(), logp_RV, draws)


DIVERGENCES: dict[str, Divergence] = {"kl": kl, "tvd": tvd, "tvd++": tvd_plus_plus}
