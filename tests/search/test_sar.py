"""Shifting attention to relevance."""

import math

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.core.types import Budget
from ramify.maths.overlap import without_each
from ramify.maths.relevance import predictive_entropy
from ramify.reward.logprob import MeanLogprob
from tests.search.runs import STORY, best, drawn, run, selection
from tests.toys import prompt


@pytest.mark.parametrize("seed", range(6))
def test_ladder(seed: int) -> None:
    alone = run("sar", seed=seed, n=7, relevance="equal", t=1e300)
    source = prompt(*STORY, seed=seed, ignore_eos=False, max_tokens=12, logprobs=0)
    likeliest = run("best-of-n", source=source, n=7, reward=MeanLogprob())
    assert (drawn(alone), best(alone)) == (drawn(likeliest), best(likeliest))
    assert best(run("sar", seed=seed, n=1)) == best(run("sample", seed=seed))


def test_equal_relevance_without_lending_is_predictive_entropy() -> None:
    found = selection(run("sar", n=6, relevance="equal", t=1e300))
    means = [math.fsum(x.logprob for x in e.branch.logprobs) / len(e.branch.logprobs) for e in found.ended]
    assert [e.score for e in found.ended] == pytest.approx(means)
    assert found.rounds[0]["uncertainty"] == pytest.approx(predictive_entropy(means))


def test_answers_lend_to_one_another() -> None:
    """With a small t the candidates of the answer that carries most likelihood come first."""
    found = selection(run("sar", n=12, relevance="equal", similarity="answer", t=1e-6))
    weight: dict[object, float] = {}
    for e in found.ended:
        p = math.exp(math.fsum(x.logprob for x in e.branch.logprobs) / len(e.branch.logprobs))
        weight[e.answer] = weight.get(e.answer, 0.0) + p
    assert found.best.answer in sorted(weight, key=weight.__getitem__)[-2:]


def test_a_token_that_stands_elsewhere_too_can_be_missed() -> None:
    """Of 1 2 1 2 3 the 3 is relevant most; without n-grams of two, a repeated token not at all."""
    assert without_each([1, 2, 1, 2, 3], 1) == [1.0, 1.0, 1.0, 1.0, 0.8]
    gone = without_each([1, 2, 1, 2, 3], 2)
    assert min(gone) == gone[4]
    assert max(gone) == gone[0] == 1.0


def test_who_has_no_token_has_no_score() -> None:
    found = selection(run("sar", n=6, budget=Budget(tokens=3)))
    assert [e.score is None for e in found.ended] == [e.branch.num_generated == 0 for e in found.ended]
    assert found.best.branch.num_generated or not any(e.branch.num_generated for e in found.ended)


def test_bad_input() -> None:
    for field, wrong in {"n": 0, "order": 0, "t": 0.0}.items():
        with pytest.raises(BadInput, match=field):
            run("sar", **{field: wrong})
    for field in ("relevance", "similarity"):
        with pytest.raises(UnknownName, match="did you mean 'token'"):
            run("sar", **{field: "tokens"})
