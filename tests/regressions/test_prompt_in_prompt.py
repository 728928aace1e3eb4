"""A prompt that is the beginning of another, read in the same step, crashed the engine.

Branches about to read the same tokens let one of them read for all. The shorter prompt followed the longer one to
its very end and got the pages, but not the hidden row of its own last token: the leader had gone on and kept only
its own. A branch that holds all of its tokens and has no row to draw from was a state nobody expected (IndexError
in `shared_runs`).
"""

import pytest

from tests.toys import prompt, toy


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("length", [2, 4, 20])
def test_both_are_read(length: int, order: int) -> None:
    text = ([1, 2, 2, 1, 1] * 6)[: length + 3]
    engine, alone = toy(num_pages=200), toy(num_pages=200)
    prompts = [prompt(*text, seed=1), prompt(*text[:length], seed=2)][::order]
    together = [engine.open(p) for p in prompts]
    engine.advance(together, 4)
    for branch, p in zip(together, prompts, strict=True):
        same = alone.prefill(p)
        alone.advance([same], 4)
        assert branch.tokens == same.tokens
