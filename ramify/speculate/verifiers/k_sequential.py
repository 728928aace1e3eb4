"""k-sequential selection among k candidates drawn independently from one law: a transport plan close to the best.

Sun et al., "SpecTr: Fast Speculative Decoding via Optimal Transport", arXiv:2310.15141, algorithm 3.

    rho     how much each candidate is held back, so that k of them together do not take too much; in [1, k]
    beta    the chance that one candidate is accepted, sum min(p / rho, q)
"""

from collections.abc import Sequence

import numpy as np

from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier, descend, happens, scaled

HALVINGS = 24  # where they stop is on the safe side: a larger rho is as exact and accepts a little less


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """Until a level accepts nobody."""

    def level(at: int) -> tuple[int | None, int]:
        p_V, children = p[1 + at], tree.children(at)
        if not children:
            return None, chance.choose(p_V)
        q_V = tree.laws[at]
        rho = held_back(p_V, q_V, len(children))
        for child in children:
            token = tree.tokens[child]
            if happens(float(p_V[token] / (rho * q_V[token])), chance):
                return child, token
        return None, chance.choose(_rest(p_V, q_V, rho, len(children)))

    return descend(level)


def held_back(p_V: Masses, q_V: Masses, k: int) -> float:
    """The least rho for which the k candidates take no more of any token than the target has."""
    p_V, q_V = p_V[q_V > 0.0], q_V[q_V > 0.0]  # the others take nothing
    low, high = 1.0, float(k)
    if _fits(low, p_V, q_V, k):
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _fits(middle, p_V, q_V, k) else (middle, high)
    return high


def _fits(rho: float, p_V: Masses, q_V: Masses, k: int) -> bool:
    beta = float(np.minimum(p_V / rho, q_V).sum())
    return 1.0 - (1.0 - beta) ** k <= rho * beta


def _rest(p_V: Masses, q_V: Masses, rho: float, k: int) -> Masses:
    taken_V = np.minimum(p_V / rho, q_V)
    beta = float(taken_V.sum())
    each = (1.0 - (1.0 - beta) ** k) / beta if beta > 0.0 else 0.0  # of a token's beta share that k candidates take
    return scaled(np.maximum(p_V - each * taken_V, 0.0), p_V)


VERIFIER = Verifier(
    name="k-sequential",
    accept=accept,
    summary="k independent candidates by a transport plan close to the best",
    paper="arXiv:2310.15141",
    hows=("iid",),
)
