"""Speculative rejection with alpha = 0.7 rejected six of ten.

(1 - 0.7) * 10 is 3.0000000000000004, and its ceiling 4.
"""

from ramify.core.types import Budget
from tests.search.runs import run, selection
from tests.toys import prompt


def test_seven() -> None:
    source = prompt(1, 2, max_tokens=30)
    rounds = selection(run("speculative-rejection", source=source, n=10, alpha=0.7, budget=Budget(pages=30))).rounds
    assert [r["b"] for r in rounds][:2] == [10, 3]
