"""When to stop sampling answers for a vote: adaptive self-consistency.

Aggarwal et al., "Let's Sample Step by Step: Adaptive-Consistency for Efficient Reasoning and Coding with LLMs", EMNLP
2023, arXiv:2305.11860.

    v_1 >= v_2 >= ...  votes of the answers seen so far     p_i  their true chances     C  confidence asked for

    beta       P(p_1 > p_2 | v) = P(Beta(v_1 + 1, v_2 + 1) > 1/2) = P(Binomial(v_1 + v_2 + 1, 1/2) <= v_1)
    dirichlet  P(p_1 > every other | v) under Dirichlet(v + 1) over the answers seen
    settled    no vote still to come can change the winner (of a fixed number of samples): certain, not likely

`beta` is a sum of whole numbers, exact to the last bit. `dirichlet` is an integral over one variable, since Dirichlet
shares are independent gamma variables over their sum: int f_1(x) prod_i F_i(x) dx, by Gauss-Legendre quadrature to
about 1e-10; with two answers it is `beta`. Stopping early makes the vote a different one than that of all samples:
with chance at most about 1 - C a question, by the posterior. C = 1 stops only when the vote is settled.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ramify.core.errors import BadInput, UnknownName
from ramify.core.strict import finite, whole

RULES = ("beta", "dirichlet")
MOST = 1 << 20
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)
PIECES = 24


def beta_confidence(first: int, second: int) -> float:
    """The posterior chance that the leader beats the runner-up: 1/2 when they are level.

    Raises:
        BadInput: a negative count, or a second above the first.
    """
    whole("first", first, 0, MOST)
    whole("second", second, 0, first)
    if first + second > 2000:  # terms beyond 2^-2000 of the sum: the shorter tail in floating point
        return 1.0 - _lower_tail(first + second + 1, second)
    total = first + second + 1
    return sum(math.comb(total, k) for k in range(first + 1)) / (1 << total)


def dirichlet_confidence(votes: Sequence[int]) -> float:
    """The posterior chance that the leader beats every other answer seen. One answer alone is sure to.

    Raises:
        BadInput: no answer, or a negative count.
    """
    counts = _counts(votes)
    leader, others = counts[0] + 1, counts[1:]
    spread = 12.0 * math.sqrt(leader) + 40.0
    low, high = max(0.0, leader - spread), leader + spread
    edges = np.linspace(low, high, PIECES + 1)
    half = (edges[1] - edges[0]) / 2.0
    x = (edges[:-1, None] + half + half * NODES[None, :]).ravel()
    density = np.exp((leader - 1) * np.log(x) - x - math.lgamma(leader)) * (half * np.tile(WEIGHTS, PIECES))
    below = np.ones_like(x)
    for count in others:
        below *= _gamma_cdf(count + 1, x)
    return float(min(1.0, (density * below).sum() / density.sum()))


def settled(votes: Sequence[int], remaining: int) -> bool:
    """Whether the leader keeps first place whatever the `remaining` votes say, also for an answer not seen yet.

    A tie counts for the leader only if it was reached first, which counts do not tell: it is not settled.

    Raises:
        BadInput: no answer, a negative count, or remaining below 0.
    """
    counts = [*_counts(votes), 0]
    return counts[0] - counts[1] > whole("remaining", remaining, 0, MOST)


def stops(votes: Sequence[int], remaining: int, *, confidence: float = 0.95, rule: str = "beta") -> bool:
    """Whether to stop sampling: settled, or the rule's posterior reaches `confidence`. No votes: go on.

    Raises:
        UnknownName: no such rule.
        BadInput: confidence outside [1/2, 1], a negative count, or remaining below 0.
    """
    if rule not in RULES:
        raise UnknownName("rule", rule, RULES)
    finite("confidence", confidence, 0.5, 1.0)
    whole("remaining", remaining, 0, MOST)
    if not any(votes):
        return remaining == 0
    if remaining == 0 or settled(votes, remaining):
        return True
    if confidence == 1.0:
        return False
    counts = _counts([*votes, 0] if len(votes) == 1 else votes)  # one answer alone still has an unseen one to beat
    sure = beta_confidence(counts[0], counts[1]) if rule == "beta" else dirichlet_confidence(counts)
    return sure >= confidence


def _counts(votes: Sequence[int]) -> list[int]:
    """Descending."""
    if not votes:
        raise BadInput("votes", "no answer given, at least 1 needed")
    return sorted((whole("votes", v, 0, MOST) for v in votes), reverse=True)


def _gamma_cdf(shape: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(Gamma(shape) <= x) = 1 - exp(-x) sum_{k < shape} x^k / k!."""
    k = np.arange(shape)
    logs = k * np.log(x)[:, None] - x[:, None] - np.array([math.lgamma(i + 1) for i in range(shape)])
    return np.asarray(np.clip(1.0 - np.exp(logs).sum(-1), 0.0, 1.0))


def _lower_tail(total: int, most: int) -> float:
    """P(Binomial(total, 1/2) <= most)."""
    whole_log = math.lgamma(total + 1) - total * math.log(2.0)
    return math.fsum(math.exp(whole_log - math.lgamma(k + 1) - math.lgamma(total - k + 1)) for k in range(most + 1))
