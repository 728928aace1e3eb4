"""From pairwise judgements to a ranking: Bradley-Terry with reputations of judges.

Bradley and Terry, Biometrika 1952. Larin et al., "Fortytwo: Swarm Inference with Peer-Ranked Consensus",
arXiv:2510.24801 (a ranking by peers, weighted by reputation).

    theta_i  log-strength of candidate i         P(i beats j) = sigma(theta_i - theta_j)
    s        what a judge said: the chance that i is better, 0 or 1 if it is sure
    w_J      reputation's weight of judge J

theta maximises  sum w_J [s log sigma + (1-s) log (1-sigma)]  plus `prior` wins and `prior` losses of every candidate
against an imaginary one of strength 0, so that who always wins stays finite and who was never compared is as strong as
that one. The objective is strictly concave: Newton's steps, halved until they improve, find its one maximum.

A judge's reputation is the share of its judgements, each counted by how decided judge and ranking are, that the ranking
agrees with (with one imaginary judgement of each kind): 1/2 for a coin, 0 for one who turns everything around. Weights
are 2 * reputation - 1, never below 0, and fit and reputations take turns until they stand still. Departures: the
paper's reputations live on a ledger across questions; here they are of the judgements given, and the caller may pass in
reputations to begin with. Judges that lie together and hold the majority of the weight are the consensus.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.maths.checks import numbers

MOST = 4096  # candidates, judges
TURNS = 100


@dataclass(frozen=True)
class Judgement:
    """`judge` says that candidate `i` is better than `j` with chance `s`."""

    judge: int
    i: int
    j: int
    s: float


@dataclass(frozen=True)
class Consensus:
    """Log-strengths of candidates (sum 0), reputations of judges in (0, 1), candidates best first."""

    strength: tuple[float, ...]
    reputation: tuple[float, ...]
    ranking: tuple[int, ...]


def bradley_terry(
    judgements: Sequence[Judgement],
    num_candidates: int,
    *,
    weights: Sequence[float] | None = None,
    prior: float = 0.1,
) -> list[float]:
    """Log-strengths that sum to 0; `weights` are of judges.

    Raises:
        BadInput: no candidate, a judgement out of range, a negative weight, or a prior not above 0.
    """
    judges = _checked(judgements, num_candidates, prior)
    w = numbers("weights", [1.0] * judges if weights is None else weights, least=0, low=0.0)
    if len(w) < judges:
        raise BadInput("weights", f"{len(w)} given, {judges} judges spoke")
    won = np.zeros((num_candidates, num_candidates))
    for said in judgements:
        won[said.i, said.j] += w[said.judge] * said.s
        won[said.j, said.i] += w[said.judge] * (1.0 - said.s)
    theta = _newton(won, prior)
    return [float(strength) for strength in theta - theta.mean()]


def consensus(
    judgements: Sequence[Judgement],
    num_candidates: int,
    *,
    prior: float = 0.1,
    reputation: Sequence[float] | None = None,
) -> Consensus:
    """Strengths and reputations that agree with each other, from equal reputations unless some are given.

    Equal strengths rank by number. Without a judge of any weight all strengths are 0.

    Raises:
        BadInput: as `bradley_terry`; a reputation outside [0, 1].
    """
    judges = _checked(judgements, num_candidates, prior)
    if reputation is None:
        weights = [1.0] * judges
    else:
        weights = [_weight(rho) for rho in numbers("reputation", reputation, least=judges, low=0.0, high=1.0)]
    for _ in range(TURNS):
        theta = bradley_terry(judgements, num_candidates, weights=weights, prior=prior)
        reputations = _reputations(judgements, theta, len(weights))
        before, weights = weights, [_weight(rho) for rho in reputations]
        if max((abs(a - b) for a, b in zip(before, weights, strict=True)), default=0.0) < 1e-9:
            break
    ranking = sorted(range(num_candidates), key=lambda i: -theta[i])
    return Consensus(tuple(theta), tuple(reputations), tuple(ranking))


def _weight(reputation: float) -> float:
    return max(0.0, 2.0 * reputation - 1.0)


def _reputations(judgements: Sequence[Judgement], theta: Sequence[float], judges: int) -> list[float]:
    agreed, heard = [1.0] * judges, [2.0] * judges
    for said in judgements:
        product = (2.0 * said.s - 1.0) * math.tanh((theta[said.i] - theta[said.j]) / 2.0)
        agreed[said.judge] += max(0.0, product)
        heard[said.judge] += abs(product)
    return [a / h for a, h in zip(agreed, heard, strict=True)]


def _checked(judgements: Sequence[Judgement], num_candidates: int, prior: float) -> int:
    """How many judges there are, by the highest number."""
    whole("num_candidates", num_candidates, 1, MOST)
    if finite("prior", prior) <= 0.0:
        raise BadInput("prior", f"{prior} is not above 0: a candidate that always wins would be infinitely strong")
    for place, said in enumerate(judgements):
        field = f"judgement {place}"
        whole(f"{field}, judge", said.judge, 0, MOST)
        whole(f"{field}, i", said.i, 0, num_candidates - 1)
        whole(f"{field}, j", said.j, 0, num_candidates - 1)
        finite(f"{field}, s", said.s, 0.0, 1.0)
        if said.i == said.j:
            raise BadInput(field, f"compares candidate {said.i} with itself")
    return max((said.judge + 1 for said in judgements), default=0)


def _newton(won: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """theta that maximises the posterior; `won[i, j]` is how often i beat j."""
    theta, games = np.zeros(len(won)), won + won.T

    def value(at: NDArray[np.float64]) -> float:
        gaps = at[:, None] - at[None, :]
        return float(
            -(won * np.logaddexp(0.0, -gaps)).sum() - prior * (np.logaddexp(0, at) + np.logaddexp(0, -at)).sum()
        )

    for _ in range(TURNS):
        beats, bound = _sigma(theta[:, None] - theta[None, :]), _sigma(theta)
        slope = (won - games * beats).sum(1) + prior * (1.0 - 2.0 * bound)
        bend = games * beats * beats.T
        hessian = np.diag(bend.sum(1) + 2.0 * prior * bound * (1.0 - bound)) - bend
        step, size, now = np.linalg.solve(hessian, slope), 1.0, value(theta)
        while size > 1e-9 and value(theta + size * step) < now:
            size /= 2.0
        theta = theta + size * step
        if np.abs(size * step).max() < 1e-12:
            break
    return theta


def _sigma(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(x / 2.0)))
