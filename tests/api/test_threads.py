"""How many cores an engine computes on while somebody else answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

import ramify
from ramify.api import LM, compute_on, threads
from ramify.core.errors import BadInput
from ramify.engine.runner import Chunk


@pytest.fixture
def lm() -> Iterator[LM]:
    before = torch.get_num_threads()
    with ramify.load("builtin", kv_gib=0.02) as lm:
        yield lm
        lm.check()
        assert not lm.engine.branches
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("every", "one_less", "chosen"),
    [(0.005, 0.0065, 2), (0.005, 0.0095, 3), (0.05, 0.051, 3)],
    ids=["little is lost", "much is lost", "steps are long: not tried at length"],
)
def test_a_core_is_left_to_others_where_that_costs_little(
    every: float, one_less: float, chosen: int, lm: LM, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(3)
    monkeypatch.setattr(threads.ChunkSteps, "take", lambda self: every if torch.get_num_threads() == 3 else one_less)
    assert compute_on(lm) == chosen == torch.get_num_threads()


def test_steps_read_whole_chunks_beside_streams_and_leave_nothing(lm: LM) -> None:
    """Longer than a stream lasts, each step has as many rows."""
    runner, rows = lm.engine.target.runner, list[int]()
    forward = runner.forward

    def counted(chunks: Sequence[Chunk], *args: Any, **more: Any) -> Any:
        rows.append(sum(len(chunk.tokens) for chunk in chunks))
        return forward(chunks, *args, **more)

    runner.forward = counted  # type: ignore[method-assign]
    with threads.ChunkSteps(lm, 3) as steps:
        for _ in range(runner.max_positions):
            rows.clear()
            assert steps.take() > 0
            assert rows[-1] == lm.engine.row_budget // 4 + 3
        assert len(lm.engine.branches) == 4
    assert not lm.engine.branches
    assert compute_on(lm) in (torch.get_num_threads(), 1)


def test_a_number_that_is_given_is_taken(lm: LM) -> None:
    assert compute_on(lm, 1) == torch.get_num_threads() == 1
    with pytest.raises(BadInput, match="threads"):
        compute_on(lm, 0)
