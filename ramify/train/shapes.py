"""How large everything is: the models as Hugging Face configs, and the budget of each training."""

from dataclasses import dataclass
from typing import Any

from ramify.model.config import DecoderConfig
from ramify.train.vocabulary import BEGIN_ID, END_ID

MAX_POSITIONS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Llama of `layers` blocks; `heads` query heads share `kv_heads` keys and values."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    inner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One training: `steps` of `batch` sequences; the rate rises, stays, and falls to zero.

    rate      peak learning rate (of Muon; AdamW's is `ADAMW_SHARE` of it)
    warmup    steps of the rise
    decay     steps of the fall at the end
    """

    steps: int
    batch: int
    rate: float
    warmup: int
    decay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Everything that makes a run large or small.

    vocab_size         tokens of the tokenizer (at most)
    tokenizer_texts    problems that the tokenizer is learnt from
    softness           the target's logits are divided by it, so that its samples vary more
    reward_layers      blocks of the reward models on top of the target's
    reward_lane        features beside the stream that remember the token read
    reward_problems    training problems the target samples solutions of for the reward models
    reward_samples     solutions of each of them
    """

    vocab_size: int
    tokenizer_texts: int
    target: Shape
    draft: Shape
    target_budget: Budget
    draft_budget: Budget
    study_budget: Budget
    surprise_budget: Budget
    reward_budget: Budget
    softness: float
    reward_layers: int
    reward_lane: int
    reward_problems: int
    reward_samples: int


FULL = Scale(
    vocab_size=768,
    tokenizer_texts=20_000,
    target=Shape(width=256, layers=4, heads=4, kv_heads=2, inner=640),
    draft=Shape(width=96, layers=2, heads=2, kv_heads=1, inner=256),
    target_budget=Budget(steps=4400, batch=48, rate=6e-3, warmup=100, decay=2600),
    draft_budget=Budget(steps=1500, batch=48, rate=6e-3, warmup=100, decay=1100),
    study_budget=Budget(steps=3000, batch=48, rate=3e-3, warmup=50, decay=2900),
    surprise_budget=Budget(steps=320, batch=32, rate=6e-3, warmup=30, decay=110),
    reward_budget=Budget(steps=1000, batch=32, rate=4e-3, warmup=40, decay=900),
    softness=1.4,
    reward_layers=2,
    reward_lane=32,
    reward_problems=4_032,
    reward_samples=4,
)
TINY = Scale(
    vocab_size=300,
    tokenizer_texts=60,
    target=Shape(width=32, layers=2, heads=2, kv_heads=1, inner=64),
    draft=Shape(width=16, layers=1, heads=1, kv_heads=1, inner=32),
    target_budget=Budget(steps=6, batch=4, rate=6e-3, warmup=2, decay=2),
    draft_budget=Budget(steps=4, batch=4, rate=6e-3, warmup=2, decay=2),
    study_budget=Budget(steps=3, batch=4, rate=3e-3, warmup=2, decay=2),
    surprise_budget=Budget(steps=3, batch=4, rate=2e-3, warmup=2, decay=2),
    reward_budget=Budget(steps=4, batch=4, rate=2e-3, warmup=2, decay=2),
    softness=1.4,
    reward_layers=1,
    reward_lane=8,
    reward_problems=4,
    reward_samples=2,
)
SCALES = {"full": FULL, "tiny": TINY}


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftScale:
    """What makes the training of a draft large or small.

    shape       of a draft from scratch
    batch       texts of one step
    limit       tokens the target writes in answer to a prompt, at most
    held_out    prompts that block efficiency is measured on
    """

    shape: Shape
    batch: int
    limit: int
    held_out: int


DRAFT_SCALES = {
    "full": DraftScale(shape=FULL.draft, batch=48, limit=160, held_out=256),
    "tiny": DraftScale(shape=TINY.draft, batch=4, limit=12, held_out=8),
}


def llama_config(shape: Shape, vocab_size: int) -> dict[str, Any]:
    """The config.json of a causal Llama of this shape."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.width // shape.heads,
        "max_position_embeddings": MAX_POSITIONS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": BEGIN_ID,
        "eos_token_id": END_ID,
        "pad_token_id": END_ID,
        "torch_dtype": "bfloat16",
    }


def reward_config(target: dict[str, Any], trunk: DecoderConfig, architecture: str) -> dict[str, Any]:
    """The config.json of a reward model whose trunk grew from a target: one number a token."""
    return {
        **target,
        "architectures": [architecture],
        "hidden_size": trunk.hidden_size,
        "num_hidden_layers": trunk.num_layers,
        "rms_norm_eps": trunk.norm_eps,
        "num_labels": 1,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceScale:
    """What makes the training on preferences large or small.

    problems         training problems that the target samples solutions of; the first are those of the reward models
    each             solutions of each of them
    batch            pairs of one step
    slips            solutions with a slip, and
    compared         pairs side by side, that a step asks about beside its pairs
    held_out         held-out problems that everything is measured on
    held_out_each    solutions of each of them
    """

    problems: int
    each: int
    batch: int
    slips: int
    compared: int
    held_out: int
    held_out_each: int


PREFERENCE_SCALES = {
    "full": PreferenceScale(
        problems=2 * FULL.reward_problems,
        each=FULL.reward_samples,
        batch=12,
        slips=6,
        compared=8,
        held_out=256,
        held_out_each=8,
    ),
    "tiny": PreferenceScale(problems=6, each=4, batch=2, slips=2, compared=2, held_out=6, held_out_each=4),
}
