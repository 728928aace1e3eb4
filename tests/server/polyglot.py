"""A small model that writes many languages: a law of pairs of tokens, which its layers disturb by what came before.

Its tokens are bytes and a few merges, so characters of two, three and four bytes are made of as many tokens, and now
and then one is left unfinished. Folders as Hugging Face has them; `head` makes a reward model of the same vocabulary.
"""

from itertools import pairwise
from pathlib import Path

import torch

from ramify.model.checkpoint import ValueHead, save
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from tests.model import vocabularies

WIDTH, CONTEXT = 288, 256
TEXT = (
    "Grüße aus Köln, schön. El niño señala el pingüino. Привет, мир, как дела. 你好，世界。こんにちは、世界。"
    "안녕 세계. 😀🎉😀 naïve café. The thin hell of the other theory. γειά σου κόσμε. "
) * 2
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FLOOR, ENDS = -12.0, 0.01  # log-probability of pairs never seen; how often a text ends


def write(folder: Path, *, seed: int = 0, head: str | None = None, calm: float = 32.0) -> Path:
    """`head`: None for the writer, "Sequence" or "Token" for an outcome or process reward model."""
    tokenizer = vocabularies.byte_level()
    size = tokenizer.get_vocab_size()
    config = {
        "model_type": "llama",
        "architectures": [f"LlamaFor{head}Classification" if head else "LlamaForCausalLM"],
        "vocab_size": size,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }
    decoder, dice = Decoder(DecoderConfig.from_hf(config)), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=0.03, generator=dice)
            if name == "embedding":
                weight.copy_(calm * torch.eye(size, WIDTH))
            if name == "head.weight":
                weight.copy_(_pairs(tokenizer.encode(TEXT).ids, size, tokenizer.token_to_id("<|im_end|>")))
    value = ValueHead(torch.randn(1, WIDTH, generator=dice)) if head else None
    save(decoder, config, folder, value)
    settings = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    return vocabularies.save(tokenizer, folder, tokenizer_config=settings)


def _pairs(ids: list[int], size: int, end: int) -> torch.Tensor:
    """[V, D]: rows to add up to log p(next | token), as the normed embedding of a token is sqrt(D) in its place."""
    counts = torch.zeros(size, size)
    for token, after in pairwise(ids):
        counts[token, after] += 1.0
    law = counts / counts.sum(1, keepdim=True).clamp(min=1.0)
    law[:, end] += ENDS * (counts.sum(1) > 0)
    law[counts.sum(1) == 0] = counts.sum(0) / counts.sum()  # marks, and bytes of other texts: any token may follow
    logits = law.log().clamp(min=FLOOR) - FLOOR  # most are 0: what layers add there does not count
    return torch.nn.functional.pad(logits.T, (0, WIDTH - size)) / WIDTH**0.5
