"""A folder of ours as one GGUF file, for servers of other makers: the weights in full, the tokenizer as SentencePiece.

llama.cpp cannot be told how a byte-level tokenizer splits a text before it merges. But its SentencePiece merges what
scores best, and a score that falls with a merge's rank makes it the same: what our tokenizer never merges across is in
no token, so nothing is merged across it there either.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.torch import load_file

SPACE = "\u2581"  # SentencePiece's
NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(folder: Path, path: Path) -> None:
    """Llama architecture with tied embeddings, as the built-in models have."""
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("ramify")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    _add_tokenizer(writer, folder, config)
    for name, weight in load_file(folder / "model.safetensors").items():
        array = weight.float().numpy()
        if "q_proj" in name or "k_proj" in name:
            heads = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
            array = _interleaved(array, heads)
        writer.add_tensor(_named(name), np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _named(name: str) -> str:
    plain = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in plain:
        return plain[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def _interleaved(weight: Any, heads: int) -> Any:
    """Rows in the order of llama.cpp's rotary positions: halves of a head become pairs."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _add_tokenizer(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    described = json.loads((folder / "tokenizer.json").read_text())
    vocabulary, special = described["model"]["vocab"], {t["content"]: t["id"] for t in described["added_tokens"]}
    ranks = {a + b: rank for rank, (a, b) in enumerate(described["model"]["merges"])}
    bytes_of = {letter: byte for byte, letter in _byte_letters().items()}
    tokens, scores, types = list[bytes](), list[float](), list[int]()
    for text, _ in sorted((vocabulary | special).items(), key=lambda item: item[1]):
        raw = bytes(bytes_of[letter] for letter in text) if text not in special else b""
        if text in special:
            token, kind = text.encode(), gguf.TokenType.CONTROL
        elif raw.isascii():
            token, kind = raw.replace(b" ", SPACE.encode()), gguf.TokenType.NORMAL
        elif len(raw) == 1:
            token, kind = f"<0x{raw[0]:02X}>".encode(), gguf.TokenType.BYTE
        else:
            raise ValueError(f"a token of several bytes beyond ASCII: {text!r}")
        tokens.append(token)
        scores.append(-1e6 if text in special else -float(ranks.get(text, -1) + 1))
        types.append(kind)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)


def _byte_letters() -> dict[int, str]:
    """How byte-level tokenizers write bytes as letters: those that print are themselves."""
    printing = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {byte: chr(byte) for byte in printing} | {byte: chr(256 + i) for i, byte in enumerate(others)}
