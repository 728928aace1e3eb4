"""Configurations of popular models, as their makers wrote them before transformers 5 renamed half the keys."""

import json

import pytest

from ramify.core.errors import UnknownArchitecture
from ramify.model import checkpoint
from ramify.model.config import DecoderConfig
from tests.real import zoo

KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "olmo2", "phi3", "mixtral")


def presets(folder):
    return json.loads((folder / "configs" / "model_presets.json").read_text())


def reduced(preset):
    """A popular model's config.json, untouched but for its sizes."""
    small = {key: value for key, value in preset.items() if key not in ("auto_map", "_name_or_path")}
    grouped = preset.get("num_key_value_heads", 4) != preset["num_attention_heads"]
    small |= {
        "vocab_size": 96,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    for key, value in (("num_key_value_heads", 1 if grouped else 4), ("head_dim", 24), ("sliding_window", 8)):
        if preset.get(key) is not None:
            small[key] = value
    for key, value in (("original_max_position_embeddings", 16), ("max_window_layers", 1)):
        if key in preset:
            small[key] = value
    if preset.get("rope_scaling"):
        small["rope_scaling"] = dict(reduced_rope(preset))
    return small


def reduced_rope(preset):
    width = int(64 // 4 * preset.get("partial_rotary_factor", 1.0)) // 2
    for key, value in preset["rope_scaling"].items():
        if isinstance(value, list):
            yield key, value[:width]
        else:
            yield key, 16 if "original" in key else value


def test_popular_models_at_reduced_width(assets, tmp_path):
    """Real config.json files as their makers wrote them, before transformers 5 renamed half the keys."""
    covered = {name: preset for name, preset in presets(assets).items() if preset.get("model_type") in KINDS}
    assert len(covered) >= 35
    for name, preset in covered.items():
        config = reduced(preset)
        options = {key: value for key, value in config.items() if key != "model_type"}
        model = zoo.build(config["model_type"], options, tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        decoder = checkpoint.load(tmp_path / name, context=40).decoder
        zoo.assert_parity(decoder, model, lengths=(40,) if "phi" in name else (40, 3))


def test_every_preset_is_read_or_refused_by_name(assets):
    for preset in presets(assets).values():
        if preset.get("model_type") in KINDS:
            DecoderConfig.from_hf(preset)
        else:
            with pytest.raises(UnknownArchitecture, match=r"is not supported; supported: gemma2, llama"):
                DecoderConfig.from_hf(preset)
