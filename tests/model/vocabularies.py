"""Two small tokenizers of the two families of open models, saved as Hugging Face saves them."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
MARKS = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")


def byte_level() -> Tokenizer:
    """As GPT-2, Llama 3, Qwen: ids 0 to 255 are bytes, then merges, then marks; no begin token."""
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("h", "e"), ("l", "l"), ("he", "ll")]
    tokens = BYTES + ["".join(pair) for pair in merges]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS])
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    return tokenizer


def marked_spaces() -> Tokenizer:
    """As Llama 2: "▁" for spaces, bytes for other characters, a begin token before every text."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyz."]
    merges = [("▁", "t"), ("▁t", "h"), ("h", "e"), ("▁th", "e"), ("l", "l")]
    tokens += ["".join(pair) for pair in merges]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    begin = {"single": "<s> $A", "pair": "<s> $A <s> $B", "special_tokens": [("<s>", 1)]}
    tokenizer.post_processor = processors.TemplateProcessing(**begin)
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in ("<unk>", *MARKS[:2])])
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, **files: dict[str, Any]) -> Path:
    """tokenizer.json and the JSON files named, as `generation_config={"eos_token_id": 2}`."""
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder
