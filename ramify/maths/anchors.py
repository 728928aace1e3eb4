"""A score from comparisons with anchors of known quality, instead of with every other candidate.

Zhu et al., "Adaptive Image Quality Assessment via Teaching Large Multimodal Model to Compare" (Compare2Score),
arXiv:2405.19298; Thurstone, "A law of comparative judgment", 1927 (Case V).

    q     quality sought        a_k   quality of anchor k       s_k   chance said that the candidate beats anchor k
    Phi   the normal distribution function       sigma  noise of one quality when compared

P(beats k) = Phi((q - a_k) / (sigma sqrt 2)). q maximises  sum s_k log Phi + (1 - s_k) log(1 - Phi)  plus the log of a
normal prior. The objective is strictly concave; its slope has one zero, found by bisection. K comparisons a candidate
are made instead of one with each other candidate. Departure: the anchors' qualities are given and stay fixed, the paper
also solves for them jointly.
"""

import math
from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.core.strict import finite
from ramify.maths.checks import numbers, same_length


def anchored_score(
    beats: Sequence[float],
    anchors: Sequence[float],
    *,
    noise: float = math.sqrt(0.5),
    prior_mean: float = 0.0,
    prior_sd: float = 1.0,
) -> float:
    """The maximum a posteriori quality of one candidate. `noise` is sigma; at its default, P(beats) = Phi(q - a).

    Raises:
        BadInput: no anchor, a chance outside [0, 1], or a spread not above 0.
    """
    s, a = numbers("beats", beats, low=0.0, high=1.0), numbers("anchors", anchors)
    same_length("beats", s, len(a))
    finite("prior_mean", prior_mean)
    for field, value in (("noise", noise), ("prior_sd", prior_sd)):
        if finite(field, value) <= 0.0:
            raise BadInput(field, f"{value} is not above 0")
    scale = noise * math.sqrt(2.0)

    def slope(q: float) -> float:
        pull = (prior_mean - q) / prior_sd**2
        gaps = [(q - anchor) / scale for anchor in a]
        return pull + sum(p * _hazard(-x) - (1.0 - p) * _hazard(x) for p, x in zip(s, gaps, strict=True)) / scale

    reach = 1.0
    while slope(prior_mean - reach) < 0.0 or slope(prior_mean + reach) > 0.0:
        reach *= 2.0
    low, high = prior_mean - reach, prior_mean + reach
    while (middle := (low + high) / 2.0) not in (low, high):
        low, high = (middle, high) if slope(middle) > 0.0 else (low, middle)
    return middle


def _hazard(x: float) -> float:
    """phi(x) / (1 - Phi(x)); beyond 25, where both vanish, its expansion."""
    if x > 25.0:
        return x + 1.0 / x - 2.0 / x**3
    return math.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi) / (0.5 * math.erfc(x / math.sqrt(2.0)))
