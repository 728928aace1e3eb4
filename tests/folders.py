"""Small models in Hugging Face layout, written where a test wants them: random weights, a real tokenizer."""

from pathlib import Path

import torch
from tokenizers import Tokenizer

from ramify.model.checkpoint import ValueHead, save
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from tests.model import vocabularies

WIDTH, CONTEXT = 96, 256


def write(
    folder: Path,
    *,
    tokenizer: Tokenizer | None = None,
    seed: int = 0,
    head: str | None = None,
    context: int = CONTEXT,
    begin: bool = True,
) -> Path:
    """A Llama of two layers. `head` makes it a reward model: "Sequence" (outcome) or "Token" (process)."""
    tokenizer = tokenizer or vocabularies.marked_spaces()
    kind = f"LlamaFor{head}Classification" if head else "LlamaForCausalLM"
    config = {
        "model_type": "llama",
        "architectures": [kind],
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": WIDTH,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "torch_dtype": "float32",
    }
    decoder, dice = Decoder(DecoderConfig.from_hf(config)), torch.Generator().manual_seed(seed)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.15, generator=dice)
    value = ValueHead(torch.randn(1, WIDTH, generator=dice)) if head else None
    save(decoder, config, folder, value)
    marks = {"bos_token": "<s>", "eos_token": "</s>"} if begin else {"eos_token": "</s>"}
    vocabularies.save(tokenizer, folder, tokenizer_config=marks)
    return folder
