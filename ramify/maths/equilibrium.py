"""Equilibrium ranking: candidates on which a generator and a discriminator come to agree.

Jacob et al., "The Consensus Game: Language Model Generation via Equilibrium Search", arXiv:2310.09139. The updates are
piKL no-regret learning (Jacob et al., arXiv:2112.07544).

    y         candidates, Y of them           v         correct (0) or incorrect (1), a fair coin
    pi_G(y|v) the generator's policy          pi_D(v|y) the discriminator's policy
    lambda    how dear it is to leave the initial policy     eta   learning rate     t   step

Both are paid 1 where the discriminator names the v that the generator was given, less lambda times the divergence from
their initial policies. Against the opponent's average so far, Q_G(y|v) = 1/(2t) sum pi_D(v|y) and
Q_D(v|y) = 1/(2t) sum pi_G(y|v), each plays

    pi(t+1) ~ exp((Q(t) + lambda log pi(1)) / (1 / (eta t) + lambda))

Average regret then falls like log(t) / t, and in the limit pi_G(y|v) ~ pi_G(1)(y|v) exp(pi_D(v|y) / (2 lambda_G)),
and the same for pi_D. lambda to infinity keeps the initial policies; the smaller it is, the slower they settle.
Departure: candidates are ranked by pi_G(y|correct) * pi_D(correct|y); the paper reports each of the two by itself.
Both are in the result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.maths.checks import same_length, table

Policy = NDArray[np.float64]


@dataclass(frozen=True)
class Equilibrium:
    """Policies after the last step, best candidate first, and average regrets after each step.

    `generator[v][y]` sums to one over y, `discriminator[y][v]` over v; v = 0 is correct.
    """

    generator: tuple[tuple[float, ...], tuple[float, ...]]
    discriminator: tuple[tuple[float, float], ...]
    ranking: tuple[int, ...]
    generator_regret: tuple[float, ...]
    discriminator_regret: tuple[float, ...]


def equilibrium(
    generator: Sequence[Sequence[float]],
    discriminator: Sequence[Sequence[float]],
    *,
    lambda_g: float = 0.1,
    lambda_d: float = 0.1,
    eta_g: float = 0.1,
    eta_d: float = 0.1,
    steps: int = 5000,
) -> Equilibrium:
    """Play the consensus game from log-likelihoods.

    Args:
        generator: two rows of Y numbers: log P(y | correct), log P(y | incorrect), in any normalisation.
        discriminator: Y rows of two: log P(correct | y), log P(incorrect | y), likewise.
        lambda_g, lambda_d: how dear it is to leave the initial policies.
        eta_g, eta_d: learning rates.
        steps: updates.

    Raises:
        BadInput: no candidate, shapes that do not fit, a NaN or +inf, a row of -inf only, or a number out of range.
    """
    log_g = table("generator", generator, low=-math.inf)
    log_d = table("discriminator", discriminator, low=-math.inf)
    same_length("generator", log_g, 2)
    same_length("discriminator", log_d, len(log_g[0]))
    same_length("discriminator, row 0", log_d[0], 2)
    for name, value in (("lambda_g", lambda_g), ("lambda_d", lambda_d), ("eta_g", eta_g), ("eta_d", eta_d)):
        if finite(name, value) <= 0.0:
            raise BadInput(name, f"{value} is not above 0")
    whole("steps", steps, 1, 1 << 24)
    g, d = _Player("generator", log_g, lambda_g, eta_g), _Player("discriminator", log_d, lambda_d, eta_d)
    for _ in range(steps):
        pays_g, pays_d = d.policy.T / 2.0, g.policy.T / 2.0
        g.learn(pays_g)
        d.learn(pays_d)
    return _result(g, d)


def initial_generator(given_correct: Sequence[float], given_incorrect: Sequence[float]) -> list[list[float]]:
    """The paper's initial generator, from log P(y | correct) and log P(y | incorrect): each candidate is divided by
    its sum over v first, so that what is likely either way does not count as correct.

    Raises:
        BadInput: no candidate, two lengths, or a candidate that is -inf both ways.
    """
    log_g = np.array(table("candidates", [given_correct, given_incorrect], low=-math.inf))
    if (log_g.max(0) == -math.inf).any():
        raise BadInput("candidates", f"number {int(np.argmin(log_g.max(0)))} is -inf under both")
    return [[float(x) for x in row] for row in _normal(_normal(log_g.T).T)]


class _Player:
    """One side: its policy [.., choices], the payoffs it has seen, and what it earned."""

    def __init__(self, name: str, log_policy: Sequence[Sequence[float]], price: float, rate: float) -> None:
        log = np.array(log_policy)
        if (log.max(-1) == -math.inf).any():
            raise BadInput(name, f"row {int(np.argmin(log.max(-1)))} is -inf throughout: nothing can be chosen")
        self.first, self.price, self.rate = _normal(log), price, rate
        self.policy, self.paid, self.earned = np.exp(self.first), np.zeros_like(self.first), 0.0
        self.regret: list[float] = []

    def learn(self, payoff: Policy) -> None:
        """Earn by the policy of this step, then update it."""
        self.earned += float((self.policy * payoff).sum()) - self.price * self._divergence()
        self.paid += payoff
        t = len(self.regret) + 1
        mean = self.paid / t
        self.policy = np.exp(_normal((mean + self.price * self.first) / (1.0 / (self.rate * t) + self.price)))
        hindsight = self.price * np.log(np.exp(mean / self.price - _top(mean / self.price) + self.first).sum(-1))
        best = float((hindsight + self.price * _top(mean / self.price)[:, 0]).sum())  # what the best fixed policy earns
        self.regret.append(best - self.earned / t)

    def _divergence(self) -> float:
        here = self.policy > 0
        return float((self.policy[here] * (np.log(self.policy[here]) - self.first[here])).sum())


def _result(g: _Player, d: _Player) -> Equilibrium:
    agreed = g.policy[0] * d.policy[:, 0]
    correct, incorrect = (tuple(float(x) for x in row) for row in g.policy)
    return Equilibrium(
        (correct, incorrect),
        tuple((float(yes), float(no)) for yes, no in d.policy),
        tuple(sorted(range(len(agreed)), key=lambda y: -agreed[y])),
        tuple(g.regret),
        tuple(d.regret),
    )


def _top(x: Policy) -> Policy:
    return np.asarray(x.max(-1, keepdims=True))


def _normal(x: Policy) -> Policy:
    """Log-probabilities over the last axis."""
    shifted = x - _top(x)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
