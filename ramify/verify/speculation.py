"""Speculation's claim, enumerated on the toy: whatever was drafted, the text has the law of plain decoding.

Every lossless rule, under every shape it reads, under every transform of sampling: a tree is grown from the toy draft,
verified against the toy target, and decoding goes on plainly; all outcomes of all draws together are compared with the
chain rule over the target's table.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from math import prod
from time import perf_counter

from ramify.core.registry import lookup, names
from ramify.core.sampling import Rule
from ramify.maths.law import final_law
from ramify.speculate.shapes import Distinct, Independent, Likeliest, Shape, grow
from ramify.speculate.tree import Masses, TokenTree, Verifier, audited
from ramify.toy.enumerate import Tape, outcomes, total_variation
from ramify.toy.model import ToyModel
from ramify.verify.searches import PROMPT, SAMPLINGS

SIZE = 3
TARGET, DRAFT = ToyModel(vocab_size=SIZE, order=2), ToyModel(vocab_size=SIZE, order=2, salt=9)
SHAPES: dict[str, Shape] = {
    "a chain of 1": Independent((1,)),
    "a chain of 2": Independent((1, 1)),
    "a chain of 3": Independent((1, 1, 1)),
    "2 independent": Independent((2,)),
    "3 independent": Independent((3,)),
    "2 independent, 2 levels": Independent((2, 2)),
    "2 distinct": Distinct((2,)),
    "all distinct": Distinct((SIZE,)),
    "2 distinct, 2 levels": Distinct((2, 2)),
    "2 distinct, then chains": Distinct((2, 1, 1)),
    "the likeliest, 3 levels": Likeliest((1, 1, 1)),
    "the likeliest 2, 2 levels": Likeliest((2, 2)),
}
Text = tuple[int, ...]


LawAfter = Callable[[Text], Masses]


def table(model: ToyModel, rule: Rule) -> LawAfter:
    """A model's laws after any text, all transforms of sampling applied; each is worked out once."""

    @cache
    def law_after(text: Text) -> Masses:
        logits_RV = model.logits([*PROMPT, *text])[None]
        return final_law(logits_RV, rule, [PROMPT], [text]).dense(SIZE)[0].double().numpy()

    return law_after


def probability(law_after: LawAfter, text: Text, start: int = 0) -> float:
    """That a text goes on as it does from `start` on."""
    return prod(float(law_after(text[:i])[text[i]]) for i in range(start, len(text)))


def combinations() -> Iterator[tuple[str, str, str]]:
    """(rule, shape, sampling): every rule with every shape that it reads."""
    for verifier, shape in product(names("verifier"), SHAPES):
        if reads(lookup("verifier", verifier), SHAPES[shape]):
            yield from ((verifier, shape, sampling) for sampling in SAMPLINGS)


def reads(verifier: Verifier, shape: Shape) -> bool:
    """Whether a rule can verify trees of this shape."""
    chain = all(width == 1 for width in shape.widths)
    return shape.how in verifier.hows and (chain or not verifier.chains_only)


def distance(verifier: Verifier, shape: Shape, target: LawAfter, draft: LawAfter) -> float:
    """Total variation between texts that were drafted and verified, and texts that were decoded plainly."""

    def run(tape: Tape) -> Text:
        tree = audited(grow(shape, lambda paths: [draft(tuple(path)) for path in paths], tape), SIZE)
        accepted = verifier.accept([target(path) for path in paths_of(tree)], tree, tape)
        return (*(tree.tokens[node] for node in accepted.path), accepted.token)

    whole, length = dict[Text, float](), len(shape.widths) + 1
    for begun, mass in outcomes(run).items():
        assert isinstance(begun, tuple)
        for rest in product(range(SIZE), repeat=length - len(begun)):
            text = (*begun, *rest)
            whole[text] = whole.get(text, 0.0) + mass * probability(target, text, len(begun))
    plain = {text: probability(target, text) for text in product(range(SIZE), repeat=length)}
    return total_variation(whole, plain)


def paths_of(tree: TokenTree) -> list[Text]:
    """The drafted texts after which a rule wants the target's law: the root's, then every node's."""
    paths: list[Text] = [()]
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*paths[1 + parent], token))
    return paths


def speculation_is_lossless(progress: Callable[[str], None] = lambda name: None) -> Iterator[tuple[str, float, float]]:
    """(claim, distance, seconds), one a combination."""
    for verifier, shape, sampling in combinations():
        progress(f"{verifier} over {shape}")
        start = perf_counter()
        rule = SAMPLINGS[sampling].rule(((1, 2),) if SAMPLINGS[sampling].bad_words else ())
        target, draft = table(TARGET, rule), table(DRAFT, rule)
        far = distance(lookup("verifier", verifier), SHAPES[shape], target, draft)
        yield f"{verifier} over {shape}: {sampling}", far, perf_counter() - start
