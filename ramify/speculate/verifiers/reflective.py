"""Reflective verification: the target judges the draft twice, as it is and after having been asked about it. Lossy.

Wang et al., "Think Before You Accept: Semantic Reflective Verification for Faster Speculative Decoding",
arXiv:2505.18629.

    p     the target's laws after the committed text and after every drafted token
    p'    its laws at the same places of a second copy of the draft, which it reads behind  text, draft, a prompt that
          asks whether the draft is right and to write it again
    w     how much the second opinion counts

Both come from one pass: the prompt and the copy are further rows. Tokens are accepted and replaced as `standard` does,
against (1 - w) p + w p'; that mixture is the law of the text. w = 0 is `standard`, whatever p' is.

Both laws went through the request's transforms of sampling, so what is forbidden stays so. Fused are masses: the law of
the text can then be written down, and what either opinion holds possible stays possible.
"""

from collections.abc import Sequence

from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier, token_by_token


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance, *, w: float = 0.3) -> Accepted:
    """`p` holds p of the root and of every node, then p' of the same."""
    return token_by_token(fused(p, w), tree, chance)


def fused(p: Sequence[Masses], w: float) -> list[Masses]:
    """(1 - w) p + w p', for the root and every node."""
    half = len(p) // 2
    return [(1.0 - w) * first_V + w * second_V for first_V, second_V in zip(p[:half], p[half:], strict=True)]


VERIFIER = Verifier(
    name="reflective",
    accept=accept,
    summary="lossy: token by token, against the target's law mixed with its second opinion",
    paper="arXiv:2505.18629",
    hows=("iid", "distinct"),
    chains_only=True,
    lossless=False,
    limits={"w": (0.0, 1.0)},
    laws=2,
)
