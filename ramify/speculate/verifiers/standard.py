"""Token by token: accept a drafted token with min(1, p / q), else draw from what p has beyond q.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192; Chen et al.,
"Accelerating Large Language Model Decoding with Speculative Sampling", arXiv:2302.01318.
"""

from collections.abc import Sequence

from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier, token_by_token


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """Along the chain until the first rejection."""
    return token_by_token(p, tree, chance)


VERIFIER = Verifier(
    name="standard",
    accept=accept,
    summary="token by token, with min(1, p / q)",
    paper="arXiv:2211.17192",
    hows=("iid", "distinct"),
    chains_only=True,
)
