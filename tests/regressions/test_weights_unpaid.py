"""Where the budget did not pay for the last scores, searches made a posterior of what they had instead.

Soft best-of-n gave every text the same weight and exp(-inf) as its evidence, particle filters weighted by the scores of
beginnings, and QAlign went on proposing texts that it could not compare, counting its last states once more each time.
A run that was cut short has no weights and no evidence.
"""

from typing import Any

import pytest

from ramify.core.types import Budget, Selection
from tests.search.runs import run, selection
from tests.toys import prompt

SOURCE = prompt(1, 2, max_tokens=6)


def cut_short(method: str, **options: Any) -> list[Selection]:
    """What it returns with each budget of reward tokens that is less than enough."""
    enough = run(method, source=SOURCE, budget=Budget(reward_tokens=1 << 20), **options).root.paid
    budgets = [Budget(reward_tokens=most) for most in range(1, enough)]
    return [selection(run(method, source=SOURCE, budget=budget, **options)) for budget in budgets]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("soft-best-of-n", {"n": 3}),
        ("particle-filter", {"n": 3, "granularity": "block", "block": 4, "ess_threshold": 0.0}),
    ],
)
def test_no_posterior(method: str, options: dict[str, Any]) -> None:
    cut = cut_short(method, **options)
    assert cut
    assert all(each.weights is None and each.log_evidence is None for each in cut)


def test_a_chain_ends_where_it_cannot_compare() -> None:
    cut = cut_short("qalign", steps=8, chains=2)
    assert cut
    assert all(len(each.rounds) < 8 and len(each.ended) <= 2 * (len(each.rounds) + 2) for each in cut)


def test_nor_where_texts_were_cut() -> None:
    found = selection(run("soft-best-of-n", source=SOURCE, n=3, budget=Budget(tokens=7)))
    assert found.weights is None
    assert found.log_evidence is None
