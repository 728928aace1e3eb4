"""Calibrated rewards, and the transforms that prepare a policy for what is done with it afterwards.

Balashankar et al., "InfAlign: Inference-aware language model alignment", arXiv:2412.19792 (calibrate and transform).

    u   calibrated reward: the quantile of a reward among rewards of reference samples of the same prompt
    t   the exponential transform's exponent

Under the reference law u is uniform on [0, 1], whatever the reward's scale. A policy that will be sampled n times and
judged by its best (or worst) should then be tilted not by u but by a transform of it:

    identity      u             the optimum for a single draw's win rate
    log           log u
    exponential   sign(t) exp(t u)    t > 0 pays for the upper tail (best-of-n), t < 0 for the lower one (worst-of-n:
                                      someone draws until something bad comes, as in jailbreaking)

Departure: ties count half (the mid-rank), so that the mean of u under the reference samples is 1/2 exactly.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from ramify.core.errors import BadInput, UnknownName
from ramify.core.strict import finite
from ramify.maths.checks import numbers

Transform = Callable[[float], float]
NAMES = ("identity", "log", "exponential", "best-of-n", "worst-of-n")


def calibrated(rewards: Sequence[float], reference: Sequence[float]) -> list[float]:
    """The quantile of each reward among the reference rewards: in [0, 1], infinities included.

    Raises:
        BadInput: no reward, no reference, or a NaN.
    """
    found = numbers("rewards", rewards, low=-math.inf, high=math.inf)
    ranked = sorted(numbers("reference", reference, low=-math.inf, high=math.inf))
    return [(bisect_left(ranked, r) + bisect_right(ranked, r)) / (2.0 * len(ranked)) for r in found]


def transform(name: str, t: float = 10.0) -> Transform:
    """A map from calibrated rewards to what a policy is tilted by. `best-of-n` is exponential with |t|, `worst-of-n`
    with -|t|; only these three read t.

    Raises:
        UnknownName: no such transform.
        BadInput: t is 0 or beyond 700 (exp would overflow), or, on use, a calibrated reward outside [0, 1].
    """
    if name not in NAMES:
        raise UnknownName("transform", name, NAMES)
    if name in ("identity", "log"):
        return {"identity": _quantile, "log": _log}[name]
    if finite("t", t, -700.0, 700.0) == 0.0:
        raise BadInput("t", "0 makes every reward equal; take the identity for the limit of small t")
    exponent = {"exponential": t, "best-of-n": abs(t), "worst-of-n": -abs(t)}[name]
    return lambda u: math.copysign(math.exp(exponent * _quantile(u)), exponent)


def calibrate_and_transform(
    rewards: Sequence[float], reference: Sequence[float], name: str = "identity", t: float = 10.0
) -> list[float]:
    """`transform(name, t)` of `calibrated(rewards, reference)`."""
    change = transform(name, t)
    return [change(u) for u in calibrated(rewards, reference)]


def _quantile(u: float) -> float:
    return finite("calibrated reward", u, 0.0, 1.0)


def _log(u: float) -> float:
    return math.log(u) if _quantile(u) > 0.0 else -math.inf
