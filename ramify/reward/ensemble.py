"""Several rewards as one, each a judge of its own criterion.

Patel et al., "AIME: AI System Optimization via Multiple LLM Evaluators", arXiv:2410.03131.

    r_i   what judge i says, raw

    weighted   sum_i w_i r_i         the weights carry the scales
    strictest  min_i r_i             makes sense of judges on one scale only
    verdicts   - #{i: r_i < 0}       the verdicts side by side: an error that any judge finds is found. Judges by
                                     log-odds (`self_evaluation`); what each says beyond its verdict does not count

The paper concatenates verdicts and shows that a linear combination of evaluators approximates the best one.
"""

from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.core.protocols import AnyReward, Combined
from ramify.core.strict import finite


def weighted(name: str, parts: Sequence[tuple[float, AnyReward]]) -> Combined:
    """sum_i w_i r_i. A part of weight 0 does not count, even if it is -inf."""
    weights = [finite("weight", weight) for weight, _ in parts]
    return Combined(
        name, _some([part for _, part in parts]), lambda r: sum(w * s for w, s in zip(weights, r, strict=True) if w)
    )


def strictest(name: str, parts: Sequence[AnyReward]) -> Combined:
    """min_i r_i."""
    return Combined(name, _some(parts), min)


def verdicts(name: str, parts: Sequence[AnyReward]) -> Combined:
    """Minus the number of judges that say no (below 0): 0 where nobody finds anything wrong."""
    return Combined(name, _some(parts), lambda r: -float(sum(score < 0.0 for score in r)))


def _some(parts: Sequence[AnyReward]) -> tuple[AnyReward, ...]:
    if not parts:
        raise BadInput("reward", "a combination of no rewards")
    return tuple(parts)
