"""Block verification: the chain is accepted as a whole as far as its joint probability allows, never less than token
by token.

Sun et al., "Block Verification Accelerates Speculative Decoding", arXiv:2403.10444, algorithm 2.

    w    how much of the drafted prefix's probability the target supports, 1 at most
    h    the chance to accept the prefix, given that no longer one is accepted
"""

from collections.abc import Sequence

import numpy as np

from ramify.speculate.tree import ROOT, Accepted, Chance, Masses, TokenTree, Verifier, happens, scaled


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """The longest prefix whose own coin says so; every prefix has one."""
    length, w = len(tree.tokens), [1.0]
    for node, token in enumerate(tree.tokens):
        w.append(min(1.0, w[-1] * float(p[node][token] / tree.laws[node - 1][token])))
    accepted = 0
    for i in range(1, length + 1):
        if happens(w[i] if i == length else _chance_to_stop(w[i], p[i], tree.laws[i - 1]), chance):
            accepted = i
    path = tuple(range(accepted))
    if accepted == length:
        return Accepted(path, chance.choose(p[length]))
    residue_V = np.maximum(w[accepted] * p[accepted] - tree.laws[accepted + ROOT], 0.0)
    return Accepted(path, chance.choose(scaled(residue_V, p[accepted])))


def _chance_to_stop(w: float, p_V: Masses, q_V: Masses) -> float:
    residue = float(np.maximum(w * p_V - q_V, 0.0).sum())
    rest = residue + 1.0 - w
    return residue / rest if rest > 0.0 else 1.0


VERIFIER = Verifier(
    name="block",
    accept=accept,
    summary="the chain as a whole: accepts at least as much as token by token",
    paper="arXiv:2403.10444",
    hows=("iid", "distinct"),
    chains_only=True,
)
