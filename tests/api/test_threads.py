"""How many cores an engine computes on while somebody else answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

import ramify
from ramify.api import LM, compute_on, threads
from ramify.core.errors import BadInput
from ramify.engine import decoder_runner
from ramify.engine.runner import Chunk
from ramify.model.paged import Mode


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


@pytest.mark.parametrize("context", [200, 512])
def test_steps_read_whole_chunks_beside_streams_and_leave_nothing(
    context: int, lm: LM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a stream lasts, each step has as many rows."""
    runner, rows = lm.engine.target.runner, list[int]()
    monkeypatch.setattr(runner, "max_positions", context)
    forward = runner.forward

    def counted(chunks: Sequence[Chunk], *args: Any, **more: Any) -> Any:
        rows.append(sum(len(chunk.tokens) for chunk in chunks))
        return forward(chunks, *args, **more)

    runner.forward = counted  # type: ignore[method-assign]
    with threads.ChunkSteps(lm, 3) as steps:
        for _ in range(context):
            rows.clear()
            assert steps.take() > 0
            assert rows[-1] == lm.engine.row_budget // 4 + 3
        assert len(lm.engine.branches) == 4
    assert not lm.engine.branches
    assert compute_on(lm) in (torch.get_num_threads(), 1)


@pytest.mark.parametrize("mode", ["fast", "exact", "reference"])
def test_warming_up_compiles_what_a_mode_has_and_leaves_nothing(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    met = list[int]()
    monkeypatch.setattr(decoder_runner, "compile_products", lambda decoder, most, seconds: met.append(most))
    with ramify.load("builtin", kv_gib=0.02, mode=mode) as lm:
        lm.reward("builtin-prm")
        threads.warm_up(lm, 0.1)
        assert met == ([lm.engine.row_budget] * 2 if mode == "fast" else [])  # the target, the reward
        lm.check()
        assert not lm.engine.branches


@pytest.mark.parametrize("context", [4, 8, 16, 128])
def test_where_no_prompt_is_read_in_pieces_nothing_is_tried(
    context: int, lm: LM, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(2)
    monkeypatch.setattr(lm.engine.target.runner, "max_positions", context)
    assert compute_on(lm) == 2
    threads.warm_up(lm, 0.0)


def test_a_number_that_is_given_is_taken(lm: LM) -> None:
    assert compute_on(lm, 1) == torch.get_num_threads() == 1
    with pytest.raises(BadInput, match="threads"):
        compute_on(lm, 0)
