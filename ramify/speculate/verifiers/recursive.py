"""Recursive rejection: siblings get their chance one after another, each against what the target has left.

    X1 accepted with min(1, p1 / q1), else p2 = (p1 - q1)+ scaled, and X2 against that, ...

Drawn with replacement, every sibling has the same q (SpecInfer, arXiv:2305.09781, multi-step speculative sampling);
without, q is scaled to what was not drawn yet (Jeon et al., "Recursive Speculative Decoding", arXiv:2402.14160, whose
trees are drawn without replacement; Yang et al., "Multi-Candidate Speculative Decoding", arXiv:2401.06706).
"""

from collections.abc import Sequence

from ramify.speculate.tree import ROOT, Accepted, Chance, Masses, TokenTree, Verifier, happens, scaled, surplus


def accept(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
    """Down the tree until a level accepts nobody."""
    path: list[int] = []
    while True:
        at = path[-1] if path else ROOT
        p_V, q_V = p[1 + at], tree.laws.get(at)
        chosen = None
        for child in tree.children(at):
            assert q_V is not None
            token = tree.tokens[child]
            if happens(float(p_V[token] / q_V[token]), chance):
                chosen = child
                break
            p_V = surplus(p_V, q_V)
            if tree.how == "distinct":
                q_V = _without(q_V, token)
        if chosen is None:
            return Accepted(tuple(path), chance.choose(p_V.tolist()))
        path.append(chosen)


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
