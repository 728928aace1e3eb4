"""Draw what plain decoding would draw, and follow it for as long as the draft foresaw it.

Reads any tree, however it was drafted. With the target's own addressed randomness the tokens are the very tokens of
plain decoding, so a seed means the same text with speculation and without. For trees that did not come by chance this
is also the best rule there is (Miao et al., "SpecInfer", arXiv:2305.09781, call it naive sampling); for a chain drawn
from q it accepts with sum p q instead of sum min(p, q).
"""

from collections.abc import Sequence

from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier, descend


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """One draw from the target a level."""

    def level(at: int) -> tuple[int | None, int]:
        token = chance.choose(p[1 + at])
        return next((child for child in tree.children(at) if tree.tokens[child] == token), None), token

    return descend(level)


VERIFIER = Verifier(
    name="coupled",
    accept=accept,
    summary="the very tokens of plain decoding, followed while the draft agrees",
    paper="arXiv:2305.09781",
    hows=("given", "iid", "distinct"),
)
