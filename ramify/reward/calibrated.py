"""A reward on the scale of its own prompt: the quantile among reference samples, then a transform.

Balashankar et al., "InfAlign: Inference-aware language model alignment", arXiv:2412.19792 (the numbers are
`ramify.maths.calibration`).

    u = quantile of r among the scores of reference samples of the same prompt      in [0, 1], uniform under the model
    identity  u      log  log u      exponential  sign(t) exp(t u)      best-of-n, worst-of-n: t > 0, t < 0

Squashed on purpose, and said so in the name: the raw reward is the part. Reference scores are of one prompt: draw some
texts of it (`sample`), score them, and calibrate a reward for that prompt.
"""

from collections.abc import Callable, Sequence

from ramify.core.protocols import AnyReward, Combined
from ramify.maths.calibration import calibrated, transform


def calibrate(reference: Sequence[float], how: str = "identity", t: float = 10.0) -> Callable[[AnyReward], Combined]:
    """From the scores of reference samples to a function that puts a reward on their scale.

    Raises:
        UnknownName: no such transform. BadInput: no reference score, or a NaN; t is 0 or beyond 700.
    """
    change, scores = transform(how, t), tuple(reference)
    calibrated([0.0], scores)  # refuses what is no reference now rather than within a run

    def apply(reward: AnyReward) -> Combined:
        name = f"{reward.name}, calibrated ({how})"
        return Combined(name, (reward,), lambda parts: change(calibrated(parts, scores)[0]))

    return apply
