"""Steering: rows are moved and keep their length, zero is nothing, no faster way goes around it, rows never couple."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ramify.core.errors import BadInput, CheckpointError, Incompatible
from ramify.core.types import WHOLE
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.runner import Chunk
from ramify.model import checkpoint
from ramify.model.paged import Mode
from ramify.model.rolling import can_roll
from ramify.model.steering import Addition, Steering, install
from tests.folders import WIDTH, write

MODES: tuple[Mode, ...] = ("reference", "exact", "fast")
DICE = torch.Generator().manual_seed(3)
VECTORS = {0: torch.randn(WIDTH, generator=DICE), 1: torch.randn(WIDTH, generator=DICE)}
TEXTS = [[5, 9, 30, 31, 7], [11, 12] * 20, [3], [8, 4, 2]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("steering"))


def runner(folder: Path, mode: Mode, steering: Steering | None, dtype: torch.dtype = torch.float32) -> DecoderRunner:
    loaded = checkpoint.load(folder, dtype)
    if steering is not None:
        install(steering, loaded.decoder, mode)
    return DecoderRunner(loaded, num_pages=64, page_size=4, mode=mode)


def read(run: DecoderRunner, texts: list[list[int]]) -> list[Tensor]:
    """Logits of every text's rows: prompts in one step, then a step of one row each, so that few rows are met, too."""
    tables = [list(range(16 * t, 16 * t + 16)) for t in range(len(texts))]
    first = run.logits(run.forward([Chunk(text, 0, table) for text, table in zip(texts, tables, strict=True)]))
    steps = [Chunk([6 + t], len(text), tables[t]) for t, text in enumerate(texts)]
    return [*first.split([len(text) for text in texts]), run.logits(run.forward(steps))]


@pytest.mark.parametrize("steering", [Steering({}), Steering(VECTORS, 0.0), Steering({0: torch.zeros(WIDTH)}, 2.0)])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_bit_identical(folder: Path, mode: Mode, steering: Steering) -> None:
    plain, steered = (read(runner(folder, mode, s), TEXTS) for s in (None, steering))
    assert all(torch.equal(a, b) for a, b in zip(plain, steered, strict=True))


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_modes_agree_and_few_rows_are_steered(folder: Path, mode: Mode, renormalise: bool) -> None:
    steering = Steering(VECTORS, 0.4, renormalise)
    plain, judge = (read(runner(folder, "reference", s), TEXTS) for s in (None, steering))
    found = read(runner(folder, mode, steering), TEXTS)
    for a, b, c in zip(found, judge, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
        assert (b - c).abs().max() > 0.1  # it does something, in every step


def test_a_steered_decoder_never_rolls(folder: Path) -> None:
    assert runner(folder, "fast", None).rolling is not None
    run = runner(folder, "fast", Steering(VECTORS))
    assert run.rolling is None and not can_roll(run.decoder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_keep_their_length_or_are_only_shifted(folder: Path, dtype: torch.dtype) -> None:
    decoder = checkpoint.load(folder, dtype).decoder
    h_RD = (torch.randn(7, WIDTH, generator=DICE) * torch.arange(7)[:, None]).to(dtype)  # one row is zero
    near = 1e-5 if dtype == torch.float32 else 2**-8
    kept_RD = Addition(Steering(VECTORS, 0.7), decoder, "fast")(1, h_RD)
    torch.testing.assert_close(kept_RD.float().norm(dim=-1), h_RD.float().norm(dim=-1), atol=1e-6, rtol=near)
    shifted_RD = Addition(Steering(VECTORS, 0.7, renormalise=False), decoder, "fast")(1, h_RD)
    torch.testing.assert_close(shifted_RD.float(), h_RD.float() + 0.7 * VECTORS[1], atol=1e-6, rtol=near)
    torch.testing.assert_close(  # the same direction
        torch.nn.functional.cosine_similarity(kept_RD.float(), shifted_RD.float())[1:], torch.ones(6), atol=near, rtol=0
    )
    assert torch.equal(Addition(Steering({0: VECTORS[0]}), decoder, "fast")(1, h_RD), h_RD)  # no vector, no change


@pytest.mark.parametrize("mode", MODES)
def test_rows_never_couple(folder: Path, mode: Mode) -> None:
    run = runner(folder, mode, Steering(VECTORS, 0.5))
    before, after = read(run, TEXTS), read(run, [TEXTS[0], TEXTS[1], [44], TEXTS[3]])
    assert not torch.equal(before[2], after[2])
    assert all(torch.equal(before[t], after[t]) for t in (0, 1, 3))
    assert torch.equal(before[4][[0, 1, 3]], after[4][[0, 1, 3]])


def test_exact_mode_does_not_see_neighbours(folder: Path) -> None:
    run = runner(folder, "exact", Steering(VECTORS, 0.5))
    together = read(run, TEXTS)
    for t, text in enumerate(TEXTS):
        assert torch.equal(read(run, [text])[0], together[t])
        one_by_one = [run.forward([Chunk([token], i, list(range(16)))], WHOLE) for i, token in enumerate(text)]
        assert torch.equal(run.logits(torch.cat(one_by_one)), together[t])


def test_opposite_strengths_undo_each_other_without_lengths(folder: Path) -> None:
    decoder = checkpoint.load(folder, torch.float32).decoder
    h_RD = torch.randn(3, WIDTH, generator=DICE)
    there, back = (Addition(Steering(VECTORS, s, renormalise=False), decoder, "reference") for s in (1.5, -1.5))
    torch.testing.assert_close(back(0, there(0, h_RD)), h_RD)


def test_a_file_keeps_all(tmp_path: Path) -> None:
    Steering(VECTORS, -0.3, renormalise=False).save(tmp_path / "v.safetensors")
    again = Steering.load(tmp_path / "v.safetensors")
    assert (again.strength, again.renormalise, again.width) == (-0.3, False, WIDTH)
    assert again.vectors.keys() == VECTORS.keys()
    assert all(torch.equal(again.vectors[layer], vector) for layer, vector in VECTORS.items())


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    with pytest.raises(CheckpointError, match="no such file"):
        Steering.load(path)
    Steering(VECTORS).save(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="truncated"):
        Steering.load(path)
    save_file({"layer.0": VECTORS[0]}, path)
    with pytest.raises(CheckpointError, match="names no 'ramify-steering'"):
        Steering.load(path)
    save_file({"head": VECTORS[0]}, path, {"format": "ramify-steering", "strength": "1.0", "renormalise": "True"})
    with pytest.raises(CheckpointError, match="damaged"):
        Steering.load(path)


def test_what_cannot_be_is_refused(folder: Path) -> None:
    for vectors in ({0: torch.ones(2, 3)}, {0: torch.ones(2), 1: torch.ones(3)}, {-1: torch.ones(2)}):
        with pytest.raises(BadInput, match="steer: "):
            Steering(vectors)
    with pytest.raises(BadInput, match="layer 0: finite"):
        Steering({0: torch.tensor([1.0, float("nan")])})
    with pytest.raises(BadInput, match="steer_strength: nan"):
        Steering(VECTORS, float("nan"))
    decoder = checkpoint.load(folder, torch.float32).decoder
    with pytest.raises(Incompatible, match="steering of width 2 with a model of width 96"):
        install(Steering({0: torch.ones(2)}), decoder, "fast")
    with pytest.raises(Incompatible, match="steering of layer 2 with a model of 2 layers"):
        install(Steering({2: VECTORS[0]}, 0.0), decoder, "fast")
