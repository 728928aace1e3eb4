"""Every rule under every shape it reads leaves plain decoding's law as it is: by enumeration of every outcome."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest

from ramify.speculate.shapes import Distinct, Independent, Likeliest, Shape, grow
from ramify.speculate.tree import Masses, TokenTree, Verifier
from ramify.speculate.verifiers import block, coupled, k_sequential, recursive, standard
from ramify.toy.enumerate import Tape, outcomes

VERIFIERS = [m.VERIFIER for m in (standard, block, coupled, recursive, k_sequential)]
CHAINS = [Independent((1,)), Independent((1, 1)), Independent((1, 1, 1)), Distinct((1, 1))]
TREES = [
    Independent((2,)), Independent((3,)), Independent((2, 2)), Independent((3, 1)),
    Distinct((2,)), Distinct((3,)), Distinct((4,)), Distinct((2, 2)), Distinct((2, 1, 1)),
    Likeliest((1, 1, 1)), Likeliest((2,)), Likeliest((2, 2)), Likeliest((4, 1)),
]  # fmt: skip
KINDS = ("smooth", "with zeros", "greedy target", "greedy draft", "far apart", "equal")
SIZE = 3


@cache
def law(kind: str, side: str, path: tuple[int, ...]) -> Masses:
    """The target's or the draft's law after a path."""
    who = 0 if side == "draft" and kind != "equal" else 1
    random = np.random.default_rng([who, len(kind), *path, 7])
    mass = random.dirichlet(np.ones(SIZE) * (0.3 if kind == "far apart" else 1.0))
    if kind == "with zeros":
        mass[random.integers(SIZE)] = 0.0
    if kind == f"greedy {side}":
        mass = np.eye(SIZE)[random.integers(SIZE)]
    return mass / mass.sum()


def p_rows(kind: str, tree: TokenTree) -> list[Masses]:
    paths: list[tuple[int, ...]] = []
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*(paths[parent] if parent >= 0 else ()), token))
    return [law(kind, "target", path) for path in [(), *paths]]


def output_law(verifier: Verifier, shape: Shape, kind: str) -> dict[tuple[int, ...], float]:
    """Of the texts of one length: drafted, verified, and gone on with plainly."""

    def run(tape: Tape) -> tuple[int, ...]:
        tree = grow(shape, lambda paths: [law(kind, "draft", tuple(path)) for path in paths], tape)
        accepted = verifier.accept(p_rows(kind, tree), tree, tape)
        return (*(tree.tokens[node] for node in accepted.path), accepted.token)

    whole: dict[tuple[int, ...], float] = defaultdict(float)
    length = len(shape.widths) + 1
    for text, probability in outcomes(run).items():
        assert isinstance(text, tuple)
        for rest in product(range(SIZE), repeat=length - len(text)):
            whole[(*text, *rest)] += probability * plain(kind, text, rest)
    return whole


def plain(kind: str, text: Sequence[int], rest: Sequence[int]) -> float:
    """The probability that plain decoding goes on with `rest` after `text`."""
    both = (*text, *rest)
    return prod(float(law(kind, "target", both[:i])[both[i]]) for i in range(len(text), len(both)))


def reads(verifier: Verifier, shape: Shape) -> bool:
    chain = all(width == 1 for width in shape.widths)
    return shape.how in verifier.hows and (chain or not verifier.chains_only)


CASES = [(v, s) for v in VERIFIERS for s in (*CHAINS, *TREES) if reads(v, s)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("verifier", "shape"), CASES, ids=lambda x: getattr(x, "name", repr(x)))
def test_the_law_is_plain_decodings(verifier: Verifier, shape: Shape, kind: str) -> None:
    got = output_law(verifier, shape, kind)
    texts = product(range(SIZE), repeat=len(shape.widths) + 1)
    distance = sum(abs(got.get(text, 0.0) - plain(kind, (), text)) for text in texts) / 2
    assert distance <= 1e-12


def accepted_length(verifier: Verifier, shape: Shape, kind: str) -> float:
    def run(tape: Tape) -> int:
        tree = grow(shape, lambda paths: [law(kind, "draft", tuple(path)) for path in paths], tape)
        return len(verifier.accept(p_rows(kind, tree), tree, tape).path)

    return sum(n * probability for n, probability in outcomes(run).items() if isinstance(n, int))


@pytest.mark.parametrize("kind", KINDS)
def test_who_accepts_more(kind: str) -> None:
    chain = Independent((1, 1, 1))
    token_by_token = accepted_length(standard.VERIFIER, chain, kind)
    assert accepted_length(block.VERIFIER, chain, kind) >= token_by_token - 1e-12
    assert accepted_length(coupled.VERIFIER, chain, kind) <= token_by_token + 1e-12
    alone = accepted_length(standard.VERIFIER, Independent((1,)), kind)
    assert accepted_length(recursive.VERIFIER, Distinct((2,)), kind) >= alone - 1e-12
    assert accepted_length(k_sequential.VERIFIER, Independent((2,)), kind) >= alone - 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_rejections_are_the_total_variation(kind: str) -> None:
    """Yin et al., "A Theoretical Perspective for Speculative Decoding Algorithm", arXiv:2411.00841, theorem 1."""
    p_V, q_V = law(kind, "target", ()), law(kind, "draft", ())
    rejected = 1.0 - accepted_length(standard.VERIFIER, Independent((1,)), kind)
    assert rejected == pytest.approx(np.abs(p_V - q_V).sum() / 2, abs=1e-12)


def test_a_law_that_is_all_drawn_is_covered() -> None:
    """Every token of the vocabulary as a sibling, without replacement: somebody is always accepted."""
    for kind in KINDS[:1]:
        assert accepted_length(recursive.VERIFIER, Distinct((SIZE,)), kind) == pytest.approx(1.0)
