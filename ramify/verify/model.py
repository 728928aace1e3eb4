"""Labs of a given model: its folder behind the engine, in each mode that its size allows."""

import random
from pathlib import Path

import torch

from ramify.model import checkpoint
from ramify.model.paged import Mode
from ramify.model.tokenizer import Tokenizer
from ramify.verify.lab import Lab, decoder_lab

LENGTHS = (4, 21, 50, 2)  # of the prompts: one page and several, whole and not


def model_labs(folder: str | Path, modes: tuple[Mode, ...] = ("fast", "exact"), *, page_size: int = 16) -> list[Lab]:
    """One lab a mode. Prompts are random tokens of the vocabulary, the same on every run.

    `fast` runs in the weights' own type on the CPU, `exact` and `reference` in float32.

    Raises:
        CheckpointError: the folder cannot be read.
    """
    folder = Path(folder)
    codec = Tokenizer.load(folder)
    return [_lab(folder, codec, mode, page_size) for mode in modes]


def _lab(folder: Path, codec: Tokenizer, mode: Mode, page_size: int) -> Lab:
    stored = str(checkpoint.read_json(folder / "config.json").get("torch_dtype", "float32"))
    dtype = torch.bfloat16 if mode == "fast" and stored == "bfloat16" and _large(folder) else torch.float32
    loaded = checkpoint.load(folder, dtype)
    dice, size = random.Random(0), loaded.decoder.config.vocab_size
    prompts = [[dice.randrange(size) for _ in range(length)] for length in LENGTHS]
    return decoder_lab(folder.name, loaded, codec, mode, prompts, page_size=page_size)


def _large(folder: Path) -> bool:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) > 100 * 2**20
