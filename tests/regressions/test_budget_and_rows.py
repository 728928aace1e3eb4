"""How a token budget was spent depended on how many rows a step had.

All branches of a search draw one token a step, unless the step's rows do not suffice; then the first ones drew,
step after step, and the budget ended the others before they had begun. What a search returns must not depend on how
busy the engine is: with a budget, its branches draw token by token together.
"""

from ramify.core.types import Budget
from ramify.core.wants import Finish
from ramify.engine.driver import run_alone
from tests.toys import grown, prompt, texts, toy


def test_narrow_steps_spend_it_alike() -> None:
    drawn = [
        texts(run_alone(toy(row_budget=rows), grown(prompt(1, 2, 1), 3, Finish()), budget=Budget(tokens=10)).result)
        for rows in (512, 2, 1)
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert [len(tokens) for tokens in drawn[0]] == [3, 3, 3]
