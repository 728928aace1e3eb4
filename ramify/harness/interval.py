"""Means over problems with 95% intervals.

The unit is the problem: with several seeds a problem counts once, with the fraction of seeds that solved it.
Fractions get a Wilson interval (Wilson 1927) at the effective number of problems, so that it stays inside [0, 1] and
is sound near the ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

Z = 1.959964  # two-sided 95%


@dataclass(frozen=True)
class Interval:
    """A mean and its 95% interval."""

    mean: float
    low: float
    high: float


def fraction(solved: Sequence[float]) -> Interval:
    """Mean of per-problem fractions, each in [0, 1]."""
    p, n = fmean(solved), _effective(solved)
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Interval(p, max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half)))


def mean(values: Sequence[float]) -> Interval:
    """Mean of any per-problem numbers (a paired difference, a cost), by the normal law of their mean."""
    m = fmean(values)
    half = Z * sqrt(variance(values) / len(values)) if len(values) > 1 else 0.0
    return Interval(m, m - half, m + half)


def _effective(solved: Sequence[float]) -> float:
    """How many all-or-nothing problems would have the same standard error."""
    p = fmean(solved)
    spread = variance(solved) if len(solved) > 1 else 0.0
    return len(solved) * p * (1 - p) / spread if spread > 0 and 0 < p < 1 else float(len(solved))
