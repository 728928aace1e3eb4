"""Laws of several models made into one: products of powers, plausible tokens, entropies, mixtures.

    R rows, V vocabulary, T texts

Every function works row by row: a row's result does not depend on the others. A token that one of the models cannot say
(its vocabulary is shorter, its logit is -inf) is never said, whatever the sign of its weight.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ramify.core.errors import BadInput


def log_product(parts: Sequence[tuple[float, Tensor]]) -> Tensor:
    """Logits of the normalised product of p_i ** w_i, from (w_i, logits_i): sum of w_i log p_i, [R, V].

    Parts of weight 0 have no say. A single part of weight 1 is returned as it is, bit for bit.

    Raises:
        BadInput: every weight is 0.
    """
    active = [(weight, logits_RV) for weight, logits_RV in parts if weight != 0.0]
    if not active:
        raise BadInput("weights", "all are 0: nothing is left to draw from")
    if len(active) == 1 and active[0][0] == 1.0:
        return active[0][1]
    total_RV = impossible_RV = None
    for weight, logits_RV in active:
        logp_RV = logits_RV.log_softmax(-1)
        never_RV = logp_RV == -torch.inf
        term_RV = weight * logp_RV.masked_fill(never_RV, 0.0)
        total_RV = term_RV if total_RV is None else total_RV + term_RV
        impossible_RV = never_RV if impossible_RV is None else impossible_RV | never_RV
    assert total_RV is not None and impossible_RV is not None
    return total_RV.masked_fill(impossible_RV, -torch.inf)


def plausible(logits_RV: Tensor, alpha: float) -> Tensor:
    """Which tokens have at least `alpha` times the mass of the likeliest one; bool [R, V]. alpha=0 is all of them."""
    if alpha == 0.0:
        return torch.ones_like(logits_RV, dtype=torch.bool)
    return logits_RV >= logits_RV.amax(-1, keepdim=True) + math.log(alpha)


def among_top(logits_RV: Tensor, k: int) -> Tensor:
    """Which tokens are the k likeliest, of equals the lower ids; bool [R, V]. k=0 is all of them."""
    keep_RV = torch.zeros_like(logits_RV, dtype=torch.bool)
    if k == 0 or k >= logits_RV.shape[-1]:
        return ~keep_RV
    ids_RK = logits_RV.sort(dim=-1, descending=True, stable=True).indices[:, :k]
    return keep_RV.scatter_(1, ids_RK, True)


def entropies(logits_RV: Tensor) -> list[float]:
    """The entropy of each row's law, in nats; 0 log 0 is 0."""
    logp_RV = logits_RV.log_softmax(-1)
    terms_RV = logp_RV.exp() * logp_RV.masked_fill(logp_RV == -torch.inf, 0.0)
    return [max(0.0, -float(row_V.sum())) for row_V in terms_RV]  # row by row: a sum's order must not know the batch


def top_masses(logits_RV: Tensor) -> list[float]:
    """The mass of each row's likeliest token."""
    return [float(row_V.amax().exp()) for row_V in logits_RV.log_softmax(-1)]


def log_mixture(first_RV: Tensor, second_RV: Tensor, shares: Sequence[float]) -> Tensor:
    """Logits of (1 - share) p_first + share p_second, a share for each row, [R, V].

    Rows of share 0 are the first's, rows of share 1 the second's, as they are.
    """
    share_R1 = torch.tensor(shares, dtype=first_RV.dtype, device=first_RV.device)[:, None]
    second_RV = second_RV.to(first_RV.dtype)
    mixed_RV = ((1 - share_R1) * first_RV.softmax(-1) + share_R1 * second_RV.softmax(-1)).log()
    return torch.where(share_R1 == 0, first_RV, torch.where(share_R1 == 1, second_RV, mixed_RV))


def matching_temperature(logits_TV: Tensor, accuracy: float, *, low: float = 0.01, high: float = 100.0) -> float:
    """The temperature at which the mean mass of the likeliest token is `accuracy`: what calibrates a model.

    Args:
        logits_TV: of T positions whose likeliest tokens are right in a share `accuracy` of the cases.

    Returns: within [low, high], by bisection (the mean falls as the temperature rises); the nearer end where no
        temperature matches.
    Raises:
        BadInput: no rows, or accuracy is not in (0, 1].
    """
    if not len(logits_TV) or not 0.0 < accuracy <= 1.0:
        raise BadInput("calibration", f"{len(logits_TV)} rows at accuracy {accuracy}; some, and one in (0, 1]")
    for _ in range(60):
        middle = math.sqrt(low * high)
        confident = sum(top_masses(logits_TV / middle)) / len(logits_TV) > accuracy
        low, high = (middle, high) if confident else (low, middle)
    return math.sqrt(low * high)
