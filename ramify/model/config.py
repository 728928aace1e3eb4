"""What a decoder is made of, read from a Hugging Face config.json.

One frozen description covers Llama 2/3.x, Mistral, Qwen2/2.5, Qwen3, Gemma 2, OLMo 2, Phi-3, SmolLM2
and Mixtral: an architecture is a point in this space, never a subclass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ramify.core.errors import CheckpointError, UnknownArchitecture

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Rope:
    """Rotary embedding. kind: default, linear, llama3 or longrope; parameters as Hugging Face names them."""

    theta: float = 10000.0
    kind: Literal["default", "linear", "llama3", "longrope"] = "default"
    fraction: float = 1.0  # of head_dim that is rotated (partial_rotary_factor)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AttentionSpec:
    """What one layer's attention does beyond a softmax of scaled products."""

    scale: float  # multiplies q.k
    softcap: float | None = None  # tanh cap on the scaled products (Gemma 2)
    window: int | None = None  # a query sees this many positions, itself included


@dataclass(frozen=True)
class DecoderConfig:
    """A decoder-only transformer; sizes are counts, `attention` has one entry a layer."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_positions: int
    attention: tuple[AttentionSpec, ...]
    rope: Rope = Rope()
    norm_eps: float = 1e-5
    norm_offset: float = 0.0  # Gemma multiplies by 1 + weight
    norm_place: Literal["pre", "post", "sandwich"] = "pre"
    qk_norm: Literal["none", "head", "width"] = "none"
    activation: Literal["silu", "gelu_tanh", "gelu"] = "silu"
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    embedding_scale: float = 1.0
    logit_softcap: float | None = None
    tie_embeddings: bool = False
    num_experts: int = 0
    experts_per_token: int = 0
    model_type: str = "llama"

    @classmethod
    def from_hf(cls, config: Json) -> "DecoderConfig":
        """Read a config.json.

        Raises:
            UnknownArchitecture: no decoder covers its model_type.
            CheckpointError: a size is missing, or an option is not supported.
        """
        kind = str(config.get("model_type", ""))
        if kind not in ARCHITECTURES:
            raise UnknownArchitecture(
                f"config.json: model_type {kind!r} is not supported; supported: {', '.join(sorted(ARCHITECTURES))}"
            )
        try:
            return cls(**_common(config) | ARCHITECTURES[kind](config))
        except KeyError as missing:
            raise CheckpointError(f"config.json: {missing} is missing for model_type {kind!r}") from missing


def _common(config: Json) -> dict[str, Any]:
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    head_dim = int(config.get("head_dim") or hidden // heads)
    return {
        "vocab_size": int(config["vocab_size"]),
        "hidden_size": hidden,
        "intermediate_size": int(config["intermediate_size"]),
        "num_layers": int(config["num_hidden_layers"]),
        "num_heads": heads,
        "num_kv_heads": int(config.get("num_key_value_heads") or heads),
        "head_dim": head_dim,
        "max_positions": int(config.get("max_position_embeddings", 2048)),
        "attention": _layers(config, AttentionSpec(head_dim**-0.5)),
        "rope": _rope(config),
        "norm_eps": float(config.get("rms_norm_eps", 1e-6)),
        "activation": _activation(config),
        "tie_embeddings": bool(config.get("tie_word_embeddings", False)),
        "model_type": str(config["model_type"]),
    }


def _activation(config: Json) -> str:
    name = str(config.get("hidden_activation") or config.get("hidden_act", "silu"))
    names = {"silu": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
    if name not in names:
        raise CheckpointError(f"config.json: hidden_act {name!r} is not supported ({', '.join(names)} are)")
    return names[name]


def _rope(config: Json) -> Rope:
    # transformers 5 writes `rope_parameters` (theta inside), earlier ones `rope_scaling` beside `rope_theta`
    scaling = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    kind = str(scaling.get("rope_type") or scaling.get("type") or "default")
    kind = {"su": "longrope"}.get(kind, kind)
    if kind not in ("default", "linear", "llama3", "longrope"):
        raise CheckpointError(f"config.json: rope type {kind!r} is not supported (default, linear, llama3, longrope are)")
    for name in ("original_max_position_embeddings", "max_position_embeddings"):
        if config.get(name) is not None:
            scaling.setdefault(name, config[name])
    theta = scaling.get("rope_theta", config.get("rope_theta", 10000.0))
    fraction = scaling.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))
    return Rope(float(theta), kind, float(fraction), scaling)  # type: ignore[arg-type]


def _layers(config: Json, spec: AttentionSpec, window: int | None = None) -> tuple[AttentionSpec, ...]:
    """One spec a layer; `layer_types` (transformers 4.50 and later) says which layers slide."""
    num_layers = int(config["num_hidden_layers"])
    kinds = config.get("layer_types") or ["sliding_attention" if window else "full_attention"] * num_layers
    slide = AttentionSpec(spec.scale, spec.softcap, window)
    full = AttentionSpec(spec.scale, spec.softcap)
    return tuple(slide if kind == "sliding_attention" and window else full for kind in kinds)


def _head_scale(config: Json) -> float:
    head_dim = config.get("head_dim") or int(config["hidden_size"]) // int(config["num_attention_heads"])
    return float(head_dim) ** -0.5


def _llama(config: Json) -> dict[str, Any]:
    bias = bool(config.get("attention_bias", False))
    return {"qkv_bias": bias, "out_bias": bias, "mlp_bias": bool(config.get("mlp_bias", False))}


def _sliding(config: Json) -> dict[str, Any]:
    return {"attention": _layers(config, AttentionSpec(_head_scale(config)), config.get("sliding_window"))}


def _qwen(config: Json) -> dict[str, Any]:
    # max_window_layers: the layers from there on slide, and only if use_sliding_window says so
    if not config.get("use_sliding_window"):
        return {"attention": _layers(dict(config) | {"layer_types": None}, AttentionSpec(_head_scale(config)))}
    first = int(config.get("max_window_layers", 0))
    kinds = ["full_attention" if i < first else "sliding_attention" for i in range(int(config["num_hidden_layers"]))]
    kinds = list(config.get("layer_types") or kinds)
    spec = AttentionSpec(_head_scale(config))
    return {"attention": _layers(dict(config) | {"layer_types": kinds}, spec, config.get("sliding_window"))}


def _qwen2(config: Json) -> dict[str, Any]:
    return _qwen(config) | {"qkv_bias": True}


def _qwen3(config: Json) -> dict[str, Any]:
    bias = bool(config.get("attention_bias", False))
    return _qwen(config) | {"qk_norm": "head", "qkv_bias": bias, "out_bias": bias}


def _gemma2(config: Json) -> dict[str, Any]:
    scale = float(config.get("query_pre_attn_scalar", 256)) ** -0.5
    spec = AttentionSpec(scale, config.get("attn_logit_softcapping", 50.0))
    num_layers = int(config["num_hidden_layers"])
    kinds = [("sliding_attention", "full_attention")[i % 2] for i in range(num_layers)]
    layers = dict(config) | {"layer_types": config.get("layer_types") or kinds}
    return {
        "attention": _layers(layers, spec, config.get("sliding_window", 4096)),
        "head_dim": int(config.get("head_dim", 256)),
        "norm_offset": 1.0,
        "norm_place": "sandwich",
        "activation": _activation({"hidden_act": "gelu_pytorch_tanh"} | dict(config)),
        "embedding_scale": float(config["hidden_size"]) ** 0.5,
        "logit_softcap": config.get("final_logit_softcapping", 30.0),
        "tie_embeddings": bool(config.get("tie_word_embeddings", True)),
    }


def _olmo2(config: Json) -> dict[str, Any]:
    bias = bool(config.get("attention_bias", False))
    return {"norm_place": "post", "qk_norm": "width", "qkv_bias": bias, "out_bias": bias}


def _mixtral(config: Json) -> dict[str, Any]:
    return _sliding(config) | {
        "num_experts": int(config.get("num_local_experts", 8)),
        "experts_per_token": int(config.get("num_experts_per_tok", 2)),
    }


ARCHITECTURES: dict[str, Callable[[Json], dict[str, Any]]] = {
    "llama": _llama,  # Llama 2 and 3.x, SmolLM2, TinyLlama
    "mistral": _sliding,
    "qwen2": _qwen2,  # Qwen2.5 too
    "qwen3": _qwen3,
    "gemma2": _gemma2,
    "olmo2": _olmo2,
    "phi3": _sliding,
    "mixtral": _mixtral,
}
