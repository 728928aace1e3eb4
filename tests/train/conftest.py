"""A tiny target whose laws vary from row to row, for the tests of what learns to draft for it."""

from pathlib import Path

import pytest
import torch

from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.tasks import generate
from ramify.train.export import export
from ramify.train.initial import new_decoder
from ramify.train.shapes import TINY, Shape, llama_config
from ramify.train.vocabulary import train_tokenizer

VOCABULARY = 270


def varied(decoder: Decoder, seed: int) -> Decoder:
    """Every matrix random, so that attention matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in decoder.named_parameters():
        if name.endswith(("out.weight", "down.weight", "embedding")):
            torch.nn.init.normal_(weight, 0.0, 0.4, generator=generator)
    return decoder


def make_model(folder: Path, shape: Shape, seed: int, vocab_size: int = VOCABULARY) -> Path:
    """A folder with an untrained model and a tokenizer of that size."""
    tokenizer = train_tokenizer((generate(0, i, "train").solution for i in range(20)), vocab_size)
    config = llama_config(shape, tokenizer.get_vocab_size())
    export(varied(new_decoder(DecoderConfig.from_hf(config), seed), seed), config, tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def small_target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A target of two blocks."""
    return make_model(tmp_path_factory.mktemp("drafting") / "target", TINY.target, 1)


@pytest.fixture(scope="session")
def small_draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A draft of one block that shares the target's tokenizer."""
    return make_model(tmp_path_factory.mktemp("drafting") / "draft", TINY.draft, 2)


@pytest.fixture(scope="session")
def foreign_draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A draft with another vocabulary."""
    return make_model(tmp_path_factory.mktemp("drafting") / "foreign", TINY.draft, 3, VOCABULARY + 2)
