"""Adaptive consistency."""

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.core.types import Budget
from ramify.search.adaptive_vote import adaptive_vote
from tests.search.runs import best, drawn, run, selection
from tests.search.scripted import SOURCE, Script


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("batch", [1, 4, 40])
def test_never_unsure_is_majority_vote_with_fewer_draws(seed: int, batch: int) -> None:
    sure, vote = (
        run("adaptive-vote", seed=seed, n=15, confidence=1.0, batch=batch),
        run("majority-vote", seed=seed, n=15),
    )
    assert best(sure) == best(vote)
    assert drawn(sure) == drawn(vote)[: len(drawn(sure))]
    if batch == 40:
        assert drawn(sure) == drawn(vote)


@pytest.mark.parametrize("rule", ["beta", "dirichlet"])
def test_agreement_stops_early_and_dissent_does_not(rule: str) -> None:
    agreed = Script(texts=["a"] * 40).run(
        adaptive_vote(SOURCE, batch=1, rule=rule, confidence=0.9 if rule == "beta" else 0.5)
    )
    assert len(agreed.ended) == (3 if rule == "beta" else 1)  # P(Binomial(4, 1/2) <= 3) = 15/16
    split = Script(texts=["a", "b"] * 20).run(adaptive_vote(SOURCE, batch=1, rule=rule))
    assert len(split.ended) == (40 if rule == "beta" else len(split.ended))
    assert split.best is split.ended[0]  # the answer seen first


def test_rounds_say_how_the_votes_stood() -> None:
    found = Script(texts=["a", "b", "a", "a", "a", "a", "a", "a"]).run(
        adaptive_vote(SOURCE, n=8, batch=2, confidence=0.8)
    )
    assert found.rounds == ({"draws": 2, "first": 1, "second": 1}, {"draws": 4, "first": 3, "second": 1})


def test_nobody_answers() -> None:
    found = Script(texts=[""] * 6).run(adaptive_vote(SOURCE, n=6, batch=4))
    assert (found.best, len(found.ended)) == (found.ended[0], 6)


@pytest.mark.parametrize("tokens", [1, 9, 30])
def test_the_budget_ends_it(tokens: int) -> None:
    session = run("adaptive-vote", n=30, batch=2, confidence=1.0, budget=Budget(tokens=tokens))
    assert session.ledger.generated_tokens <= tokens
    assert len(selection(session).ended) <= tokens + 2


def test_bad_input() -> None:
    for wrong in ({"n": 0}, {"batch": 0}, {"confidence": 0.4}, {"confidence": 1.1}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            run("adaptive-vote", **wrong)
    with pytest.raises(UnknownName, match="did you mean 'beta'"):
        run("adaptive-vote", rule="bet")
