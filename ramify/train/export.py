"""Write a trained model as a Hugging Face folder, weights in bfloat16."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from ramify.model.checkpoint import ValueHead, save
from ramify.model.decoder import Decoder
from ramify.train.initial import copy_decoder
from ramify.train.shapes import MAX_POSITIONS
from ramify.train.vocabulary import BEGIN_ID, END_ID, save_tokenizer


def export(
    decoder: Decoder,
    config: dict[str, Any],
    tokenizer: Tokenizer,
    folder: Path,
    head: ValueHead | None = None,
) -> None:
    """config.json, generation_config.json, the tokenizer's two files and model.safetensors."""
    save(copy_decoder(decoder).to(torch.bfloat16), config, folder, head)
    save_tokenizer(tokenizer, folder, MAX_POSITIONS)
    generation = {
        "bos_token_id": BEGIN_ID,
        "eos_token_id": END_ID,
        "pad_token_id": END_ID,
        "do_sample": True,
        "temperature": 1.0,
        "max_new_tokens": 160,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
