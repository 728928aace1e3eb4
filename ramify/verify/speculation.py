"""Speculation's claim, enumerated on the toy: whatever was drafted, the text has the law of plain decoding.

Every kind of drafter, in every shape, verified by every lossless rule that reads it, under every transform of sampling:
all outcomes of all draws together are compared with the chain rule over the target's table. What cannot be combined is
listed with its reason. Further claims, about who accepts how much, are in `acceptance`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter

from ramify.core.registry import lookup, names
from ramify.core.sampling import Rule
from ramify.speculate.best_first import BestFirst
from ramify.speculate.fixed import Fixed
from ramify.speculate.shapes import Distinct, Independent, Likeliest, Shape
from ramify.speculate.tree import Verifier
from ramify.verify.beams import EnumerableBeams
from ramify.verify.drafts import LAWS, SIZE, TARGET, TREES, LawAfter, is_chain, transformed
from ramify.verify.enumeration import Trees, grown, off_plain, verified
from ramify.verify.searches import SAMPLINGS

SHAPES: dict[str, Shape] = {
    "a chain of 1": Independent((1,)),
    "a chain of 3": Independent((1, 1, 1)),
    "3 independent": Independent((3,)),
    "2 independent, then one": Independent((2, 1)),
    "2 distinct": Distinct((2,)),
    "all distinct": Distinct((SIZE,)),
    "one, then 2 distinct": Distinct((1, 2)),
    "2 distinct, then chains": Distinct((2, 1, 1)),
    "2 distinct, 2 levels": Distinct((2, 2)),
    "2 stochastic beams, 3 levels": EnumerableBeams(2, 3),
    "3 stochastic beams, 2 levels": EnumerableBeams(3, 2),
    "the likeliest 2, 2 levels": Likeliest((2, 2)),
    "the best 4 nodes": BestFirst(4, deepest=3),
    "a fixed outline": Fixed((-1, -1, 0, 0, 2)),
}
OF_FIVE: dict[str, Shape] = {
    "a chain of 2, of 5 tokens": Independent((1, 1)),
    "3 independent of 5 tokens": Independent((3,)),
    "3 distinct of 5 tokens": Distinct((3,)),
}
WIDE: dict[str, Shape] = {"2 independent, 2 levels": Independent((2, 2))}  # so many trees that one drafter is enough
NODES = 5  # of a look-up's tree, at most
AS_FOUND, ANY = "a tree as found", "any drafter with laws"


@dataclass(frozen=True)
class Claim:
    """One combination. `distance` is a total variation; with a `reason` it is not enumerated, and nothing is proved."""

    drafter: str
    shape: str
    rule: str
    sampling: str = "any sampling"
    distance: float = 0.0
    seconds: float = 0.0
    reason: str | None = None

    @property
    def name(self) -> str:
        """As a row is called."""
        return f"{self.rule} over {self.shape} by {self.drafter}: {self.sampling}"


def rules() -> dict[str, Verifier]:
    """The registered rules that claim plain decoding's law."""
    found = {name: lookup("verifier", name) for name in names("verifier")}
    return {name: rule for name, rule in found.items() if rule.lossless}


def unreadable(verifier: Verifier, how: str, chain: bool) -> str | None:
    """Why a rule cannot verify trees of this kind; None if it can."""
    if how not in verifier.hows:
        return f"{verifier.name} reads {' and '.join(verifier.hows)} siblings, not {how} ones"
    return f"{verifier.name} reads chains only" if verifier.chains_only and not chain else None


def reads(verifier: Verifier, shape: Shape) -> bool:
    """Whether a rule can verify trees of this shape."""
    return unreadable(verifier, shape.how, shape.is_chain) is None


def able_to_read(how: str, chain: bool) -> list[str]:
    """The lossless rules that verify trees of this kind."""
    return [name for name, rule in rules().items() if unreadable(rule, how, chain) is None]


def row_rule(sampling: str) -> Rule:
    """What shapes a row's law under one of `SAMPLINGS`."""
    wanted = SAMPLINGS[sampling]
    return wanted.rule(((1, 2),) if wanted.bad_words else ())


def uncombined() -> Iterator[Claim]:
    """What cannot be combined, or is not enumerated, each with its reason."""
    for (shape, grows), (rule, verifier) in product((SHAPES | OF_FIVE | WIDE).items(), rules().items()):
        if reason := unreadable(verifier, grows.how, grows.is_chain):
            yield Claim(ANY, shape, rule, reason=reason)
    first, *others = LAWS
    for drafter, (shape, grows) in product(others, WIDE.items()):
        for rule in able_to_read(grows.how, grows.is_chain):
            yield Claim(drafter, shape, rule, reason=f"many trees: enumerated for {first} alone")
    for drafter, found in TREES.items():
        yield Claim(drafter, "any other shape", "any rule", reason="it finds a tree and has no laws to grow one from")
        for rule, verifier in rules().items():
            if reason := unreadable(verifier, "given", is_chain(found(NODES))):
                yield Claim(drafter, AS_FOUND, rule, reason=reason)


def speculation_is_lossless(progress: Callable[[str], None] = lambda name: None) -> Iterator[Claim]:
    """Every combination of drafter, shape, rule and sampling, enumerated."""
    first = next(iter(LAWS))
    for sampling in SAMPLINGS:
        for drafter in LAWS:
            progress(f"{drafter}: {sampling}")
            yield from _grown_from(drafter, SHAPES | WIDE if drafter == first else SHAPES, sampling)
            yield from _grown_from(drafter, OF_FIVE, sampling, 5)
        target = transformed(TARGET, row_rule(sampling))
        for drafter, found in TREES.items():
            able = able_to_read("given", is_chain(tree := found(NODES)))
            yield from _claims(drafter, AS_FOUND, able, sampling, [(tree, 1.0)], target)


def _grown_from(drafter: str, shapes: Mapping[str, Shape], sampling: str, size: int = SIZE) -> Iterator[Claim]:
    rule = row_rule(sampling)
    target, draft = transformed(TARGET, rule, size), transformed(LAWS[drafter], rule, size)
    for shape, grows in shapes.items():
        able = able_to_read(grows.how, grows.is_chain)
        yield from _claims(drafter, shape, able, sampling, grown(grows, draft, size), target, size)


def _claims(
    drafter: str, shape: str, able: Sequence[str], sampling: str, trees: Trees, target: LawAfter, size: int = SIZE
) -> Iterator[Claim]:
    for rule in able:
        start = perf_counter()
        far = off_plain(verified(lookup("verifier", rule), trees, target), target, size)
        yield Claim(drafter, shape, rule, sampling, far, perf_counter() - start)
