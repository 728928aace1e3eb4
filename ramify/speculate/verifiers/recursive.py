"""Recursive rejection: siblings get their chance one after another, each against what the target has left.

    X1 accepted with min(1, p1 / q1), else p2 = (p1 - q1)+ scaled, and X2 against that, ...

Drawn with replacement, every sibling has the same q (SpecInfer, arXiv:2305.09781, multi-step speculative sampling);
without, q is scaled to what was not drawn yet (Jeon et al., "Recursive Speculative Decoding", arXiv:2402.14160, whose
trees are drawn without replacement; Yang et al., "Multi-Candidate Speculative Decoding", arXiv:2401.06706).
"""

from collections.abc import Sequence

from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier, descend, happens, scaled, surplus


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """Until a level accepts nobody."""

    def level(at: int) -> tuple[int | None, int]:
        p_V, children = p[1 + at], tree.children(at)
        q_V = tree.laws[at] if children else p_V
        for child in children:
            token = tree.tokens[child]
            if happens(float(p_V[token] / q_V[token]), chance):
                return child, token
            p_V = surplus(p_V, q_V)
            if tree.how == "distinct":
                q_V = _without(q_V, token)
        return None, chance.choose(p_V)

    return descend(level)


def _without(q_V: Masses, token: int) -> Masses:
    rest_V = q_V.copy()
    rest_V[token] = 0.0
    return scaled(rest_V, rest_V)


VERIFIER = Verifier(
    name="recursive",
    accept=accept,
    summary="siblings one after another, each against what the target has left",
    paper="arXiv:2402.14160",
    hows=("iid", "distinct"),
)
