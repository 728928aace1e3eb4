"""Explore, then execute: plans, clusters, what it costs, and its simpler settings."""

from typing import Any

import pytest

from ramify.core.errors import BadInput, UnknownName
from tests.search.runs import LENGTH, best, drawn, run, selection
from tests.toys import prompt

NAME = "explore-execute"
SEEDS = range(8)
UNENDED = prompt(1, 2, 1, max_tokens=40)


@pytest.mark.parametrize("seed", SEEDS)
def test_plans_as_long_as_texts_are_best_of_n(seed: int) -> None:
    mine, plain = run(NAME, seed=seed, n=5), run("best-of-n", seed=seed, n=5)
    assert (drawn(mine), best(mine)) == (drawn(plain), best(plain))
    assert best(run(NAME, seed=seed, n=1)) == best(run("sample", seed=seed))


def test_a_cold_plan_is_greedy() -> None:
    cold = prompt(1, 2, 2, max_tokens=9, temperature=0.0)
    assert best(run(NAME, source=cold, n=3, plan_tokens=2)) == best(run("greedy", source=cold))


@pytest.mark.parametrize("execute", [1, 3])
def test_it_pays_for_plans_and_executions_where_a_vote_pays_for_texts(execute: int) -> None:
    session = run(NAME, source=UNENDED, n=12, execute=execute, plan_tokens=4, step="never")
    distinct = selection(session).rounds[0]["distinct"]
    assert distinct >= 3
    assert session.ledger.generated_tokens == 12 * 4 + execute * 36
    assert session.ledger.recomputed_tokens == 0
    vote = run("majority-vote", source=UNENDED, n=12)
    assert vote.ledger.generated_tokens == 12 * 40


def test_the_best_plan_is_executed() -> None:
    chosen = selection(run(NAME, source=UNENDED, reward=LENGTH, n=12, plan_tokens=4, step="never"))
    plans = [e.branch.generated[:4] for e in chosen.ended]
    assert chosen.best.branch.generated[:4].count(2) == max(plan.count(2) for plan in plans)
    assert [e.stopped_because for e in chosen.ended].count("rejected") == 11


def test_a_vote_executes_the_plan_drawn_most_often() -> None:
    chosen = selection(run(NAME, source=UNENDED, n=24, choose="vote", plan_tokens=2, step="never"))
    plans = [tuple(e.branch.generated[:2]) for e in chosen.ended]
    assert plans.count(tuple(chosen.best.branch.generated[:2])) == max(plans.count(plan) for plan in plans)
    assert chosen.rounds[0]["most_alike"] > 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n": 0}, BadInput),
        ({"n": 2, "execute": 3}, BadInput),
        ({"plan_tokens": 0}, BadInput),
        ({"choose": "lot"}, UnknownName),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(NAME, **options)
