"""Lossy rules: each is off by what it says, and exact at the setting that says so."""

from functools import partial

import numpy as np
import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.core.registry import lookup
from ramify.speculate.shapes import Distinct, Independent, Likeliest, Shape
from ramify.speculate.tree import Masses, TokenTree, Verifier
from ramify.speculate.verifiers import biased, reflective, standard, typical
from ramify.verify.acceptance import apart, bias_off_its_bound
from ramify.verify.enumeration import accepted_length, grown, off_plain, verified
from tests.speculate.enumerated import KINDS, SIZE, after, law
from tests.speculate.test_beams import Random

CHAIN = Independent((1, 1, 1))


def off(verifier: Verifier, shape: Shape, kind: str) -> float:
    target = after(kind, "target")
    return off_plain(verified(verifier, grown(shape, after(kind, "draft")), target), target)


def how_far(verifier: Verifier, shape: Shape, kind: str) -> float:
    return accepted_length(verified(verifier, grown(shape, after(kind, "draft")), after(kind, "target")))


@pytest.mark.parametrize("kind", KINDS)
def test_a_margin_costs_what_it_states(kind: str) -> None:
    assert bias_off_its_bound(after(kind, "target"), after(kind, "draft")) <= 1e-12
    lengths = [how_far(biased.VERIFIER.using(epsilon=e), CHAIN, kind) for e in (0.0, 0.05, 0.2, 1.0)]
    assert lengths == sorted(lengths)
    assert lengths[0] == pytest.approx(how_far(standard.VERIFIER, CHAIN, kind), abs=1e-12)
    assert off(biased.VERIFIER.using(epsilon=0.0), CHAIN, kind) <= 1e-12
    possible = all((law(kind, "target", path) > 0).all() for path in _paths(2))
    assert not possible or lengths[-1] == pytest.approx(3.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_biases_add_up_at_most(kind: str, epsilon: float) -> None:
    """Along a chain: no more than the sum over its places, each at the target's own law of what came before."""
    target, draft = after(kind, "target"), after(kind, "draft")
    begun = verified(biased.VERIFIER.using(epsilon=epsilon), grown(CHAIN, draft), target)
    worst = max(biased.bias(target(path), draft(path), epsilon) for path in _paths(2))
    assert off_plain(begun, target) <= 3 * worst + 1e-12
    first = {token: sum(mass for text, mass in begun.items() if text[0] == token) for token in range(SIZE)}
    stated = biased.bias(target(()), draft(()), epsilon)
    assert apart(np.array([*first.values()]), target(())) == pytest.approx(stated, abs=1e-12)


def _paths(length: int) -> list[tuple[int, ...]]:
    paths: list[tuple[int, ...]] = [()]
    for path in paths:
        if len(path) < length:
            paths += [(*path, token) for token in range(SIZE)]
    return paths


def test_the_bias_is_the_least_for_its_rejections() -> None:
    """No other law of the token in a rejected one's place is nearer to the target (a random search)."""
    p_V, q_V, epsilon = law("smooth", "target", ()), law("smooth", "draft", ()), 0.1
    kept_V = np.minimum(q_V, p_V + epsilon)
    others = np.random.default_rng(0).dirichlet(np.ones(SIZE), 2_000)
    least = min(apart(kept_V + (1.0 - kept_V.sum()) * other_V, p_V) for other_V in others)
    assert 0.0 < biased.bias(p_V, q_V, epsilon) <= least + 1e-12


def test_what_is_forbidden_stays_so() -> None:
    """A margin admits no token that the target cannot give."""
    p_V, q_V = np.array([0.5, 0.5, 0.0]), np.array([0.1, 0.1, 0.8])
    tree = TokenTree((2,), (-1,), {-1: q_V}, "iid")
    wide = biased.VERIFIER.using(epsilon=1.0)
    assert {wide.accept([p_V, p_V], tree, chance).token for chance in [Random()] for _ in range(50)} == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("w", [0.0, 0.3, 1.0])
def test_a_second_opinion_has_the_law_of_the_mixture(kind: str, w: float) -> None:
    """The text's law is the mixture's, exactly; with w = 0 the target's, with w = 1 the second opinion's."""
    draft, first, second = after(kind, "draft"), after(kind, "target"), partial(law, "far apart", "target")

    def mixture(path: tuple[int, ...]) -> Masses:
        return (1.0 - w) * first(path) + w * second(path)

    rule = reflective.VERIFIER.using(w=w)
    paired = Verifier(
        "paired",
        lambda p, tree, chance: rule.accept([*p, *[second(path) for path in _along(tree)]], tree, chance),
        *("", "", ("iid",)),
    )
    begun = verified(paired, grown(CHAIN, draft), first)
    assert off_plain(begun, mixture) <= 1e-12
    exact = accepted_length(verified(standard.VERIFIER, grown(CHAIN, draft), mixture))
    assert accepted_length(begun) == pytest.approx(exact, abs=1e-12)


def _along(tree: TokenTree) -> list[tuple[int, ...]]:
    paths: list[tuple[int, ...]] = [()]
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*paths[1 + parent], token))
    return paths


@pytest.mark.parametrize("shape", [CHAIN, Distinct((2, 2)), Likeliest((2, 1))], ids=repr)
def test_typical_acceptance_at_its_ends(shape: Shape) -> None:
    """A threshold nobody passes, or a target that knows what it wants: plain decoding. None at all: all of it."""
    strict = typical.VERIFIER.using(epsilon=1.0, delta=1e9)
    for kind in KINDS:
        assert off(strict, shape, kind) <= 1e-12 and how_far(strict, shape, kind) == 0.0
    assert off(typical.VERIFIER, shape, "greedy target") <= 1e-12
    assert off(typical.VERIFIER, shape, "smooth") > 0.01
    assert how_far(typical.VERIFIER.using(epsilon=0.0), shape, "smooth") == pytest.approx(shape.depth, abs=1e-12)


def test_typical_acceptance_by_hand() -> None:
    flat, sure = np.full(4, 0.25), np.array([0.91, 0.05, 0.03, 0.01])
    assert typical.threshold(flat, 0.5, 0.3) == pytest.approx(0.3 / 4)
    assert typical.threshold(flat, 0.05, 0.3) == 0.05
    assert typical.threshold(np.array([1.0, 0.0]), 0.09, 0.3) == 0.09
    tree = TokenTree((1, 2, 0, 3, 0), (-1, -1, 0, 1, 3), {}, "given")
    p = [flat, sure, flat, flat, sure, flat]
    accepted = typical.VERIFIER.accept(p, tree, Random())
    assert accepted.path == (1, 3, 4)  # 2, then 3, then 0: longer than 1, then 0
    two = TokenTree((1, 2), (-1, -1), {}, "given")
    assert typical.VERIFIER.accept([np.array([0.1, 0.3, 0.6]), sure, sure], two, Random()).path == (1,)  # the likelier


def test_options_by_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'epsilon'"):
        lookup("verifier", "typical").using(epsilonn=0.1)
    with pytest.raises(UnknownName, match="known: none"):
        lookup("verifier", "standard").using(epsilon=0.1)
    for name, option, value in (("typical", "epsilon", 1.5), ("biased", "epsilon", -0.1), ("reflective", "w", 2.0)):
        with pytest.raises(BadInput, match=option):
            lookup("verifier", name).using(**{option: value})
    assert not any(lookup("verifier", name).lossless for name in ("typical", "biased", "reflective"))
    assert lookup("verifier", "reflective").laws == 2 and lookup("verifier", "standard").laws == 1
