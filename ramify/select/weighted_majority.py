"""Answers weighted by reward: sum the candidates' probabilities of being right per answer.

Li et al., "Making Large Language Models Better Reasoners with Step-Aware Verifier" (DiVeRSe), ACL 2023,
arXiv:2206.02336.

Scores are taken as logits, so a candidate's weight is sigmoid(score). The winner is the best-scored candidate of the
heaviest answer; ties go to the answer seen first.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence

from ramify.core.types import Ended, best_of


def select(ended: Sequence[Ended]) -> Ended:
    """The best-scored candidate of the heaviest answer; `best` where nobody has an answer."""
    weight: dict[Hashable, float] = defaultdict(float)
    for e in ended:
        if e.answer is not None and e.score is not None:
            weight[e.answer] += 0.5 * (1 + math.tanh(e.score / 2))  # sigmoid that cannot overflow
    if not weight:
        return best_of(ended)
    winner = max(weight, key=weight.__getitem__)
    return best_of([e for e in ended if e.answer == winner])
