"""A built-in family of tiny untrained models: everything the commands need, in seconds."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ramify.api import BUILTIN_MODELS
from ramify.model.checkpoint import ValueHead
from ramify.model.config import DecoderConfig
from ramify.tasks import TRAINING, generate
from ramify.train.export import export
from ramify.train.initial import new_decoder
from ramify.train.shapes import TINY, llama_config
from ramify.train.vocabulary import train_tokenizer


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with target, draft, orm and prm."""
    folder = tmp_path_factory.mktemp("family")
    problems = [generate(0, index, "train", TRAINING) for index in range(TINY.tokenizer_texts)]
    tokenizer = train_tokenizer((p.prompt + p.solution for p in problems), TINY.vocab_size)
    config = llama_config(TINY.target, tokenizer.get_vocab_size())
    decoder = new_decoder(DecoderConfig.from_hf(config), 0)
    for name in ("target", "draft"):
        export(decoder, config, tokenizer, folder / name)
    torch.manual_seed(0)
    for name, kind in (("orm", "LlamaForSequenceClassification"), ("prm", "LlamaForTokenClassification")):
        head = ValueHead(torch.randn(1, TINY.target.width))
        export(decoder, {**config, "architectures": [kind], "num_labels": 1}, tokenizer, folder / name, head)
    return folder


@pytest.fixture
def builtin(family: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The family in place of the built-in models."""
    for name in ("target", "draft", "orm", "prm"):
        monkeypatch.setitem(BUILTIN_MODELS, name, family / name)
    return family


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """Runs commands in an empty folder, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return CliRunner()
