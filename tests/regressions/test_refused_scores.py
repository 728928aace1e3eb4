"""A search that could not pay for a score got the next one for nothing.

Refused once, it wanted another score in the same breath, which was read without asking the budget: 9 reward tokens were
allowed and every branch was scored. Who is refused waits for the next round now, like everybody.
"""

from ramify.core.types import Budget, Selection
from ramify.core.wants import Advance, Fork, Score, Search, Tokens
from ramify.engine.driver import run_alone
from tests.toys import JUDGE, chosen, prompt, toy


def test_refused_is_refused() -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, 1, max_tokens=9), 4)
        yield Advance(live, Tokens(4))
        scores = []
        for branch in live * 2:
            scores.append((yield Score([branch]))[branch])
        return chosen(live, [{"refused": scores.count(float("-inf"))}])

    session = run_alone(toy(), search(), reward=JUDGE, budget=Budget(reward_tokens=9))
    assert session.ledger.reward_tokens <= 9
    assert session.result is not None
    assert session.result.rounds[0]["refused"] == 6
