"""config.json: what is read, and that what cannot be read is refused by name."""

import pytest

from ramify.core.errors import BadInput, CheckpointError, UnknownArchitecture
from ramify.model.config import ARCHITECTURES, DecoderConfig

LLAMA = {
    "model_type": "llama",
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
LONG = {"type": "longrope", "short_factor": [1.0, 1.0], "long_factor": [2.0, 2.0]}
PHI = {**LLAMA, "model_type": "phi3", "original_max_position_embeddings": 32, "rope_scaling": LONG}


def read(*, context=None, **changes):
    return DecoderConfig.from_hf({**LLAMA, **changes}, context)


def windows(**changes):
    return [spec.window for spec in read(**changes).attention]


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_silence_means_what_transformers_assumes(model_type):
    silent = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    config = DecoderConfig.from_hf({**silent, "model_type": model_type})
    eps = {"olmo2": 1e-5, "phi3": 1e-5, "mixtral": 1e-5}.get(model_type, 1e-6)
    assert config.norm_eps == eps
    assert config.head_dim == {"qwen3": 128, "gemma2": 256}.get(model_type, 4)
    assert config.tie_embeddings == (model_type == "gemma2")
    assert config.rope.theta == {"mixtral": 1e6}.get(model_type, 1e4)


def test_old_and_new_ways_to_write_rope():
    old = read(rope_theta=5e5, rope_scaling={"type": "linear", "factor": 2.0})
    new = read(rope_parameters={"rope_theta": 5e5, "rope_type": "linear", "factor": 2.0})
    assert (old.rope.theta, old.rope.kind, old.max_positions) == (new.rope.theta, new.rope.kind, new.max_positions)
    assert (old.rope.theta, old.rope.kind, old.max_positions) == (5e5, "linear", 256)


def test_windows():
    assert windows(model_type="mistral", sliding_window=8) == [8, 8, 8]
    assert windows(model_type="mistral", sliding_window=None) == [None] * 3
    assert windows(model_type="gemma2", sliding_window=8) == [8, None, 8]
    assert windows(model_type="qwen2", sliding_window=8, max_window_layers=1) == [None] * 3
    assert windows(model_type="qwen2", sliding_window=8, max_window_layers=1, use_sliding_window=True) == [None, 8, 8]
    named = ["sliding_attention", "full_attention", "full_attention"]
    assert windows(model_type="qwen3", sliding_window=8, use_sliding_window=True, layer_types=named) == [8, None, None]


def test_positions_a_checkpoint_covers():
    assert read().max_positions == 128
    assert read(context=100).max_positions == 128
    assert read(rope_scaling={"type": "dynamic", "factor": 4.0}).max_positions == 128
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
    assert read(rope_scaling=yarn, context=512).max_positions == 512
    with pytest.raises(BadInput, match="context: 129 positions asked, the checkpoint covers 128"):
        read(context=129)


def test_longrope_is_settled_by_the_context_asked_for():
    short, long = DecoderConfig.from_hf(PHI), DecoderConfig.from_hf(PHI, context=33)
    assert (short.rope.long, short.max_positions) == (False, 32)
    assert (long.rope.long, long.max_positions) == (True, 128)
    with pytest.raises(BadInput, match="covers 128"):
        DecoderConfig.from_hf(PHI, context=129)


def test_unknown_architectures_are_named():
    with pytest.raises(UnknownArchitecture, match="model_type 'gpt2' is not supported; supported: gemma2, llama"):
        read(model_type="gpt2")
    with pytest.raises(UnknownArchitecture, match="model_type ''"):
        DecoderConfig.from_hf({})


REFUSED = {
    "'hidden_size' is missing": {key: value for key, value in LLAMA.items() if key != "hidden_size"},
    "wrong type": {**LLAMA, "vocab_size": "many"},
    "vocab_size is 0, at least 1": {**LLAMA, "vocab_size": 0},
    "4 heads do not share 3": {**LLAMA, "num_key_value_heads": 3},
    "layer_types names 1 of 3": {**LLAMA, "layer_types": ["full_attention"]},
    "layer type 'chunked_attention'": {**LLAMA, "layer_types": ["chunked_attention"] * 3},
    "hidden_act 'relu'": {**LLAMA, "hidden_act": "relu"},
    "rope type 'mrope'": {**LLAMA, "rope_scaling": {"type": "mrope"}},
    "by kind of layer": {**LLAMA, "rope_parameters": {"full_attention": {"rope_theta": 1e4}}},
    "'llama3' needs a positive low_freq_factor": {**LLAMA, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
    "'linear' needs a positive factor": {**LLAMA, "rope_scaling": {"type": "linear", "factor": 0}},
    "needs 2 numbers in short_factor": {**PHI, "rope_scaling": LONG | {"short_factor": [1.0]}},
    "3 features would be rotated": {**LLAMA, "partial_rotary_factor": 0.75},
    "quantised weights": {**LLAMA, "quantization_config": {"quant_method": "gptq"}},
    "only causal": {**LLAMA, "model_type": "gemma2", "use_bidirectional_attention": True},
    "9 of 8 experts": {**LLAMA, "model_type": "mixtral", "num_experts_per_tok": 9},
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    with pytest.raises(CheckpointError, match=message):
        DecoderConfig.from_hf(REFUSED[message])
