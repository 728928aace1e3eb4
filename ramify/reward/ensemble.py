"""Several rewards as one, each a judge of its own criterion.

Patel et al., "AIME: AI System Optimization via Multiple LLM Evaluators", arXiv:2410.03131.

A linear combination adds raw scores, so the weights carry the scales; the minimum says what the strictest judge says,
which makes sense of judges on one scale only.
"""

from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.core.protocols import AnyReward, Combined
from ramify.core.strict import finite


def weighted(name: str, parts: Sequence[tuple[float, AnyReward]]) -> Combined:
    """sum_i w_i r_i."""
    if not parts:
        raise BadInput("reward", "a combination of no rewards")
    weights = [finite("weight", weight) for weight, _ in parts]
    return Combined(
        name, tuple(part for _, part in parts), lambda r: sum(w * s for w, s in zip(weights, r, strict=True) if w)
    )


def strictest(name: str, parts: Sequence[AnyReward]) -> Combined:
    """min_i r_i."""
    if not parts:
        raise BadInput("reward", "a combination of no rewards")
    return Combined(name, tuple(parts), min)
