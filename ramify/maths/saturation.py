"""Saturation of test-time scaling: how accuracy levels off with the budget, and where to stop paying.

Wang et al., "Scaling over Scaling: Exploring Test-Time Scaling Plateau in Large Reasoning Models", arXiv:2505.20522
(the performance model, TTSPM).

    N      units of budget: samples drawn side by side, or rounds of revision one after another
    p      chance that one unit succeeds where success is possible
    F_max  accuracy at an unlimited budget

    F(N) = F_max (1 - (1-p)^N)        F(N+1) - F(N) = F_max p (1-p)^N

One structure for both ways of scaling; only the unit differs. The gain falls to epsilon at
N* = ceil(ln(epsilon / (F_max p)) / ln(1-p)).

Fit: weighted least squares. For a given p the best F_max is a ratio of sums, so one number is searched for, over
-ln(1-p): a grid, then golden section in the best cell. Exact where the points obey the law; a mixture of problems of
different p bends more slowly than any single p, and the residual says so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ramify.core.errors import BadInput
from ramify.core.strict import finite
from ramify.maths.checks import numbers

CELLS = 400
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Saturation:
    """A fitted curve. `hazard` is -ln(1-p); `residual` the root of the weighted mean squared error."""

    f_max: float
    hazard: float
    residual: float = 0.0

    @property
    def p(self) -> float:
        """Chance of success a unit."""
        return -math.expm1(-self.hazard)

    def accuracy(self, budget: float) -> float:
        """F(N)."""
        return -self.f_max * math.expm1(-self.hazard * finite("budget", budget, 0.0))

    def marginal_gain(self, budget: float) -> float:
        """F(N+1) - F(N)."""
        return self.f_max * self.p * math.exp(-self.hazard * finite("budget", budget, 0.0))

    def saturation_budget(self, epsilon: float) -> int:
        """N*: the least whole N >= 1 whose marginal gain is at most epsilon.

        Raises:
            BadInput: epsilon not above 0.
        """
        if finite("epsilon", epsilon) <= 0.0:
            raise BadInput("epsilon", f"{epsilon} is not above 0: the gain never reaches it")
        first = self.f_max * self.p
        if epsilon >= first:
            return 1
        exact = math.log(first / epsilon) / self.hazard
        return max(1, math.ceil(exact - 1e-9 * max(1.0, exact)))  # a whole number but for rounding is that number


def fit(budgets: Sequence[float], accuracies: Sequence[float], weights: Sequence[float] | None = None) -> Saturation:
    """The curve through measured points; weights default to equal ones (numbers of problems are good weights).

    Raises:
        BadInput: fewer than two different budgets, a budget that is not positive, an accuracy outside [0, 1], no
            weight, or no success at any budget.
    """
    N = numbers("budgets", budgets, least=2, low=0.0)
    y = numbers("accuracies", accuracies, least=2, low=0.0, high=1.0)
    w = numbers("weights", [1.0] * len(N) if weights is None else weights, low=0.0)
    if not len(N) == len(y) == len(w):
        raise BadInput("accuracies", f"{len(N)} budgets, {len(y)} accuracies and {len(w)} weights: one each is needed")
    if min(N) <= 0.0:
        raise BadInput("budgets", "a budget of 0 solves nothing and measures nothing: leave it out")
    if len({at for at, weight in zip(N, w, strict=True) if weight}) < 2:
        raise BadInput("budgets", "two different budgets with positive weight are needed")
    if not any(value * weight for value, weight in zip(y, w, strict=True)):
        raise BadInput("accuracies", "no success at any budget: nothing to extrapolate")
    low, high = math.log(1e-4 / max(N)), math.log(40.0 / min(N))
    log_hazard = _least(lambda x: _curve(math.exp(x), N, y, w)[1], low, high)
    f_max, squares = _curve(math.exp(log_hazard), N, y, w)
    return Saturation(f_max, math.exp(log_hazard), math.sqrt(squares / math.fsum(w)))


def _curve(hazard: float, N: Sequence[float], y: Sequence[float], w: Sequence[float]) -> tuple[float, float]:
    """The best F_max in [0, 1] at this p, and its weighted squares."""
    g = [-math.expm1(-hazard * at) for at in N]
    over = math.fsum(map(math.prod, zip(w, y, g, strict=True)))
    f_max = min(1.0, over / math.fsum(map(math.prod, zip(w, g, g, strict=True))))
    return f_max, math.fsum(weight * (v - f_max * at) ** 2 for weight, v, at in zip(w, y, g, strict=True))


def _least(f: Callable[[float], float], low: float, high: float) -> float:
    """Where f is least on [low, high]: the best of a grid, then golden section around it."""
    step = (high - low) / CELLS
    best = min((low + i * step for i in range(CELLS + 1)), key=f)
    a, b = max(low, best - step), min(high, best + step)
    while b - a > 1e-11:
        c, d = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
        a, b = (a, d) if f(c) <= f(d) else (c, b)
    return (a + b) / 2.0
