"""Resampling: from weighted particles to equally weighted ones. Every scheme is unbiased: E[copies of i] = n * w_i.

Douc and Cappé, "Comparison of resampling schemes for particle filtering", ISPA 2005. An index of zero weight is
never drawn.

    N particles in, n out
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ramify.maths.law import inverse_cdf


def effective_sample_size(logweight_N: Tensor) -> float:
    """(sum w)^2 / sum w^2: N for equal weights, 1 for a single survivor."""
    w_N = logweight_N.double().softmax(-1)
    return float(1.0 / w_N.square().sum())


def multinomial(logweight_N: Tensor, uniform_n: Sequence[float]) -> list[int]:
    """Independent draws, one uniform each."""
    return _invert(logweight_N, torch.tensor(uniform_n, dtype=torch.float64))


def systematic(logweight_N: Tensor, n: int, uniform: float) -> list[int]:
    """One uniform, n evenly spaced points: copies of i differ from n * w_i by less than one."""
    return _invert(logweight_N, (torch.arange(n, dtype=torch.float64) + uniform) / n)


def stratified(logweight_N: Tensor, uniform_n: Sequence[float]) -> list[int]:
    """One uniform in each of n equal strata."""
    point_n = torch.tensor(uniform_n, dtype=torch.float64)
    return _invert(logweight_N, (torch.arange(len(point_n)) + point_n) / len(point_n))


def _invert(logweight_N: Tensor, point_n: Tensor) -> list[int]:
    mass_nN = logweight_N.double().softmax(-1).expand(len(point_n), -1)
    return [int(i) for i in inverse_cdf(mass_nN.contiguous(), point_n)]
