"""Stochastic beams: the shape that is used has the law of the one that is enumerated."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats

from ramify.core.errors import BadInput
from ramify.speculate import beams
from ramify.speculate.beams import StochasticBeams
from ramify.speculate.shapes import Independent, Shape, grow
from ramify.speculate.tree import TokenTree, Weights, audited
from ramify.verify.beams import EnumerableBeams
from ramify.verify.enumeration import grown
from tests.speculate.enumerated import SIZE, after

DRAWN, ALARM, MISS = 20_000, 1e-4, 1e-3
Outline = tuple[tuple[int, ...], ...]


@dataclass
class Random:
    """A generator as a rule's or a shape's chance; counts what it was asked for."""

    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))
    choices: int = 0
    uniforms: int = 0

    def choose(self, masses: Weights) -> int:
        self.choices += 1
        sums = np.cumsum(masses)
        return int(np.searchsorted(sums, self.generator.random() * sums[-1], side="right"))

    def uniform(self) -> float:
        self.uniforms += 1
        return float(self.generator.random())


def a_tree(shape: Shape, kind: str, chance: Random) -> TokenTree:
    draft = after(kind, "draft")
    return grow(shape, lambda paths: [draft(path) for path in paths], chance)


def outline(tree: TokenTree) -> Outline:
    """The tree up to the order of its nodes: paths, elder siblings first."""
    paths: list[tuple[int, ...]] = [()]
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*paths[1 + parent], token))
    return tuple(paths[1:])


def g_test(seen: Counter[Outline], law: dict[Outline, float]) -> float:
    """The p-value; rare outcomes are pooled until five are expected."""
    assert set(seen) <= set(law)
    expected, observed, rest = list[float](), list[int](), [0.0, 0]
    for found, mass in sorted(law.items(), key=lambda item: -item[1]):
        rest = [rest[0] + mass * DRAWN, rest[1] + seen[found]]
        if rest[0] >= 5.0:
            expected.append(rest[0])
            observed.append(int(rest[1]))
            rest = [0.0, 0]
    expected[-1] += rest[0]
    observed[-1] += int(rest[1])
    return float(stats.power_divergence(observed, expected, lambda_="log-likelihood").pvalue)


CASES = [(2, 2, "smooth"), (3, 2, "smooth"), (2, 2, "with zeros"), (2, 3, "with zeros")]
OFF = 0.06


@pytest.mark.parametrize(("width", "depth", "kind"), CASES)
def test_the_beams_have_the_law_that_is_enumerated(width: int, depth: int, kind: str) -> None:
    """A right law alarms once in 10,000 seeds; one that is off by 0.06 in total variation is missed once in 1,000.

    (Off on the outcomes that are not pooled: then the statistic's noncentrality is at least 4 N TV^2.)
    """
    law = {outline(tree): mass for tree, mass in grown(EnumerableBeams(width, depth), after(kind, "draft"))}
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-12)
    assert stats.ncx2.cdf(stats.chi2.isf(ALARM, len(law)), len(law), 4 * DRAWN * OFF**2) <= MISS
    chance = Random()
    seen = Counter(outline(a_tree(StochasticBeams(width, depth), kind, chance)) for _ in range(DRAWN))
    assert g_test(seen, law) > ALARM
    assert chance.choices <= DRAWN * depth * 2 * width


def test_values_that_forget_their_parent_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every node's race begun at 0: the law of beams whose perturbed values are not conditioned on their parent's."""
    right = beams._arrivals
    monkeypatch.setattr(beams, "_arrivals", lambda rank, time, *rest: right(rank, 0.0, *rest))
    law = {outline(tree): mass for tree, mass in grown(EnumerableBeams(2, 2), after("smooth", "draft"))}
    seen = Counter(
        outline(a_tree(StochasticBeams(2, 2), "smooth", chance)) for chance in [Random()] for _ in range(DRAWN)
    )
    assert g_test(seen, law) < ALARM


def test_one_beam_is_plain_sampling() -> None:
    """Not in law only: it asks for nothing but the same choices."""
    chains = grown(Independent((1, 1)), after("smooth", "draft"))
    for one in (StochasticBeams(1, 2), EnumerableBeams(1, 2)):
        trees = grown(one, after("smooth", "draft"))
        law = {tree.tokens: mass for tree, mass in trees}
        assert law == pytest.approx({tree.tokens: mass for tree, mass in chains}, abs=1e-12)
    chance = Random()
    a_tree(StochasticBeams(1, 3), "smooth", chance)
    assert (chance.choices, chance.uniforms) == (3, 0)


def test_a_law_that_runs_out() -> None:
    """Fewer paths than beams: all of them, each once."""
    tree = audited(a_tree(StochasticBeams(100, 2), "with zeros", Random()), SIZE)
    paths = outline(tree)
    assert len(set(paths)) == len(paths)
    whole = grown(EnumerableBeams(100, 1), after("with zeros", "draft"))[0][0]
    assert {path for path in paths if len(path) == 1} == {(token,) for token in whole.tokens}


def test_beams_and_levels_are_one_or_more() -> None:
    for width, depth in ((0, 1), (1, 0)):
        with pytest.raises(BadInput, match="width"):
            StochasticBeams(width, depth)
