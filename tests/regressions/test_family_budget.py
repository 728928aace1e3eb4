"""Searches inside a search drew beyond their budget of tokens.

Those hindmost in their own Advance drew one token each, affordable or not, while a sibling was further on in its own:
48 tokens were drawn where 33 were allowed. They keep step now, by one clock.
"""

import pytest

from ramify.core.types import Budget, Selection
from ramify.core.wants import Advance, Fork, Search, Together, Tokens
from ramify.engine.driver import run_alone
from tests.toys import chosen, prompt, toy


def inner(seed: int) -> Search[Selection]:
    live = yield Fork(prompt(1, 2, seed=seed, max_tokens=30), 1 + seed)
    for count in (2, 1, 5, 3 + seed):
        yield Advance(live, Tokens(count))
        live += yield Fork(live[0], 1)
    return chosen(live)


def family() -> Search[Selection]:
    found = yield Together([inner(seed) for seed in range(4)])
    return chosen([s.best.branch for s in found])


@pytest.mark.parametrize("tokens", range(1, 60, 7))
def test_no_token_beyond_the_budget(tokens: int) -> None:
    assert run_alone(toy(num_pages=400), family(), budget=Budget(tokens=tokens)).ledger.generated_tokens <= tokens
