"""Where each of our weights comes from in a Hugging Face checkpoint.

Our decoder fuses q, k, v and gate, up; most checkpoints do not. `sources` lists, for one of our parameters, the
checkpoint's tensors whose concatenation along the outputs it is, with their sizes; loading concatenates, saving splits.
"""

import re
from typing import NamedTuple

from ramify.model.config import DecoderConfig

Sources = list[tuple[str, int]]  # (tensor name, rows of the first dimension)

NORMS = {
    "pre": {"attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"},
    "post": {"attention_post": "post_attention_layernorm", "mlp_post": "post_feedforward_layernorm"},
    "sandwich": {
        "attention_norm": "input_layernorm",
        "attention_post": "post_attention_layernorm",
        "mlp_norm": "pre_feedforward_layernorm",
        "mlp_post": "post_feedforward_layernorm",
    },
}
# tensors some checkpoints carry that hold nothing a decoder needs
IGNORABLE = re.compile(r"rotary_emb\.inv_freq$|self_attn\.(bias|masked_bias)$")

# transformers 5 can also store a Mixtral layer's experts in two tensors, [E, 2F, D] (gate rows, then up) and [E, D, F]
EXPERT = re.compile(r"(.*)\.block_sparse_moe\.(?:gate|experts\.(\d+)\.w([123]))\.weight$")


class Stacked(NamedTuple):
    """Where a tensor is in the stacked layout: of `tensor` that expert, of its rows that half (None: all)."""

    tensor: str
    expert: int | None = None
    half: int | None = None


def stacked(name: str) -> Stacked | None:
    """Where a Mixtral router or expert tensor would be in the stacked layout; None for every other tensor."""
    found = EXPERT.match(name)
    if found is None:
        return None
    prefix, expert, part = found.groups()
    if expert is None:
        return Stacked(f"{prefix}.mlp.gate.weight")
    if part == "2":
        return Stacked(f"{prefix}.mlp.experts.down_proj", int(expert))
    return Stacked(f"{prefix}.mlp.experts.gate_up_proj", int(expert), 0 if part == "1" else 1)


def sources(config: DecoderConfig, name: str) -> Sources:
    """The checkpoint tensors that make up our parameter `name`, in order."""
    if name == "embedding":
        return [("model.embed_tokens.weight", config.vocab_size)]
    if name == "norm.weight":
        return [("model.norm.weight", config.hidden_size)]
    if name == "head.weight":
        return [("lm_head.weight", config.vocab_size)]
    _, layer, block, *rest = name.split(".")
    prefix = f"model.layers.{layer}."
    if block == "attention":
        return _attention(config, prefix + "self_attn.", rest)
    if block == "mlp":
        return _mlp(config, prefix, rest)
    return [(f"{prefix}{NORMS[config.norm_place][block]}.weight", config.hidden_size)]


def _attention(config: DecoderConfig, prefix: str, rest: list[str]) -> Sources:
    part, kind = rest
    q_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    if part == "qkv" and config.model_type == "phi3":
        return [(f"{prefix}qkv_proj.{kind}", q_width + 2 * kv_width)]
    if part == "qkv":
        return [(f"{prefix}{p}_proj.{kind}", q_width if p == "q" else kv_width) for p in "qkv"]
    if part == "out":
        return [(f"{prefix}o_proj.{kind}", config.hidden_size)]
    width = {"q_norm": q_width, "k_norm": kv_width}[part] if config.qk_norm == "width" else config.head_dim
    return [(f"{prefix}{part}.{kind}", width)]


def _mlp(config: DecoderConfig, prefix: str, rest: list[str]) -> Sources:
    inner, kind = config.intermediate_size, rest[-1]
    if rest[0] == "router":
        return [(f"{prefix}block_sparse_moe.gate.{kind}", config.num_experts)]
    if rest[0] == "experts":
        expert = f"{prefix}block_sparse_moe.experts.{rest[1]}."
        if rest[2] == "gate_up":
            return [(f"{expert}w1.{kind}", inner), (f"{expert}w3.{kind}", inner)]
        return [(f"{expert}w2.{kind}", config.hidden_size)]
    if rest[0] == "down":
        return [(f"{prefix}mlp.down_proj.{kind}", config.hidden_size)]
    if config.model_type == "phi3":
        return [(f"{prefix}mlp.gate_up_proj.{kind}", 2 * inner)]
    return [(f"{prefix}mlp.gate_proj.{kind}", inner), (f"{prefix}mlp.up_proj.{kind}", inner)]
