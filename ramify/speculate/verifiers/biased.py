"""Token by token with a margin: accept with min(1, (p + epsilon) / q). Lossy, by a known amount and no more.

Yin et al., "A Theoretical Perspective for Speculative Decoding Algorithm", arXiv:2411.00841.

    b    chance to accept a drafted token, min(1, (p + epsilon) / q)
    P    law of the token that replaces a rejected one, [p - q]+ scaled: the least bias among all P

A token's law is off by a total variation of  E = sum min(epsilon, [q - p]+),  and it is rejected with a probability of
TV(p, q) - E: what is lost in one is won in the other, and no rule that accepts with b has a smaller bias. Along a text
the biases add up at most. epsilon = 0 is `standard`, epsilon = 1 accepts everything.

Departure: a token without any mass in the target (cut by top-k, forbidden by a grammar) is never accepted, and is
left out of E.
"""

from collections.abc import Sequence

import numpy as np

from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier, token_by_token


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance, *, epsilon: float = 0.05) -> Accepted:
    """Along the chain until the first rejection."""
    return token_by_token(p, tree, chance, epsilon)


def bias(p_V: Masses, q_V: Masses, epsilon: float) -> float:
    """E: the total variation between one token's law and the target's."""
    return float(np.minimum(epsilon, np.maximum(q_V - p_V, 0.0))[p_V > 0.0].sum())


VERIFIER = Verifier(
    name="biased",
    accept=accept,
    summary="lossy: token by token with a margin, at the least bias for its rejections",
    paper="arXiv:2411.00841",
    hows=("iid", "distinct"),
    chains_only=True,
    lossless=False,
    limits={"epsilon": (0.0, 1.0)},
)
