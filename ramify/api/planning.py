"""How many samples are worth drawing: coverage from counts of correct ones, and a budget from a measured curve.

    coverage([(samples, correct), ...])        share of problems that k samples solve, and its power law in k
    plan([(budget, accuracy), ...], epsilon)   where another unit of budget gains no more than epsilon

Sources and laws: `ramify.maths.coverage` (arXiv:2107.03374, arXiv:2407.21787), `ramify.maths.saturation`
(arXiv:2505.20522).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ramify.core.errors import BadInput
from ramify.maths import coverage as estimator
from ramify.maths.coverage import Coverage, PowerLaw, fit_power_law
from ramify.maths.saturation import Saturation, fit


@dataclass(frozen=True)
class CoverageCurve:
    """Coverage at each k, and the power law through the points strictly between 0 and 1; None where these are fewer
    than two."""

    points: tuple[Coverage, ...]
    law: PowerLaw | None


@dataclass(frozen=True)
class BudgetPlan:
    """The budget to spend, the accuracy and marginal gain expected there, and the curve they are read from."""

    budget: int
    accuracy: float
    marginal_gain: float
    curve: Saturation


def coverage(counts: Sequence[tuple[int, int]], ks: Sequence[int] | None = None) -> CoverageCurve:
    """Unbiased coverage (pass@k) over problems, each given as (samples drawn, samples correct).

    Args:
        counts: a pair for each problem.
        ks: where to estimate it; None takes the powers of two up to the fewest samples of a problem, and that number.

    Raises:
        BadInput: no problem, no k, more correct samples than samples, or a problem with fewer samples than k.
    """
    if not counts:
        raise BadInput("counts", "no problem given, at least 1 needed")
    most = min(n for n, _ in counts)
    if ks is None:
        ks = sorted({1 << power for power in range(most.bit_length()) if 1 << power <= most} | {most})
    if not ks:
        raise BadInput("ks", "no k given, at least 1 needed")
    points = tuple(estimator.coverage(counts, k) for k in ks)
    inner = [point for point in points if 0.0 < point.value < 1.0]
    if len({point.k for point in inner}) < 2:
        return CoverageCurve(points, None)
    return CoverageCurve(points, fit_power_law([point.k for point in inner], [point.value for point in inner]))


def plan(points: Sequence[tuple[float, float] | tuple[float, float, float]], epsilon: float = 0.001) -> BudgetPlan:
    """The least budget behind which one more unit gains at most epsilon.

    Args:
        points: (budget, accuracy) or (budget, accuracy, weight) of runs; a good weight is the number of problems.
        epsilon: accuracy that a further unit of budget must bring to be worth it.

    Raises:
        BadInput: a point that is no pair or triple, what `ramify.maths.saturation.fit` refuses, or epsilon not above 0.
    """
    for place, point in enumerate(points):
        if len(point) not in (2, 3):
            raise BadInput("points", f"point {place} has {len(point)} numbers; (budget, accuracy) or with a weight")
    weights = [point[2] if len(point) == 3 else 1.0 for point in points]
    curve = fit([point[0] for point in points], [point[1] for point in points], weights)
    budget = curve.saturation_budget(epsilon)
    return BudgetPlan(budget, curve.accuracy(budget), curve.marginal_gain(budget), curve)
