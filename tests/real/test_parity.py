"""Our decoder against `transformers`, architecture by architecture: logits within 1e-4 in fp32.

R rows, V vocabulary
"""

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from ramify.model import checkpoint
from ramify.model.attention import AttentionSpec
from ramify.model.rope import RotaryTable
from tests.real import zoo
from tests.real.zoo import TOLERANCE, assert_parity, ours, texts_of


@pytest.mark.parametrize("name", zoo.ZOO)
def test_logits(pairs, name):
    model, ckpt, _ = pairs(name)
    assert_parity(ckpt.decoder, model)


def test_longrope_past_the_original_context(pairs):
    model, _, folder = pairs("phi3-longrope")
    decoder = checkpoint.load(folder, context=65).decoder
    assert decoder.config.max_positions == 512
    assert_parity(decoder, model, lengths=(100, 65))


WITHOUT = {
    "window": ("mistral", lambda c: replace(c, attention=tuple(replace(a, window=None) for a in c.attention))),
    "layers that slide": ("qwen2.5", lambda c: replace(c, attention=c.attention[::-1])),
    "softcap": ("gemma2", lambda c: replace(c, attention=tuple(replace(a, softcap=None) for a in c.attention))),
    "scale": ("gemma2", lambda c: replace(c, attention=tuple(replace(a, scale=24**-0.5) for a in c.attention))),
    "final softcap": ("gemma2", lambda c: replace(c, logit_softcap=None)),
    "embedding scale": ("gemma2", lambda c: replace(c, embedding_scale=1.0)),
    "activation": ("gemma2", lambda c: replace(c, activation="silu")),
    "norm epsilon": ("olmo2", lambda c: replace(c, norm_eps=0.1)),
    "rope theta": ("qwen3", lambda c: replace(c, rope=replace(c.rope, theta=1e4))),
    "llama3 scaling": ("llama3", lambda c: replace(c, rope=replace(c.rope, kind="default"))),
    "linear scaling": ("llama-linear", lambda c: replace(c, rope=replace(c.rope, kind="default"))),
    "yarn scaling": ("qwen2-yarn", lambda c: replace(c, rope=replace(c.rope, kind="default"))),
    "longrope scaling": ("phi3-longrope", lambda c: replace(c, rope=replace(c.rope, kind="default"))),
    "partial rotation": ("phi3-longrope", lambda c: replace(c, rope=replace(c.rope, kind="default", fraction=1.0))),
    "experts": ("mixtral", lambda c: replace(c, experts_per_token=1)),
}


@pytest.mark.parametrize("feature", WITHOUT)
def test_the_zoo_would_notice_a_missing(feature, pairs):
    """A feature that no zoo model feels is a feature that the parity test does not test."""
    name, without = WITHOUT[feature]
    decoder = pairs(name)[1].decoder
    lesser = type(decoder)(without(decoder.config))
    lesser.load_state_dict(decoder.state_dict(), assign=True)
    texts = texts_of(decoder)
    assert (ours(decoder, texts) - ours(lesser, texts)).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("name", ["llama3", "gemma2", "mixtral"])
def test_bf16(pairs, name):
    """As close to `transformers` in bf16 as `transformers` in bf16 is to itself in fp32."""
    model, _, folder = pairs(name)
    decoder = checkpoint.load(folder, dtype=torch.bfloat16).decoder
    assert {weight.dtype for weight in decoder.parameters()} == {torch.bfloat16}
    rounded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").eval()
    texts = texts_of(decoder, (24,))
    exact_RV, theirs_RV = zoo.judged(model, texts[0]), zoo.judged(rounded, texts[0])
    got_RV = ours(decoder, texts)
    assert got_RV.dtype == torch.float32
    error, their_error = (got_RV - exact_RV).square().mean().sqrt(), (theirs_RV - exact_RV).square().mean().sqrt()
    assert error < 1.5 * their_error


@pytest.mark.parametrize("stored", ["sharded", "original names", "stacked experts"])
def test_layouts_on_disk(stored, tmp_path):
    name = "mixtral" if "sharded" not in stored else "mistral"
    saving = {"sharded": {"max_shard_size": "40KB"}, "stacked experts": {"save_original_format": False}}
    model = zoo.build(*zoo.ZOO[name], tmp_path, **saving.get(stored, {}))
    stacks = [key for key in model.state_dict() if "experts.gate_up_proj" in key]
    assert (tmp_path / "model.safetensors.index.json").exists() == (stored == "sharded")
    assert bool(stacks) == (name == "mixtral")
    assert_parity(checkpoint.load(tmp_path).decoder, model, lengths=(20,))


def test_saved_and_read_again(pairs, tmp_path):
    """What we write, `transformers` reads."""
    for name in zoo.NINE:
        model, ckpt, _ = pairs(name)
        checkpoint.save(ckpt.decoder, ckpt.config, tmp_path / name)
        again = AutoModelForCausalLM.from_pretrained(tmp_path / name, attn_implementation="eager").eval()
        for key, weight in model.state_dict().items():
            assert torch.equal(again.state_dict()[key], weight), (name, key)


@pytest.mark.parametrize("name", zoo.ZOO)
def test_rotary_tables_are_bit_identical(pairs, name):
    model, ckpt, _ = pairs(name)
    positions_R = torch.tensor([0, 1, 7, 100, 511])
    if name == "phi3-longrope":
        positions_R = positions_R[:3]
    config = ckpt.decoder.config
    cos_Rh, sin_Rh = RotaryTable(config.rope, config.head_dim)(positions_R)
    their_cos, their_sin = model.model.rotary_emb(torch.zeros(1), positions_R[None])
    assert torch.equal(torch.cat((cos_Rh, cos_Rh), -1), their_cos[0])
    assert torch.equal(torch.cat((sin_Rh, sin_Rh), -1), their_sin[0])


def test_an_attention_spec_is_read_for_every_layer(pairs):
    specs = pairs("gemma2")[1].decoder.config.attention
    assert specs == tuple(AttentionSpec(20**-0.5, 2.0, window) for window in (8, None, 8, None))
