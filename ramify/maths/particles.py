"""Weights and resampling of particles, over plain lists: what a search calls, and what an enumerator can walk through.

Douc and Cappé, "Comparison of resampling schemes for particle filtering", ISPA 2005. Every scheme is unbiased:
E[copies of i] = n * w_i, and an index of zero weight is never drawn.

    N particles in      n out      w weights that sum to one      u uniforms in [0, 1)

A scheme is laid out before any uniform is drawn. Copy j of n comes from the inverse distribution function of w at

    multinomial   u_j                    n uniforms
    stratified    (j + u_j) / n          n uniforms
    systematic    (j + u_0) / n          1 uniform
    residual      floor(n * w_i) copies of each i first; the rest multinomial over what is left of n * w

so each uniform has finitely many *cuts*, the points of (0, 1) where the outcome changes: [0, cut), [cut, cut'), ...
Departure: cuts are rounded to multiples of 2^-48, so that cuts that agree in exact arithmetic are one cut. A copy's
law moves by less than that.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ramify.core.errors import BadInput
from ramify.core.strict import whole
from ramify.maths.checks import distribution, log_sum_exp, numbers

GRID = 2.0**48
MOST = 1 << 24  # particles


def normalised(logweights: Sequence[float]) -> list[float]:
    """Weights that sum to one. -inf is weight zero.

    Raises:
        BadInput: no weight at all, a NaN or +inf, or every weight -inf.
    """
    values = _logweights(logweights)
    top = max(values)
    if top == -math.inf:
        raise BadInput("reward", f"all {len(values)} are -inf: no particle can be kept. Soften the factor, or raise n")
    mass = [math.exp(value - top) for value in values]
    total = math.fsum(mass)
    return [m / total for m in mass]


def log_mean_exp(logweights: Sequence[float]) -> float:
    """log of the mean weight: a filter's factor of the evidence. -inf where every weight is zero.

    Raises:
        BadInput: no weight at all, a NaN or +inf.
    """
    values = _logweights(logweights)
    return log_sum_exp(values) - math.log(len(values))


def effective_sample_size(logweights: Sequence[float]) -> float:
    """(sum w)^2 / sum w^2: N for equal weights, 1 for a single survivor.

    Raises:
        BadInput: what `normalised` refuses.
    """
    return 1.0 / math.fsum(w * w for w in normalised(logweights))


def _logweights(logweights: Sequence[float]) -> list[float]:
    values = list(logweights)
    if not values:
        raise BadInput("reward", "no particles given, at least 1 needed")
    bad = [place for place, value in enumerate(values) if math.isnan(value) or value == math.inf]
    if bad:
        raise BadInput("reward", f"log-weight {bad[0]} of {len(values)} is {values[bad[0]]}; finite or -inf is needed")
    return [float(value) for value in values]


@dataclass(frozen=True)
class Copy:
    """One ancestor to be drawn: uniform number `uniform` gives the point (stratum + u) / strata of cumulated weight."""

    uniform: int
    stratum: int
    strata: int
    ends: Sequence[float]  # cumulated weight, shared by all copies of a plan
    last: int  # the last index that has weight

    @property
    def cuts(self) -> list[float]:
        """Where in u each index ends; below 0 and above 1 too."""
        return [self._cut(end) for end in self.ends]

    def ancestor(self, u: float) -> int:
        """The first index that ends beyond u."""
        return min(bisect_right(self.ends, u, key=self._cut), self.last)

    def _cut(self, end: float) -> float:
        return round((end * self.strata - self.stratum) * GRID) / GRID


@dataclass(frozen=True)
class Resampling:
    """A scheme laid out: ancestors that are certain, then copies to draw."""

    certain: tuple[int, ...]
    copies: tuple[Copy, ...]
    num_uniforms: int

    @property
    def cuts(self) -> list[tuple[float, ...]]:
        """For each uniform, in order: the points strictly within (0, 1) at which the outcome changes, ascending."""
        inner: list[set[float]] = [set() for _ in range(self.num_uniforms)]
        for copy in self.copies:
            inner[copy.uniform].update(cut for cut in copy.cuts[: copy.last] if 0.0 < cut < 1.0)
        return [tuple(sorted(points)) for points in inner]

    def ancestors(self, uniforms: Sequence[float]) -> list[int]:
        """The n indices, one uniform in [0, 1) for each tuple of `cuts`.

        Raises:
            BadInput: too few or too many uniforms, or one outside [0, 1).
        """
        u = numbers("uniforms", uniforms, least=0, low=0.0, high=math.nextafter(1.0, 0.0))
        if len(u) != self.num_uniforms:
            raise BadInput("uniforms", f"{len(u)} given, {self.num_uniforms} needed")
        return [*self.certain, *(copy.ancestor(u[copy.uniform]) for copy in self.copies)]


def multinomial(weights: Sequence[float], n: int) -> Resampling:
    """n independent draws, one uniform each."""
    return Resampling((), _copies(_checked(weights, n), range(n), [0] * n, 1), n)


def stratified(weights: Sequence[float], n: int) -> Resampling:
    """One uniform in each of n equal strata."""
    return Resampling((), _copies(_checked(weights, n), range(n), range(n), n), n)


def systematic(weights: Sequence[float], n: int) -> Resampling:
    """One uniform, n evenly spaced points: copies of i differ from n * w_i by less than one."""
    return Resampling((), _copies(_checked(weights, n), [0] * n, range(n), n), 1)


def residual(weights: Sequence[float], n: int) -> Resampling:
    """floor(n * w_i) copies for certain; the rest drawn independently from what is left."""
    w = _checked(weights, n)
    whole_copies = [math.floor(n * mass + 1e-12 * n) for mass in w]  # 3 * (1 / 3) is one copy, also when rounded down
    rest = n - sum(whole_copies)
    left = [max(0.0, n * mass - k) for mass, k in zip(w, whole_copies, strict=True)]
    certain = tuple(i for i, k in enumerate(whole_copies) for _ in range(k))
    if not rest:
        return Resampling(certain, (), 0)
    total = math.fsum(left)
    return Resampling(certain, _copies([mass / total for mass in left], range(rest), [0] * rest, 1), rest)


Scheme = Callable[[Sequence[float], int], Resampling]
SCHEMES: Mapping[str, Scheme] = {
    "multinomial": multinomial,
    "stratified": stratified,
    "systematic": systematic,
    "residual": residual,
}


def _checked(weights: Sequence[float], n: int) -> list[float]:
    whole("n", n, 1, MOST)
    return distribution("weights", weights)


def _copies(w: Sequence[float], uniforms: Iterable[int], strata: Iterable[int], count: int) -> tuple[Copy, ...]:
    ends, last = list(accumulate(w)), max(i for i, mass in enumerate(w) if mass > 0.0)
    return tuple(Copy(u, stratum, count, ends, last) for u, stratum in zip(uniforms, strata, strict=True))
