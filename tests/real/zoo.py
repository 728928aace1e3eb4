"""Every architecture at reduced width, with random weights that `transformers` writes and judges.

    R rows, V vocabulary

Small sizes, full features: windows shorter than the texts, original contexts shorter than the texts, soft caps low
enough to bend, heads that are neither hidden/heads wide nor as many as the key-value heads. Norm weights and biases
are random too: at their usual ones and zeros a forgotten one would not show.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from ramify.model.attention import ReferenceCausal
from ramify.model.decoder import Decoder

logging.disable_progress_bar()
logging.set_verbosity_error()

TOLERANCE = 1e-4  # on fp32 logits whose spread is about 1
LENGTHS = (60, 1, 9, 33)  # of the texts; windows are 8, original contexts 32 and 64
SIZES = {
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
WIDE = {"head_dim": 24}  # not hidden / heads
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LONG = {
    "type": "longrope",
    "short_factor": [1.0, 1.1, 1.2, 1.4, 1.7, 2.0],
    "long_factor": [1.1, 1.5, 2.0, 3.0, 5.0, 8.0],
}
GEMMA2 = {
    "sliding_window": 8,
    "query_pre_attn_scalar": 20,
    "attn_logit_softcapping": 2.0,
    "final_logit_softcapping": 0.5,
    "tie_word_embeddings": True,
}

# name -> (model_type, what differs from SIZES)
ZOO: dict[str, tuple[str, dict[str, Any]]] = {
    "llama2": ("llama", {"num_key_value_heads": 4}),
    "llama3": ("llama", WIDE | {"rope_theta": 500000.0, "rope_scaling": LLAMA3, "tie_word_embeddings": True}),
    "llama-linear": ("llama", {"rope_scaling": {"type": "linear", "factor": 4.0}, "attention_bias": True}),
    "smollm2": ("llama", {"num_attention_heads": 3, "num_key_value_heads": 1, "hidden_size": 48, "mlp_bias": True}),
    "mistral": ("mistral", WIDE | {"sliding_window": 8}),
    "qwen2": ("qwen2", {"use_sliding_window": False, "sliding_window": 8, "tie_word_embeddings": True}),
    "qwen2.5": ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}),
    "qwen2-yarn": ("qwen2", {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}),
    "qwen3": ("qwen3", WIDE | {"rope_theta": 1000000.0, "tie_word_embeddings": True}),
    "gemma2": ("gemma2", WIDE | GEMMA2),
    "olmo2": ("olmo2", {"rope_theta": 500000.0}),
    "phi3": ("phi3", {"sliding_window": 8}),
    "phi3-longrope": (
        "phi3",
        {"rope_scaling": LONG, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 64},
    ),
    "mixtral": ("mixtral", WIDE | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8}),
}
NINE = ("llama3", "mistral", "qwen2.5", "qwen3", "gemma2", "olmo2", "phi3-longrope", "smollm2", "mixtral")


def build(model_type: str, options: dict[str, Any], folder: Path, **saving: Any) -> PreTrainedModel:
    """A random model of `transformers`, saved in `folder`; eager attention, fp32."""
    # a copy: transformers writes into the dictionaries it is given; fp32 whatever type the real weights have
    options = {key: value for key, value in deepcopy(options).items() if key not in ("torch_dtype", "dtype")}
    config = AutoConfig.for_model(model_type, **(SIZES | options))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        randomise(model)
    model.save_pretrained(folder, **saving)
    return model


@torch.no_grad()
def randomise(model: PreTrainedModel) -> None:
    """Weights large enough for peaked attention and logits far apart; no norm weight or bias left at its start."""
    # as the head too, large embeddings would predict the token that was just read
    tied, gemma = model.config.tie_word_embeddings, model.config.model_type == "gemma2"
    embedding = (0.05 if gemma else 0.15) if tied else 1.0
    for name, weight in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            weight += 0.3 * torch.randn_like(weight)
        else:
            weight.copy_(torch.randn_like(weight) * (embedding if "embed" in name else 1.3 * weight.shape[-1] ** -0.5))


def text(length: int, vocab_size: int = SIZES["vocab_size"], seed: int = 0) -> torch.Tensor:
    """Token ids [length], no special ones."""
    return torch.randint(3, vocab_size, (length,), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def judged(model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    """The logits that `transformers` gives one text, [length, V] fp32."""
    return model(tokens[None], use_cache=False).logits[0].float()


def texts_of(decoder: Decoder, lengths: tuple[int, ...] = LENGTHS) -> list[torch.Tensor]:
    """Texts of these lengths in the decoder's vocabulary."""
    return [text(length, decoder.config.vocab_size, seed=length) for length in lengths]


def ours(decoder: Decoder, texts: list[torch.Tensor]) -> torch.Tensor:
    """Our logits of all texts, packed in one ragged step, [R, V]."""
    tokens_R = torch.cat(texts)
    positions_R = torch.cat([torch.arange(len(tokens)) for tokens in texts])
    return decoder.logits(decoder(tokens_R, positions_R, ReferenceCausal(*map(len, texts))))


def assert_parity(decoder: Decoder, model: PreTrainedModel, lengths: tuple[int, ...] = LENGTHS) -> None:
    """Logits within the tolerance, text by text."""
    texts = texts_of(decoder, lengths)
    want_RV = torch.cat([judged(model, tokens) for tokens in texts])
    torch.testing.assert_close(ours(decoder, texts), want_RV, rtol=0, atol=TOLERANCE)
