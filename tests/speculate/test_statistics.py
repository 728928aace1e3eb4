"""Sampled with drafts on the built-in pair: the law, and the statistics that theory foretells. Seeds are fixed.

A G-test fails one right rule in a hundred; what it would find is stated, and a broken rule is found.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from math import sqrt

import numpy as np
import pytest

from ramify import LM
from ramify.core.ledger import Ledger
from ramify.core.sampling import Sampling
from ramify.core.types import Prompt
from ramify.speculate.speculation import Speculation
from ramify.speculate.tree import Accept, Accepted, TokenTree, token_by_token
from ramify.verify.acceptance import apart
from ramify.verify.drafting import drawn, exact_law, sampled_law, uncertain_place
from ramify.verify.statistics import g_test
from tests.speculate.pair import drafting, plain, prompts

RULES = (
    ("standard", "chain:3"),
    ("block", "chain:3"),
    ("recursive", "distinct:2,2"),
    ("k-sequential", "independent:2,1"),
)
SAMPLES, ALPHA = 640, 0.01


@cache
def place() -> list[int]:
    """One token before the target is least certain."""
    return uncertain_place(plain(), prompts(4))


@pytest.mark.parametrize("sampling", [{"temperature": 1.0}, {"temperature": 0.7, "top_p": 0.95}], ids=str)
@pytest.mark.parametrize(("verifier", "shape"), RULES)
def test_sampled_texts_have_the_law_of_plain_decoding(verifier, shape, sampling):
    test = sampled_law(drafting(verifier=verifier, shape=shape), place(), SAMPLES, **sampling)
    assert test.p > ALPHA
    assert test.finds(ALPHA) < 0.12
    assert test.cells > 3 and test.tested > 2 * SAMPLES


def _forked(lm: LM, wish: Sampling, seeds: range, ledger: Ledger) -> Iterator[list[int]]:
    """Each text is a child, forked one token before the uncertain one."""
    start = place()
    for first in range(0, len(seeds), 64):
        roots = [lm.engine.prefill(Prompt(tuple(start[:-2]), wish, seed=s), ledger) for s in seeds[first : first + 64]]
        for root in roots:
            lm.engine.advance([root], 2)
        same = [root for root in roots if root.tokens == start]  # what leads there is nearly certain
        children = [child for root in same for child in lm.engine.fork(root, 1)]
        lm.engine.drop([root for root in roots if root not in same])
        lm.engine.advance(children, 6)
        yield from [child.tokens[len(start) :] for child in children]
        lm.engine.drop([*same, *children])


@pytest.mark.parametrize(("verifier", "shape"), [RULES[0], RULES[2]])
def test_after_a_fork_texts_have_the_law_too(verifier, shape):
    lm, ledger = drafting(verifier=verifier, shape=shape), Ledger()
    wish = Sampling(max_tokens=8, ignore_eos=True)
    texts = list(_forked(lm, wish, range(SAMPLES), ledger))
    test = g_test(texts, exact_law(lm, place(), len(texts), temperature=1.0))
    assert test.p > ALPHA
    assert len(texts) > 0.8 * SAMPLES and test.finds(ALPHA) < 0.13
    assert sum(ledger.drafts.tried) > len(texts)


def test_candidates_of_best_of_n_have_the_law():
    """Candidates part at the first token, the uncertain one: those that agree are read as one, and drawn plainly."""
    lm, texts, tested, wish = drafting(verifier="standard", shape="chain:3"), [], 0, {"temperature": 1.5}
    start = lm.search([*place()], "greedy", max_tokens=1).best.token_ids
    for first in range(0, 160, 16):
        options = {"seed": 1000 + first, "max_tokens": 6, "ignore_eos": True} | wish
        for result in lm.search_many([[*place(), *start]] * 16, "best-of-n", n=4, reward="logprob", **options):
            texts += [candidate.token_ids for candidate in result.candidates]
            tested += sum(result.ledger.drafts.tried)
    test = g_test(texts, exact_law(lm, [*place(), *start], len(texts), **wish))
    assert test.p > ALPHA
    assert test.samples == 640 and test.finds(ALPHA) < 0.14 and tested > 150


@dataclass
class Witness:
    """A rule that is watched: what it was shown, what it did."""

    accept: Accept
    expected: list[float] = field(default_factory=list)  # total variation where a drafted token was tested
    rejected: list[bool] = field(default_factory=list)

    def __call__(self, p: list[np.ndarray], tree: TokenTree, chance: object) -> Accepted:
        """Of chains."""
        accepted = self.accept(p, tree, chance)  # type: ignore[arg-type]
        for node in range(min(len(accepted.path) + 1, len(tree.tokens))):
            self.expected.append(apart(p[node], tree.laws[node - 1]))
            self.rejected.append(node == len(accepted.path))
        return accepted

    def off(self) -> float:
        """Rejections beyond the sum of total variations, in standard errors (of the martingale)."""
        tv = np.array(self.expected)
        return float((np.sum(self.rejected) - tv.sum()) / sqrt((tv * (1 - tv)).sum()))


def watched(lm: LM, accept: Accept | None = None) -> Witness:
    speculation = lm.engine.speculator
    assert isinstance(speculation, Speculation)
    witness = Witness(accept or speculation.verifier.accept)
    speculation.verifier = replace(speculation.verifier, accept=witness)
    return witness


def test_rejections_are_the_sum_of_total_variations():
    """Yin et al., arXiv:2411.00841: each tested token is rejected with the total variation of the laws at its place."""
    lm = drafting(verifier="standard", shape="chain:5")
    witness = watched(lm)
    for first in range(0, 240, 60):  # so few that all their drafts fit into a step
        lm.search_many(prompts(240)[first : first + 60], "sample", n=1, seed=first, temperature=1.0, max_tokens=120)
    assert len(witness.expected) >= 10_000
    assert sum(witness.rejected) > 400
    assert abs(witness.off()) < 3.0


def test_acceptance_does_not_depend_on_the_window():
    """Of the first drafts behind the same texts, so that the windows choose no places: a_1 and a_2 agree."""
    rates = []
    for shape in ("chain:2", "chain:8"):
        lm, ledger = drafting(verifier="standard", shape=shape), Ledger()
        for prompt in prompts(12):
            wish = Sampling(temperature=1.3, max_tokens=10)
            start = tuple(lm.encode(prompt))
            for _ in drawn(lm.engine, start, wish, range(40), draft := Ledger()):
                pass
            ledger.drafts.add(draft.drafts)
        rates.append([(ledger.drafts.accepted_at[d], ledger.drafts.tried[d]) for d in (0, 1)])
    for (a, n), (b, m) in zip(*rates, strict=True):
        pooled = (a + b) / (n + m)
        assert abs(a / n - b / m) < 3.0 * sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))


def _too_kind(p, tree, chance):
    return token_by_token(p, tree, chance, excess=0.15)


def _never_corrects(p, tree, chance):
    """Draws what replaces a rejected token from the whole law instead of from the surplus."""
    accepted = token_by_token(p, tree, chance)
    return Accepted(accepted.path, chance.choose(p[len(accepted.path)]))


@pytest.mark.parametrize("broken", [_too_kind, _never_corrects])
def test_a_broken_rule_is_found(broken: Callable[..., Accepted]):
    lm = drafting(verifier="standard", shape="chain:3")
    watched(lm, broken)
    assert sampled_law(lm, place(), SAMPLES, temperature=1.0).p < ALPHA


def test_a_kind_rule_rejects_too_little():
    lm = drafting(verifier="standard", shape="chain:5")
    witness = watched(lm, _too_kind)
    lm.search_many(prompts(60), "sample", n=1, seed=0, temperature=1.0, max_tokens=120)
    assert witness.off() < -4.0


def test_cells_hold_all_mass():
    law = exact_law(plain(), place(), SAMPLES, temperature=1.0)
    assert sum(law.mass.values()) == pytest.approx(1.0, abs=1e-6)
    assert min(law.mass.values()) >= 5.0 / SAMPLES
    assert Counter(map(law.of, [(0, 0, 0), (1, 2, 3)])).total() == 2
