"""The selection rules, by cases."""

from collections.abc import Hashable

import pytest

from ramify.core.registry import lookup
from ramify.core.types import Ended
from tests.toys import prompt, toy

BRANCH = toy().open(prompt(1))


def ended(*pairs: tuple[float | None, Hashable]) -> list[Ended]:
    return [Ended(BRANCH, score, answer) for score, answer in pairs]


CASES: list[tuple[str, list[tuple[float | None, Hashable]], int]] = [
    ("best", [(1.0, "a"), (3.0, None), (2.0, "a")], 1),
    ("best", [(2.0, "a"), (2.0, "b")], 0),  # the earliest of equals
    ("best", [(None, "a"), (-9.0, "b")], 1),
    ("best", [(None, "a"), (None, "b")], 0),
    ("majority", [(9.0, "a"), (0.0, "b"), (1.0, "b")], 1),  # the first that says it, not the best
    ("majority", [(0.0, "a"), (0.0, "b")], 0),  # the answer that was seen first
    ("majority", [(0.0, "b"), (0.0, "a"), (0.0, "a"), (0.0, "b")], 0),
    ("majority", [(0.0, None), (0.0, None), (0.0, "a")], 2),  # no answer, no vote
    ("majority", [(0.0, None), (0.0, None)], 0),
    ("majority", [(0.0, 0), (0.0, 1), (0.0, 1)], 1),  # an answer may be falsy
    ("majority", [(0.0, ""), (0.0, ""), (0.0, 1)], 0),
    ("weighted-majority", [(5.0, "a"), (1.0, "b"), (1.0, "b")], 2 - 1),  # 0.99 against 0.73 + 0.73
    ("weighted-majority", [(5.0, "a"), (-4.0, "b"), (-4.0, "b")], 0),
    ("weighted-majority", [(0.0, "a"), (1.0, "b"), (2.0, "b")], 2),  # the best of the winning answer
    ("weighted-majority", [(0.0, "a"), (0.0, "b")], 0),
    ("weighted-majority", [(9.0, None), (0.0, "b")], 1),
    ("weighted-majority", [(1.0, None), (2.0, None)], 1),  # nobody has an answer: best
    ("weighted-majority", [(None, "a"), (None, "b")], 0),
    ("weighted-majority", [(None, "a"), (-3.0, "b")], 1),  # who has no score does not vote
    ("weighted-majority", [(1e308, "a"), (-1e308, "b"), (800.0, "b")], 0),  # a sigmoid that cannot overflow
    ("weighted-majority", [(-1e308, "a"), (-1e308, "b")], 0),
]


@pytest.mark.parametrize(("rule", "pairs", "want"), CASES)
def test_cases(rule: str, pairs: list[tuple[float | None, Hashable]], want: int) -> None:
    candidates = ended(*pairs)
    assert lookup("select", rule)(candidates) is candidates[want]
