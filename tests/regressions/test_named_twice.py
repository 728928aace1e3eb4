"""A branch named twice in one call drew two tokens from one row, or hung the engine.

`advance([b, b])` appended a token for each mention, both drawn from the law of the first position. `score([b, b])`
made the branch wait for itself: the second mention followed the first, which was the same branch, so that nobody
read.
"""

from tests.toys import JUDGE, prompt, toy


def test_once_is_enough() -> None:
    engine, alone = toy(), toy()
    branch, same = engine.prefill(prompt(1, 2, 1)), alone.prefill(prompt(1, 2, 1))
    engine.advance([branch, branch], 3)
    alone.advance([same], 3)
    assert branch.tokens == same.tokens
    assert engine.score([branch, branch], JUDGE) == alone.score([same], JUDGE) * 2
