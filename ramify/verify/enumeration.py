"""Every outcome of drafting and verifying, with its probability.

A tree and its verification draw independently, so the trees that a shape can grow are enumerated once for all rules.
"""

from collections.abc import Hashable, Sequence
from itertools import product
from math import prod

from ramify.speculate.shapes import Path, Shape, grow
from ramify.speculate.tree import Masses, TokenTree, Verifier, audited
from ramify.toy.enumerate import Tape, outcomes, total_variation
from ramify.verify.drafts import SIZE, Enumerated, LawAfter, paths_of

Text = Path
Trees = Sequence[tuple[TokenTree, float]]


def grown(shape: Shape, draft: LawAfter, size: int = SIZE) -> Trees:
    """Every tree that a shape can grow from a draft's laws, with its probability."""
    trees = dict[Hashable, TokenTree]()

    def run(tape: Tape) -> Hashable:
        tree = grow(shape, lambda paths: [draft(path) for path in paths], Enumerated(tape))
        trees.setdefault(found := (tree.tokens, tree.parents), tree)
        return found

    return [(audited(trees[found], size), mass) for found, mass in outcomes(run).items()]


def verified(verifier: Verifier, trees: Trees, target: LawAfter) -> dict[Text, float]:
    """The law of accepted tokens with the token after them."""
    begun = dict[Text, float]()
    for tree, likely in trees:
        p = [target(path) for path in paths_of(tree)]
        for text, mass in _verifications(verifier, p, tree).items():
            begun[text] = begun.get(text, 0.0) + likely * mass
    return begun


def _verifications(verifier: Verifier, p: Sequence[Masses], tree: TokenTree) -> dict[Text, float]:
    def run(tape: Tape) -> Hashable:
        accepted = verifier.accept(p, tree, Enumerated(tape))
        return (*(tree.tokens[node] for node in accepted.path), accepted.token)

    return {text: mass for text, mass in outcomes(run).items() if isinstance(text, tuple)}


def accepted_length(begun: dict[Text, float]) -> float:
    """Expected tokens of the draft that are accepted."""
    return sum((len(text) - 1) * mass for text, mass in begun.items())


def probability(law_after: LawAfter, text: Text, start: int = 0) -> float:
    """That a text goes on as it does from `start` on."""
    return prod(float(law_after(text[:i])[text[i]]) for i in range(start, len(text)))


def off_plain(begun: dict[Text, float], target: LawAfter, size: int = SIZE) -> float:
    """Total variation between texts that began so and went on plainly, and texts that were decoded plainly."""
    whole, length = dict[Text, float](), max(map(len, begun))
    for text, mass in begun.items():
        for rest in product(range(size), repeat=length - len(text)):
            ended = (*text, *rest)
            whole[ended] = whole.get(ended, 0.0) + mass * probability(target, ended, len(text))
    plain = {text: probability(target, text) for text in product(range(size), repeat=length)}
    return total_variation(whole, plain)


def distance(verifier: Verifier, shape: Shape, target: LawAfter, draft: LawAfter, size: int = SIZE) -> float:
    """Total variation between texts that were drafted and verified, and texts that were decoded plainly."""
    return off_plain(verified(verifier, grown(shape, draft, size), target), target, size)
