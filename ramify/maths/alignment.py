"""Closed forms of alignment on enumerable laws: oracles for what searches and samplers should give.

Yang et al., "Asymptotics of Language Model Alignment", arXiv:2404.01730 (the tilted optimum, and that best-of-n
approaches it). Verdun et al., "Soft Best-of-n Sampling for Model Alignment", arXiv:2505.03156.

    Y texts     p_Y the model's law     r_Y rewards     n draws     beta > 0 the price of a unit of KL
    F(r), F(r-)  chance that a draw's reward is at most, or below, r

    tilted       p(y) exp(r(y) / beta) / Z: maximises E r - beta KL(. || p)
    best-of-n    of n draws the best, the earliest of equals:  (F(r)^n - F(r-)^n) p(y) / (F(r) - F(r-))
    soft         of n draws, number i with chance ~ exp(r_i / beta); beta -> 0 is best-of-n, n -> oo is tilted

KL(best-of-n || p) <= log n - (n-1)/n, with equality as all p(y) go to zero. Texts of a memoryless language of length m
have r = the sum over letters; best-of-n with n = exp(m delta) then reaches, per letter, the reward of the tilted
letters of KL delta as m grows. Everything is in nats and float64. Departure: the soft law's temperature is called
beta, as elsewhere here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.maths.checks import distribution, numbers, same_length

Law = NDArray[np.float64]
MOST_MULTISETS = 2_000_000


@dataclass(frozen=True)
class Point:
    """Where a law stands: its divergence from the model, and its expected reward."""

    beta: float
    kl: float
    reward: float


def tilted(p: Sequence[float], r: Sequence[float], beta: float) -> Law:
    """The law [Y] that maximises E r - beta KL(. || p).

    Raises:
        BadInput: p is no law, r has another length or is not finite, or beta is not above 0.
    """
    p_Y, r_Y = _language(p, r)
    if finite("beta", beta) <= 0.0:
        raise BadInput("beta", f"{beta} is not above 0; for the limit take best_of_n with a large n")
    return _tilted(p_Y, r_Y, 1.0 / beta)


def kl(q: Sequence[float], p: Sequence[float]) -> float:
    """KL(q || p) in nats; infinite where q has mass that p has not."""
    q_Y, p_Y = np.array(distribution("q", q)), np.array(distribution("p", p))
    same_length("q", q, len(p_Y))
    here = q_Y > 0
    if (p_Y[here] == 0).any():
        return math.inf
    return max(0.0, float((q_Y[here] * np.log(q_Y[here] / p_Y[here])).sum()))


def expected(q: Sequence[float], r: Sequence[float]) -> float:
    """E_q r."""
    q_Y, r_Y = _language(q, r)
    return float(q_Y @ r_Y)


def frontier(p: Sequence[float], r: Sequence[float], betas: Sequence[float]) -> list[Point]:
    """The best reward at each KL, one point a beta: nothing lies above it."""
    laws = [(beta, tilted(p, r, beta).tolist()) for beta in betas]
    return [Point(beta, kl(q, p), expected(q, r)) for beta, q in laws]


def at_kl(p: Sequence[float], r: Sequence[float], delta: float) -> Law:
    """The tilted law [Y] whose KL is `delta`, by bisection on 1 / beta.

    Raises:
        BadInput: delta is 0 or less, or at least -log p(best texts), which no finite beta reaches.
    """
    p_Y, r_Y = _language(p, r)
    most = -math.log(p_Y[(r_Y == r_Y[p_Y > 0].max()) & (p_Y > 0)].sum())
    if not 0.0 < finite("delta", delta) < most:
        raise BadInput("delta", f"{delta:g} is outside (0, {most:g}), the KL that tilting by this reward can spend")
    low, high = 0.0, 1.0
    while kl(_tilted(p_Y, r_Y, high).tolist(), p) < delta and high < 1e300:  # beyond, only rounding is left to spend
        low, high = high, 2.0 * high
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if kl(_tilted(p_Y, r_Y, middle).tolist(), p) < delta else (low, middle)
    return _tilted(p_Y, r_Y, high)


def best_of_n(p: Sequence[float], r: Sequence[float], n: float) -> Law:
    """The law [Y] of the best of n draws, the earliest of equals. n need not be whole: F^n is what counts.

    Raises:
        BadInput: p is no law, r has another length or is not finite, or n is below 1.
    """
    p_Y, r_Y = _language(p, r)
    finite("n", n, 1.0)
    level_L, where_Y = np.unique(r_Y, return_inverse=True)
    mass_L = np.bincount(where_Y, weights=p_Y, minlength=len(level_L)).astype(np.float64)
    best_L = _level_law(mass_L, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(p_Y > 0, best_L[where_Y] * p_Y / mass_L[where_Y], 0.0)


def best_of_n_kl_bound(n: float) -> float:
    """log n - (n-1)/n: no law's best-of-n is further from it."""
    return math.log(finite("n", n, 1.0)) - (n - 1.0) / n


def soft_best_of_n(p: Sequence[float], r: Sequence[float], n: int, beta: float) -> Law:
    """The law [Y] of soft best-of-n, by walking through every multiset of n draws.

    Raises:
        BadInput: as `tilted`, or more than 2,000,000 multisets.
    """
    p_Y, r_Y = _language(p, r)
    whole("n", n, 1, 1 << 20)
    if finite("beta", beta) <= 0.0:
        raise BadInput("beta", f"{beta} is not above 0; its limit is best_of_n")
    if (count := math.comb(n + len(p_Y) - 1, n)) > MOST_MULTISETS:
        raise BadInput("n", f"{count} multisets of {n} among {len(p_Y)} texts, at most {MOST_MULTISETS}: lower n")
    law_Y = np.zeros(len(p_Y))
    with np.errstate(divide="ignore"):
        logp_Y = np.log(p_Y)
    for copies in _multisets(n, len(p_Y)):
        copies_Y = np.array(copies)
        here = copies_Y > 0
        if (p_Y[here] == 0).any():
            continue
        ways = math.lgamma(n + 1) - sum(math.lgamma(c + 1) for c in copies)
        pick = copies_Y[here] * np.exp((r_Y[here] - r_Y[here].max()) / beta)
        law_Y[here] += math.exp(ways + float(copies_Y[here] @ logp_Y[here])) * pick / pick.sum()
    return np.asarray(law_Y / law_Y.sum())


def win_rate(q: Sequence[float], p: Sequence[float], r: Sequence[float]) -> float:
    """Chance that a draw from q has a higher reward than one from p, equal rewards counting half."""
    q_Y, r_Y = _language(q, r)
    p_Y, _ = _language(p, r)
    wins_YY = (r_Y[:, None] > r_Y[None, :]) + 0.5 * (r_Y[:, None] == r_Y[None, :])
    return float(q_Y @ wins_YY @ p_Y)


def memoryless(p: Sequence[float], r: Sequence[int], m: int) -> tuple[list[float], list[float]]:
    """A language whose texts are m letters drawn independently from p, of reward r a letter: (mass, reward) by level.

    Texts of equal reward are taken together: a tilted law, a best-of-n and their rewards do not tell them apart.

    Raises:
        BadInput: p is no law, a reward is not a whole number, or m is below 1.
    """
    p_V = np.array(distribution("p", p))
    whole("m", m, 1, 1 << 16)
    same_length("r", r, len(p_V))
    steps = [whole("r", reward, -(1 << 16), 1 << 16) for reward in r]
    low = min(steps)
    letter = np.zeros(max(steps) - low + 1)
    np.add.at(letter, np.array(steps) - low, p_V)
    mass = np.ones(1)
    for _ in range(m):
        mass = np.convolve(mass, letter)
    return (mass / mass.sum()).tolist(), [float(m * low + i) for i in range(len(mass))]


def _language(p: Sequence[float], r: Sequence[float]) -> tuple[Law, Law]:
    p_Y, r_Y = np.array(distribution("p", p)), np.array(numbers("r", r))
    same_length("r", r, len(p_Y))
    return p_Y, r_Y


def _tilted(p_Y: Law, r_Y: Law, price: float) -> Law:
    top = r_Y[p_Y > 0].max()
    q_Y = np.where(p_Y > 0, p_Y * np.exp(np.minimum(0.0, r_Y - top) * price), 0.0)
    return np.asarray(q_Y / q_Y.sum())


def _level_law(mass_L: Law, n: float) -> Law:
    """F(r)^n - F(r-)^n of ascending levels, from log F so that it holds for n = e^1000 and F near 1."""
    above_L = np.append(np.cumsum(mass_L[::-1])[::-1][1:], 0.0)  # chance of more than this level
    with np.errstate(divide="ignore", over="ignore"):
        power_L = np.exp(n * np.log1p(-np.minimum(above_L, 1.0)))
    best_L = np.diff(np.append(0.0, power_L))
    return np.asarray(np.maximum(best_L, 0.0) / best_L.sum())


def _multisets(n: int, kinds: int) -> Iterator[tuple[int, ...]]:
    """Every way to share n among kinds."""
    if kinds == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in _multisets(n - first, kinds - 1):
            yield (first, *rest)
