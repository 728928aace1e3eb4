"""Medusa heads: what they compute, and their folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from ramify.core.errors import CheckpointError
from ramify.model.config import DecoderConfig
from ramify.model.medusa import WEIGHTS, MedusaHeads, load_heads, save_heads
from ramify.train.shapes import TINY, llama_config

WIDTH, VOCABULARY = TINY.target.width, 50
BASE = DecoderConfig.from_hf(llama_config(TINY.target, VOCABULARY))


def random_heads() -> MedusaHeads:
    torch.manual_seed(1)
    heads = MedusaHeads(3, WIDTH, VOCABULARY)
    for weight in heads.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.1)
    return heads.to(torch.bfloat16).float()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_heads(random_heads(), tmp_path, "builtin")
    return tmp_path


def test_fresh_heads_say_what_the_target_says() -> None:
    vocabulary_VD, hidden_RD = torch.randn(VOCABULARY, WIDTH), torch.randn(4, WIDTH)
    logits_HRV = MedusaHeads.start(2, vocabulary_VD)(hidden_RD)
    assert logits_HRV.shape == (2, 4, VOCABULARY)
    for logits_RV in logits_HRV:
        torch.testing.assert_close(logits_RV, hidden_RD @ vocabulary_VD.T)


def test_heads_compute_the_papers_formula(folder: Path) -> None:
    tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    assert sorted(tensors) == sorted(f"{k}.{part}" for k in range(3) for part in PARTS)
    hidden_RD = torch.randn(4, WIDTH)
    logits_HRV = load_heads(folder, BASE)(hidden_RD)
    for k, logits_RV in enumerate(logits_HRV):
        mixed_RD = hidden_RD @ tensors[f"{k}.0.linear.weight"].T + tensors[f"{k}.0.linear.bias"]
        wanted_RV = (hidden_RD + F.silu(mixed_RD)) @ tensors[f"{k}.1.weight"].T
        torch.testing.assert_close(logits_RV, wanted_RV)


PARTS = ("0.linear.weight", "0.linear.bias", "1.weight")


def test_heads_are_read_as_they_were_written(folder: Path) -> None:
    for one, other in zip(random_heads().parameters(), load_heads(folder, BASE).parameters(), strict=True):
        assert torch.equal(one, other)
    config = json.loads((folder / "config.json").read_text())
    assert config == {"medusa_num_heads": 3, "hidden_size": WIDTH, "vocab_size": VOCABULARY, "base": "builtin"}


Damage = Callable[[dict[str, torch.Tensor]], object]
DAMAGES: list[tuple[Damage, str]] = [
    (lambda t: t.pop("1.1.weight"), "'1.1.weight' is missing"),
    (lambda t: t.update({"0.1.weight": torch.zeros(9, WIDTH)}), r"0.1.weight has shape \(9, 32\), .* \(50, 32\)"),
    (lambda t: t.update({"2.0.linear.bias": torch.zeros(WIDTH, dtype=torch.int8)}), "quantised"),
    (lambda t: t.update({"3.1.weight": torch.zeros(1)}), "1 tensors would go unread, first '3.1.weight'"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_damaged_weights_are_refused(folder: Path, damage: Damage, said: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    damage(tensors)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=said):
        load_heads(folder, BASE)


def test_heads_of_another_target_are_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="vocab_size is 50, this one's is 60"):
        load_heads(folder, DecoderConfig.from_hf(llama_config(TINY.target, 60)))
    with pytest.raises(CheckpointError, match="hidden_size is 32, this one's is 16"):
        load_heads(folder, DecoderConfig.from_hf(llama_config(TINY.draft, VOCABULARY)))


def test_what_is_no_folder_of_heads_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_heads(folder, BASE)
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="never read"):
        load_heads(folder, BASE)
    (folder / "config.json").write_text('{"medusa_num_heads": 0}')
    with pytest.raises(CheckpointError, match="medusa_num_heads is 0"):
        load_heads(folder, BASE)
