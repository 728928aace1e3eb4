"""Who accepts how much, enumerated on the toy: what is known of the rules beyond that they are lossless.

Each claim is an equality or an inequality between expectations; its distance is by how much it fails, 0 if it holds.
"""

from collections.abc import Callable, Iterator
from itertools import chain, combinations, product
from math import e
from time import perf_counter

import numpy as np

from ramify.speculate.shapes import Distinct, Independent, Shape
from ramify.speculate.tree import Masses
from ramify.speculate.verifiers import biased, block, k_sequential, recursive, standard
from ramify.verify.drafts import LAWS, SIZE, TARGET, LawAfter, transformed
from ramify.verify.enumeration import Text, accepted_length, grown, off_plain, probability, verified
from ramify.verify.searches import SAMPLINGS
from ramify.verify.speculation import Claim, row_rule

LENGTH = 3
LADDER: dict[str, tuple[Shape, ...]] = {
    "standard": (Independent((1, 1, 1)),),
    "block": (Independent((1, 1, 1)),),
    "recursive": (Independent((2, 1)), Distinct((2, 1))),
    "k-sequential": (Independent((2, 1)),),
}
RULES = {rule.name: rule for rule in (standard.VERIFIER, block.VERIFIER, recursive.VERIFIER, k_sequential.VERIFIER)}
EPSILONS = (0.0, 0.05, 0.2, 1.0)


def acceptance_is_as_claimed(progress: Callable[[str], None] = lambda name: None) -> Iterator[Claim]:
    """Every claim for every drafter under every sampling."""
    for sampling in SAMPLINGS:
        progress(f"acceptance: {sampling}")
        target = transformed(TARGET, row_rule(sampling))
        for rule, shapes in LADDER.items():
            start = perf_counter()
            missing = (
                shape.depth - accepted_length(verified(RULES[rule], grown(shape, target), target)) for shape in shapes
            )
            far = max(map(abs, missing))
            yield Claim("the target itself", "everything is accepted", rule, sampling, far, perf_counter() - start)
        for drafter, logits in LAWS.items():
            draft = transformed(logits, row_rule(sampling))
            for (rule, claim), measure in CLAIMS.items():
                start = perf_counter()
                far = max(0.0, measure(target, draft))
                yield Claim(drafter, claim, rule, sampling, far, perf_counter() - start)


def rejections_off_total_variation(target: LawAfter, draft: LawAfter) -> float:
    """Over a whole text, `standard` rejects as often as the total variations at its places sum to, in expectation.

    Yin et al., "A Theoretical Perspective for Speculative Decoding Algorithm", arXiv:2411.00841.
    """
    places = (text for length in range(LENGTH) for text in product(range(SIZE), repeat=length))
    known = sum(probability(target, text) * apart(target(text), draft(text)) for text in places)
    return abs(_rejections((), target, draft) - known)


def _rejections(text: Text, target: LawAfter, draft: LawAfter) -> float:
    """Expected rejections until the text has its length, drafting on after each."""
    left = LENGTH - len(text)
    if left == 0:
        return 0.0
    trees = grown(Independent((1,) * left), lambda path: draft((*text, *path)))
    begun = verified(standard.VERIFIER, trees, lambda path: target((*text, *path)))
    rejected = {more: mass for more, mass in begun.items() if len(more) <= left and mass > 0.0}
    return sum(mass * (1.0 + _rejections((*text, *more), target, draft)) for more, mass in rejected.items())


def apart(p_V: Masses, q_V: Masses) -> float:
    """Total variation."""
    return float(np.abs(p_V - q_V).sum()) / 2


def block_behind_standard(target: LawAfter, draft: LawAfter) -> float:
    """How many tokens `block` accepts fewer than `standard` does, of the same chains."""
    trees = grown(Independent((1,) * LENGTH), draft)
    each = (accepted_length(verified(rule, trees, target)) for rule in (standard.VERIFIER, block.VERIFIER))
    return next(each) - next(each)


def k_sequential_behind_its_share(target: LawAfter, draft: LawAfter) -> float:
    """How far `k-sequential` is below (1 - 1/e) of what any rule can accept of 2 or 3 independent candidates."""
    p_V, q_V = target(()), draft(())
    return max(
        (1.0 - 1.0 / e) * best_of_independent(p_V, q_V, k)
        - accepted_length(verified(k_sequential.VERIFIER, grown(Independent((k,)), draft), target))
        for k in (2, 3)
    )


def best_of_independent(p_V: Masses, q_V: Masses, k: int) -> float:
    """The most that any lossless rule accepts of k candidates drawn from q: the least cut between them and the target.

    A cut lets the tokens of a set S through up to p(S), and pays for all groups that have a candidate elsewhere.
    """
    tokens = range(len(p_V))
    sets = chain.from_iterable(combinations(tokens, size) for size in range(len(p_V) + 1))
    return min(float(p_V[list(s)].sum() + 1.0 - q_V[list(s)].sum() ** k) for s in sets)


def distinct_behind_independent(target: LawAfter, draft: LawAfter) -> float:
    """How much less `recursive` accepts of two candidates if the second is not to be the first again."""
    shapes: tuple[Shape, ...] = (Independent((2,)), Distinct((2,)))
    each = (accepted_length(verified(recursive.VERIFIER, grown(shape, draft), target)) for shape in shapes)
    return next(each) - next(each)


def bias_off_its_bound(target: LawAfter, draft: LawAfter) -> float:
    """By how much the lossy `biased` misses the bias it states, or its rejections the total variation less that."""
    off, p_V, q_V = 0.0, target(()), draft(())
    for epsilon in EPSILONS:
        stated = biased.bias(p_V, q_V, epsilon)
        begun = verified(biased.VERIFIER.using(epsilon=epsilon), grown(Independent((1,)), draft), target)
        rejected = 1.0 - accepted_length(begun)
        off = max(off, abs(off_plain(begun, target) - stated), abs(rejected - (apart(p_V, q_V) - stated)))
    return off


CLAIMS: dict[tuple[str, str], Callable[[LawAfter, LawAfter], float]] = {
    ("standard", "rejections are the total variation"): rejections_off_total_variation,
    ("block", "at least as much as standard"): block_behind_standard,
    ("k-sequential", "at least (1 - 1/e) of the best"): k_sequential_behind_its_share,
    ("recursive", "distinct siblings at least as much as independent ones"): distinct_behind_independent,
    ("biased", "off by what it states, and rejects so much less"): bias_off_its_bound,
}
