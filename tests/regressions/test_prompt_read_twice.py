"""A prompt was read several times: in chunks, or where two prompts begin alike.

Siblings wait while one of them reads their prompt. They were let go only at the exact length that they had in
common with the leader. If the leader stopped before it (the step's rows were used up, or another follower had less
in common), they stood at the beginning, the leader did not any more, and the next of them read everything again.
"""

import pytest

from ramify.core.ledger import Ledger
from tests.toys import prompt, toy

STEM = [1, 2, 1, 1, 2, 2, 1, 1, 2, 1, 2, 1, 1, 2, 2, 1, 1, 2]


@pytest.mark.parametrize("row_budget", [1, 3, 4, 7, 512])
def test_in_chunks(row_budget: int) -> None:
    engine, ledger = toy(row_budget=row_budget), Ledger()
    children = engine.fork(engine.open(prompt(*STEM[:9]), ledger), 3)
    engine.read(children)
    assert ledger.model("target").tokens == 9


@pytest.mark.parametrize("row_budget", [4, 20, 512])
def test_prompts_that_begin_alike(row_budget: int) -> None:
    engine, ledger = toy(num_pages=300, row_budget=row_budget), Ledger()
    roots = [engine.open(prompt(*STEM, *end), ledger) for end in ((1, 1, 1), (2, 1, 2))]
    children = [child for root in roots for child in engine.fork(root, 3)]
    engine.read(children)
    assert ledger.model("target").tokens == len(STEM) + 3 + 3


def test_in_chunks_behind_a_page_that_was_found() -> None:
    """The first page is in the prefix tree: siblings begin behind it, not at the beginning."""
    engine, ledger = toy(num_pages=300, row_budget=5), Ledger()
    engine.drop([engine.prefill(prompt(*STEM[:3]))])
    children = engine.fork(engine.open(prompt(*STEM), ledger), 4)
    engine.read(children)
    assert ledger.model("target").tokens == len(STEM) - 2
