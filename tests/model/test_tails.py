"""A tree's rows get what the same text gets as a chain: bit for bit in exact mode, and in every mode nearly."""

import pytest
import torch

from ramify.api.sources import BUILTIN_MODELS
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.runner import Chunk
from ramify.model import checkpoint
from ramify.model.tails import depths

PARENTS = [-1, 0, 0, 1, 2, 2, 3, 4]  # 0 - (1 - 3 - 6 | 2 - (4 - 7 | 5))
TEXT, NODES = list(range(100, 145)), [7, 20, 30, 40, 50, 60, 70, 80]
LEAVES = {5: [0, 2, 5], 6: [0, 1, 3, 6], 7: [0, 2, 4, 7]}
FAR = {"exact": 0.0, "fast": 1e-4, "reference": 1e-4}


def runner(mode: str) -> DecoderRunner:
    loaded = checkpoint.load(BUILTIN_MODELS["draft"], torch.float32, "cpu")
    return DecoderRunner(loaded, num_pages=64, page_size=16, mode=mode)  # type: ignore[arg-type]


def test_depths() -> None:
    assert depths(PARENTS) == [0, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("stored", [1, 5, 29, 31, 32, 45])
@pytest.mark.parametrize("mode", FAR)
@pytest.mark.parametrize("cuts", [[8], [1, 2, 5], [4, 4]])
def test_a_path_of_a_tree_is_a_chain(mode: str, stored: int, cuts: list[int]) -> None:
    run, text = runner(mode), TEXT[:stored]
    pages = list(range(5))
    run.forward([Chunk(text, 0, pages)])
    hidden, done = list[torch.Tensor](), 0
    for count in cuts:  # a draft reads its tree level by level, a target all at once
        tree = Chunk(NODES[done : done + count], stored, pages, PARENTS[: done + count])
        beside = Chunk(TEXT[:9], 0, [50])
        hidden.append(run.forward([beside, tree])[9:] if done else run.forward([tree]))
        done += count
    hidden_ND = torch.cat(hidden)
    for leaf, path in LEAVES.items():
        other = list(range(20, 26))
        plain_RD = run.forward([Chunk([*text, *(NODES[i] for i in path)], 0, other)])[stored:]
        assert (plain_RD - hidden_ND[path]).abs().max() <= FAR[mode], (mode, leaf)


@pytest.mark.parametrize("mode", FAR)
def test_an_accepted_path_is_brought_into_line(mode: str) -> None:
    run, text, pages = runner(mode), TEXT[:29], list(range(5))
    run.forward([Chunk(text, 0, pages)])
    run.forward([Chunk(NODES, 29, pages, PARENTS)])
    run.move(pages, [29 + i for i in LEAVES[7]], range(29, 33))
    after_D = run.forward([Chunk([99], 33, pages)])[0]
    plain_D = run.forward([Chunk([*text, *(NODES[i] for i in LEAVES[7]), 99], 0, list(range(20, 26)))])[-1]
    assert (after_D - plain_D).abs().max() <= FAR[mode]
