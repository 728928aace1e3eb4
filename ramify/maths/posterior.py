"""One candidate out of a weighted posterior.

    vote     the answer that has most weight, given by its highest-scored candidate (the earliest of equals)
    sample   a draw by the weights: its law is the posterior's
    best     the highest score among candidates that have weight

A vote in which nobody has an answer falls back on `best`. Where a run was cut short before it had a posterior (no
weights), the highest score is taken, of texts that ended by themselves if there are any.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Literal

from ramify.core.errors import UnknownName
from ramify.core.types import Ended, Prompt, best_of
from ramify.core.wants import Search, Toss
from ramify.maths.particles import multinomial

Choice = Literal["vote", "sample", "best"]
CHOICES = ("vote", "sample", "best")
LARGE = 1e300


def log_tilt(score: float, beta: float) -> float:
    """score / beta, kept from overflowing. -inf stays."""
    return score if score == -math.inf else max(-LARGE, min(LARGE, score / beta))


def checked_choice(choose: str) -> str:
    """`choose`, if it is one of the choices.

    Raises:
        UnknownName: it is none.
    """
    if choose not in CHOICES:
        raise UnknownName("choose", choose, CHOICES)
    return choose


def chosen(
    prompt: Prompt, ended: Sequence[Ended], weights: Sequence[float] | None, choose: str, key: tuple[int, ...]
) -> Search[Ended]:
    """One of `ended`. `sample` tosses at (prompt, key)."""
    if weights is None:
        return best_of([e for e in ended if e.branch.finish in ("stop", "length")] or ended)
    if choose == "sample":
        return ended[(yield from drawn(prompt, key, weights))]
    weighty = [(e, w) for e, w in zip(ended, weights, strict=True) if w > 0.0]
    return voted(weighty) if choose == "vote" else best_of([e for e, _ in weighty])


def drawn(prompt: Prompt, key: tuple[int, ...], weights: Sequence[float]) -> Search[int]:
    """An index drawn by weights that sum to one."""
    draw = multinomial(weights, 1)
    return draw.ancestors([(yield Toss(prompt, key, draw.cuts[0]))])[0]


def voted(weighted: Sequence[tuple[Ended, float]]) -> Ended:
    """The highest-scored candidate of the answer that has most weight; the highest-scored of all without answers."""
    mass: dict[Hashable, float] = defaultdict(float)
    for ended, weight in weighted:
        if ended.answer is not None:
            mass[ended.answer] += weight
    winner = max(mass, key=mass.__getitem__) if mass else None  # the first seen of equals
    return best_of([e for e, _ in weighted if e.answer == winner] if mass else [e for e, _ in weighted])
