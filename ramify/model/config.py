"""What a decoder is made of, read from a Hugging Face config.json.

One frozen description covers Llama 2/3.x, Mistral, Qwen2/2.5, Qwen3, Gemma 2, OLMo 2, Phi-3, SmolLM2
and Mixtral: an architecture is a point in this space, never a subclass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ramify.core.errors import BadInput, CheckpointError, UnknownArchitecture

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Rope:
    """Rotary embedding; parameters as Hugging Face names them."""

    theta: float = 10000.0
    kind: Literal["default", "linear", "llama3", "yarn", "longrope"] = "default"
    fraction: float = 1.0  # of head_dim that is rotated (partial_rotary_factor)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    long: bool = False  # longrope only: the factors for texts past the original context


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
    def from_hf(cls, config: Json, context: int | None = None) -> "DecoderConfig":
        """Read a config.json.

        Args:
            context: positions the caller will need. Only longrope (Phi-3) depends on it: a text longer than the
                original context is rotated by other factors from its first token on, so which of the two sets is
                used is settled here, once, and no text ever mixes them. Default: the set for the original context.

        Raises:
            UnknownArchitecture: no decoder covers its model_type.
            CheckpointError: a size is missing or impossible, or an option is not supported.
            BadInput: `context` is more than the checkpoint covers.
        """
        kind = str(config.get("model_type", ""))
        if kind not in ARCHITECTURES:
            raise UnknownArchitecture(
                f"config.json: model_type {kind!r} is not supported; supported: {', '.join(sorted(ARCHITECTURES))}"
            )
        options, silent = ARCHITECTURES[kind]
        config = {**silent, **config}
        _refuse(config)
        try:
            shape = cls(**_common(config, context) | options(config))
        except KeyError as missing:
            raise CheckpointError(f"config.json: {missing} is missing for model_type {kind!r}") from missing
        except BadInput:
            raise
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise CheckpointError(f"config.json: a value of the wrong type for model_type {kind!r}: {error}") from error
        _check(shape)
        return shape


REFUSED = {
    "quantization_config": "quantised weights are not read; take the bf16 or fp16 checkpoint",
    "use_bidirectional_attention": "only causal attention is supported",
    "rope_interleaved": "only the half-split rotary layout is supported",
}


def _refuse(config: Json) -> None:
    for name, reason in REFUSED.items():
        if config.get(name):
            raise CheckpointError(f"config.json: {name} is set; {reason}")


def _check(shape: DecoderConfig) -> None:
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads", "head_dim")
    for name in (*sizes, "max_positions"):
        if getattr(shape, name) < 1:
            raise CheckpointError(f"config.json: {name} is {getattr(shape, name)}, at least 1 is needed")
    if shape.num_heads % shape.num_kv_heads:
        raise CheckpointError(
            f"config.json: {shape.num_heads} heads do not share {shape.num_kv_heads} key-value heads evenly"
        )
    if len(shape.attention) != shape.num_layers:
        raise CheckpointError(f"config.json: layer_types names {len(shape.attention)} of {shape.num_layers} layers")
    if shape.experts_per_token > shape.num_experts:
        raise CheckpointError(f"config.json: {shape.experts_per_token} of {shape.num_experts} experts a token")


ROPE_NEEDS = {
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor",),
    "longrope": ("short_factor", "long_factor"),
}


def _check_rope(rope: Rope, width: int) -> None:
    if width % 2:
        raise CheckpointError(f"config.json: {width} features would be rotated, an even number is needed")
    for name in ROPE_NEEDS.get(rope.kind, ()):
        value = rope.parameters.get(name)
        if rope.kind != "longrope" and (not isinstance(value, int | float) or value <= 0):
            raise CheckpointError(f"config.json: rope type {rope.kind!r} needs a positive {name}, not {value!r}")
        if rope.kind == "longrope" and (not isinstance(value, list) or len(value) != width // 2):
            raise CheckpointError(f"config.json: rope type 'longrope' needs {width // 2} numbers in {name}")


def _common(config: Json, context: int | None) -> dict[str, Any]:
    heads, rope = int(config["num_attention_heads"]), _rope(config)
    _check_rope(rope, int(_head_dim(config) * rope.fraction))
    if rope.kind == "longrope" and context is not None and context > _positions(rope):
        rope = replace(rope, long=True)
    if context is not None and context > _positions(rope):
        raise BadInput("context", f"{context} positions asked, the checkpoint covers {_positions(rope)}")
    return {
        "vocab_size": int(config["vocab_size"]),
        "hidden_size": int(config["hidden_size"]),
        "intermediate_size": int(config["intermediate_size"]),
        "num_layers": int(config["num_hidden_layers"]),
        "num_heads": heads,
        "num_kv_heads": int(config.get("num_key_value_heads") or heads),
        "head_dim": _head_dim(config),
        "max_positions": _positions(rope),
        "attention": _layers(config),
        "rope": rope,
        "norm_eps": float(config.get("rms_norm_eps", 1e-6)),
        "activation": _activation(config),
        "tie_embeddings": bool(config.get("tie_word_embeddings", False)),
        "model_type": str(config["model_type"]),
    }


def _head_dim(config: Json) -> int:
    return int(config.get("head_dim") or int(config["hidden_size"]) // int(config["num_attention_heads"]))


def _activation(config: Json) -> str:
    name = str(config.get("hidden_activation") or config.get("hidden_act", "silu"))
    names = {"silu": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
    if name not in names:
        raise CheckpointError(f"config.json: hidden_act {name!r} is not supported ({', '.join(names)} are)")
    return names[name]


def _rope(config: Json) -> Rope:
    # transformers 5 writes `rope_parameters` (theta inside), earlier ones `rope_scaling` beside `rope_theta`
    scaling = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    if nested := [name for name, value in scaling.items() if isinstance(value, Mapping)]:
        raise CheckpointError(f"config.json: rope parameters by kind of layer ({', '.join(nested)}) are not supported")
    named = str(scaling.get("rope_type") or scaling.get("type") or "default")
    # dynamic changes every angle of a text that outgrows max_position_embeddings, and is the default up to there
    kind = {"su": "longrope", "dynamic": "default"}.get(named, named)
    if kind not in ("default", "linear", "llama3", "yarn", "longrope"):
        known = "default, linear, dynamic, llama3, yarn, longrope"
        raise CheckpointError(f"config.json: rope type {named!r} is not supported ({known} are)")
    longest = config.get("max_position_embeddings", 2048)
    original = config.get("original_max_position_embeddings") or scaling.get("original_max_position_embeddings")
    scaling |= {"max_position_embeddings": longest, "original_max_position_embeddings": original or longest}
    theta = scaling.get("rope_theta") or config.get("rope_theta") or 10000.0
    fraction = scaling.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1.0
    return Rope(float(theta), kind, float(fraction), scaling)  # type: ignore[arg-type]


def _positions(rope: Rope) -> int:
    """Positions the angles are meant for; linear and yarn state `max_position_embeddings` before scaling."""
    longest = int(rope.parameters["max_position_embeddings"])
    original = int(rope.parameters["original_max_position_embeddings"])
    match rope.kind:
        case "linear":
            return int(longest * rope.parameters["factor"])
        case "yarn":
            return max(longest, int(original * rope.parameters["factor"]))
        case "longrope" if not rope.long:
            return min(longest, original)
        case _:
            return longest


def _layers(
    config: Json, window: int | None = None, scale: float | None = None, softcap: float | None = None
) -> tuple[AttentionSpec, ...]:
    """One spec a layer; `layer_types` (transformers 4.50 and later) says which layers slide."""
    every = ["sliding_attention" if window else "full_attention"] * int(config["num_hidden_layers"])
    kinds = config.get("layer_types") or every
    if unknown := set(kinds) - {"sliding_attention", "full_attention"}:
        raise CheckpointError(f"config.json: layer type {min(unknown)!r} is not supported")
    full = AttentionSpec(scale or _head_dim(config) ** -0.5, softcap)
    slide = replace(full, window=int(window) if window else None)
    return tuple(slide if kind == "sliding_attention" else full for kind in kinds)


def _llama(config: Json) -> dict[str, Any]:
    bias = bool(config.get("attention_bias", False))
    return {"qkv_bias": bias, "out_bias": bias, "mlp_bias": bool(config.get("mlp_bias", False))}


def _sliding(config: Json) -> dict[str, Any]:
    return {"attention": _layers(config, config.get("sliding_window"))}


def _qwen(config: Json) -> dict[str, Any]:
    # max_window_layers: the layers from there on slide, and only if use_sliding_window says so
    if not config.get("use_sliding_window"):
        return {"attention": _layers({**config, "layer_types": None})}
    first, num_layers = int(config["max_window_layers"]), int(config["num_hidden_layers"])
    kinds = ["sliding_attention" if i >= first else "full_attention" for i in range(num_layers)]
    return {
        "attention": _layers({**config, "layer_types": config.get("layer_types") or kinds}, config["sliding_window"])
    }


def _qwen2(config: Json) -> dict[str, Any]:
    return _qwen(config) | {"qkv_bias": True}


def _qwen3(config: Json) -> dict[str, Any]:
    bias = bool(config.get("attention_bias", False))
    return _qwen(config) | {"qk_norm": "head", "qkv_bias": bias, "out_bias": bias}


def _gemma2(config: Json) -> dict[str, Any]:
    kinds = [("sliding_attention", "full_attention")[i % 2] for i in range(int(config["num_hidden_layers"]))]
    layers = {**config, "layer_types": config.get("layer_types") or kinds}
    scale, softcap = float(config["query_pre_attn_scalar"]) ** -0.5, config["attn_logit_softcapping"]
    bias = bool(config.get("attention_bias", False))
    return {
        "attention": _layers(layers, config["sliding_window"], scale, softcap),
        "norm_offset": 1.0,
        "norm_place": "sandwich",
        "embedding_scale": float(config["hidden_size"]) ** 0.5,
        "logit_softcap": config["final_logit_softcapping"],
        "qkv_bias": bias,
        "out_bias": bias,
    }


def _olmo2(config: Json) -> dict[str, Any]:
    bias = bool(config.get("attention_bias", False))
    return {"norm_place": "post", "qk_norm": "width", "qkv_bias": bias, "out_bias": bias}


def _mixtral(config: Json) -> dict[str, Any]:
    return _sliding(config) | {
        "num_experts": int(config["num_local_experts"]),
        "experts_per_token": int(config["num_experts_per_tok"]),
    }


QWEN = {"sliding_window": 4096, "max_window_layers": 28}
GEMMA2 = {
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "sliding_window": 4096,
    "query_pre_attn_scalar": 256,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
    "tie_word_embeddings": True,
}
MIXTRAL = {"rms_norm_eps": 1e-5, "rope_theta": 1e6, "num_local_experts": 8, "num_experts_per_tok": 2}

# model_type -> (what sets it apart, what transformers assumes where its config.json is silent)
ARCHITECTURES: dict[str, tuple[Callable[[Json], dict[str, Any]], Json]] = {
    "llama": (_llama, {}),  # Llama 2 and 3.x, SmolLM2, TinyLlama
    "mistral": (_sliding, {"sliding_window": 4096}),
    "qwen2": (_qwen2, QWEN),  # Qwen2.5 too
    "qwen3": (_qwen3, QWEN | {"head_dim": 128}),
    "gemma2": (_gemma2, GEMMA2),
    "olmo2": (_olmo2, {"rms_norm_eps": 1e-5}),
    "phi3": (_sliding, {"rms_norm_eps": 1e-5, "original_max_position_embeddings": 4096}),
    "mixtral": (_mixtral, MIXTRAL),
}
