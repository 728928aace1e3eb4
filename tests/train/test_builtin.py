"""The recipe from end to end, in miniature."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from ramify.model.checkpoint import load
from ramify.train.builtin import train_builtin
from ramify.train.report import MODELS, write_report
from ramify.train.samples import Drawn, draw_samples, read_samples
from ramify.train.shapes import TINY

FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}
TRAINING_STAGES = ("target", "draft", "samples", "study", "rewards")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "builtin"
    train_builtin(out, seed=3, scale=TINY, stages=TRAINING_STAGES)
    return out


def test_folders_are_complete(made: Path) -> None:
    for name in MODELS:
        assert {path.name for path in (made / name).iterdir()} == FILES
    kinds = {n: json.loads((made / n / "config.json").read_text())["architectures"][0] for n in MODELS}
    assert kinds == {
        "target": "LlamaForCausalLM",
        "draft": "LlamaForCausalLM",
        "orm": "LlamaForSequenceClassification",
        "prm": "LlamaForTokenClassification",
    }


def test_models_load(made: Path) -> None:
    for name in MODELS:
        checkpoint = load(made / name)
        assert (checkpoint.head is not None) == (name in ("orm", "prm"))
        assert all(bool(w.isfinite().all()) for w in checkpoint.decoder.parameters())


def test_same_seed_same_weights(made: Path, tmp_path: Path) -> None:
    train_builtin(tmp_path / "again", seed=3, scale=TINY, stages=TRAINING_STAGES)
    for name in MODELS:
        one, other = load(made / name), load(tmp_path / "again" / name)
        for a, b in zip(one.decoder.parameters(), other.decoder.parameters(), strict=True):
            assert torch.equal(a, b)


def test_finished_run_is_left_alone(made: Path) -> None:
    before = (made / "prm" / "model.safetensors").read_bytes()
    train_builtin(made, seed=3, scale=TINY, stages=TRAINING_STAGES)
    assert (made / "prm" / "model.safetensors").read_bytes() == before


def test_samples_continue_where_they_stopped(made: Path, tmp_path: Path) -> None:
    decoder = load(made / "target").decoder
    tokenizer = Tokenizer.from_file(str(made / "target" / "tokenizer.json"))
    drawn = Drawn(seed=1, problems=6, each=64)
    draw_samples(decoder, tokenizer, drawn, tmp_path / "whole.jsonl")
    whole = (tmp_path / "whole.jsonl").read_text()
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(whole.splitlines(keepends=True)[:4]) + '{"index": 4, "samp')
    draw_samples(decoder, tokenizer, drawn, cut)
    assert cut.read_text() == whole
    assert len(read_samples(tokenizer, drawn, cut)) == 384


def test_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'rewrads'"):
        train_builtin(tmp_path, scale=TINY, stages=("target", "rewrads"))


def test_report_needs_something_to_tell_apart(made: Path, tmp_path: Path) -> None:
    """Six steps teach nothing: every sample is wrong, and no AUC exists. The error says so."""
    with pytest.raises(ValueError, match="both labels"):
        write_report(made, tmp_path, seed=3, scale=TINY, num_problems=2, samples=2)
