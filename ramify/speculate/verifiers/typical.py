"""Typical acceptance: follow whatever the target does not find surprising. Lossy.

Cai et al., "Medusa: Simple LLM Inference Acceleration Framework with Multiple Decoding Heads", arXiv:2401.10774.

    H          entropy of the target's law, in nats
    epsilon    a token of more than this mass is always accepted
    delta      where the law is flat, one of more than delta exp(-H) is

A token is typical if p > min(epsilon, delta exp(-H)). The longest path of typical tokens is accepted (of equally long
ones the likeliest under the target, then the first), and the token after it is drawn from the target. The draft's law
is not read, so the text leans towards what the draft likes. With a greedy target only its own token is typical, and the
text is plain decoding's; with epsilon and delta at their largest nothing is accepted, and it is again.

Departure: where nothing is typical Medusa still takes the first greedy token; here it is drawn like any other.
"""

from collections.abc import Sequence

import numpy as np

from ramify.speculate.tree import ROOT, Accepted, Chance, Masses, TokenTree, Verifier

Standing = tuple[int, float, tuple[int, ...]]  # length, log-probability under the target, path


def accept(
    p: Sequence[Masses], tree: TokenTree, chance: Chance, *, epsilon: float = 0.09, delta: float = 0.3
) -> Accepted:
    """The best path of typical tokens, then one draw."""
    typical: dict[int, Standing] = {ROOT: (0, 0.0, ())}
    for node, (token, parent) in enumerate(zip(tree.tokens, tree.parents, strict=True)):
        if parent in typical:
            mass = float(p[1 + parent][token])
            if mass > threshold(p[1 + parent], epsilon, delta):
                length, score, path = typical[parent]
                typical[node] = (length + 1, score + float(np.log(mass)), (*path, node))
    _, _, path = max(typical.values(), key=lambda standing: standing[:2])
    return Accepted(path, chance.choose(p[1 + (path[-1] if path else ROOT)]))


def threshold(p_V: Masses, epsilon: float, delta: float) -> float:
    """The mass that a token needs more than."""
    some = p_V[p_V > 0.0]
    return min(epsilon, delta * float(np.exp(np.dot(some, np.log(some)))))


VERIFIER = Verifier(
    name="typical",
    accept=accept,
    summary="lossy: follows what the target finds likely enough",
    paper="arXiv:2401.10774",
    hows=("given", "iid", "distinct"),
    lossless=False,
    limits={"epsilon": (0.0, 1.0), "delta": (0.0, 1e9)},
)
