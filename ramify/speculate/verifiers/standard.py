"""Token by token: accept a drafted token with min(1, p / q), else draw from what p has beyond q.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192; Chen et al.,
"Accelerating Large Language Model Decoding with Speculative Sampling", arXiv:2302.01318.
"""

from collections.abc import Sequence

from ramify.speculate.tree import ROOT, Accepted, Chance, Masses, TokenTree, Verifier, happens, surplus


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """Along the chain until the first rejection."""
    path: list[int] = []
    for node, token in enumerate(tree.tokens):
        at = path[-1] if path else ROOT
        p_V, q_V = p[1 + at], tree.laws[at]
        if not happens(float(p_V[token] / q_V[token]), chance):
            return Accepted(tuple(path), chance.choose(surplus(p_V, q_V).tolist()))
        path.append(node)
    return Accepted(tuple(path), chance.choose(p[len(path)].tolist()))


VERIFIER = Verifier(
    name="standard",
    accept=accept,
    summary="token by token, with min(1, p / q)",
    paper="arXiv:2211.17192",
    hows=("iid", "distinct"),
    chains_only=True,
)
