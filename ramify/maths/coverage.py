"""Coverage: the share of problems that k samples solve, measured without bias, and its law as k grows.

Chen et al., "Evaluating Large Language Models Trained on Code", arXiv:2107.03374 (the estimator). Brown et al., "Large
Language Monkeys: Scaling Inference Compute with Repeated Sampling", arXiv:2407.21787 (the power law).

    n samples of a problem     c of them correct     k samples that coverage is asked for, k <= n
    a, b of  log coverage(k) = a k^b,  a < 0;  b < 0 where coverage grows

The estimator 1 - C(n-c, k) / C(n, k) is the share of the size-k subsets of the n samples that hold a correct one, so
its mean is 1 - (1-p)^k exactly. The power law describes measured curves and is no theorem: trust it near the data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.maths.checks import HUGE, numbers, same_length

MOST = 1 << 24  # samples of a problem


@dataclass(frozen=True)
class Coverage:
    """Coverage at k over problems; `error` is the standard error of the mean, infinite for a single problem."""

    k: int
    value: float
    error: float
    problems: int


@dataclass(frozen=True)
class PowerLaw:
    """log coverage(k) = a k^b; `r_squared` is of log(-log coverage) against log k."""

    a: float
    b: float
    r_squared: float

    def predict(self, k: float) -> float:
        """Coverage with k samples.

        Raises:
            BadInput: k below 1.
        """
        return math.exp(self.a * finite("k", k, 1.0) ** self.b)


def pass_at_k(n: int, c: int, k: int) -> float:
    """1 - C(n-c, k) / C(n, k), as a product of n-c-k+1 .. n-c over n-k+1 .. n, so that nothing overflows.

    Raises:
        BadInput: not 1 <= k <= n or not 0 <= c <= n.
    """
    whole("n", n, 1, MOST)
    whole("c", c, 0, n)
    whole("k", k, 1, n)
    if n - c < k:
        return 1.0
    few, many = sorted((c, k))  # C(n-c, k) / C(n, k) is symmetric in c and k: take the shorter product
    return -math.expm1(math.fsum(math.log1p(-many / (n - i)) for i in range(few)))


def coverage(counts: Sequence[tuple[int, int]], k: int) -> Coverage:
    """Mean of `pass_at_k` over problems, each a pair (samples, correct samples).

    The standard error is that of a mean over problems: it says how far another draw of problems (and samples) may be.

    Raises:
        BadInput: no problem, or a problem with fewer than k samples.
    """
    if not counts:
        raise BadInput("counts", "no problem given, at least 1 needed")
    for place, (n, _) in enumerate(counts):
        if n < k:
            raise BadInput("counts", f"problem {place} has {n} samples, {k} are needed: lower k, or draw more")
    values = [pass_at_k(n, c, k) for n, c in counts]
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Coverage(k, mean, math.inf, 1)
    spread = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Coverage(k, mean, math.sqrt(spread / len(values)), len(values))


def fit_power_law(ks: Sequence[float], values: Sequence[float], weights: Sequence[float] | None = None) -> PowerLaw:
    """Weighted least squares of log(-log coverage) on log k.

    Raises:
        BadInput: fewer than two different k, a coverage that is not strictly between 0 and 1 (its double logarithm is
            no number: leave it out, or measure more samples), or no weight.
    """
    k = numbers("ks", ks, least=2, low=1.0)
    c = numbers("values", values, least=2)
    same_length("values", c, len(k))
    for place, value in enumerate(c):
        if not 0.0 < value < 1.0:
            raise BadInput("values", f"coverage {place} is {value:g}; strictly between 0 and 1 is needed: leave it out")
    w = numbers("weights", [1.0] * len(k) if weights is None else weights, low=0.0)
    same_length("weights", w, len(k))
    if len({at for at, weight in zip(k, w, strict=True) if weight}) < 2:
        raise BadInput("ks", "two different k with positive weight are needed for a line")
    x, y = [math.log(at) for at in k], [math.log(-math.log(value)) for value in c]
    total = math.fsum(w)
    mean_x, mean_y = (math.fsum(map(math.prod, zip(w, values, strict=True))) / total for values in (x, y))
    sxx = math.fsum(weight * (at - mean_x) ** 2 for weight, at in zip(w, x, strict=True))
    sxy = math.fsum(weight * (at - mean_x) * (v - mean_y) for weight, at, v in zip(w, x, y, strict=True))
    syy = math.fsum(weight * (v - mean_y) ** 2 for weight, v in zip(w, y, strict=True))
    b = sxy / sxx
    a = -math.exp(min(mean_y - b * mean_x, math.log(HUGE)))
    return PowerLaw(a, b, 1.0 if syy == 0.0 else min(1.0, sxy * sxy / (sxx * syy)))
