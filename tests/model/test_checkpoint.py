"""Folders of weights: what is written is read back, and a broken folder is one clear error."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ramify.core.errors import CheckpointError
from ramify.model import checkpoint
from ramify.model.attention import ReferenceCausal
from ramify.model.checkpoint import ValueHead
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder

CONFIG = {
    "model_type": "llama",
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TOKENS_R = torch.tensor([3, 1, 4, 1, 5])


def random_decoder(config):
    decoder = Decoder(DecoderConfig.from_hf(config))
    generator = torch.Generator().manual_seed(0)
    for weight in decoder.parameters():
        weight.data.normal_(generator=generator)
    return decoder.requires_grad_(False)


def logits(decoder):
    return decoder.logits(decoder(TOKENS_R, torch.arange(5), ReferenceCausal(5)))


@pytest.fixture
def folder(tmp_path):
    checkpoint.save(random_decoder(CONFIG), CONFIG, tmp_path)
    return tmp_path


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("tied", [False, True])
def test_saved_and_read_again(tmp_path, tied):
    config = CONFIG | {"tie_word_embeddings": tied}
    decoder = random_decoder(config)
    checkpoint.save(decoder, config, tmp_path)
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) == (not tied)
    again = checkpoint.load(tmp_path)
    assert again.head is None
    assert again.config == config
    assert (again.decoder.head.weight is again.decoder.embedding) == tied
    assert torch.equal(logits(again.decoder), logits(decoder))


def test_tied_in_the_config_but_two_matrices_in_the_file(folder):
    (folder / "config.json").write_text(json.dumps(CONFIG | {"tie_word_embeddings": True}))
    loaded = checkpoint.load(folder).decoder
    assert torch.equal(logits(loaded), logits(random_decoder(CONFIG)))
    rewrite(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    assert checkpoint.load(folder).decoder.config.tie_embeddings


def test_bf16(folder):
    decoder = checkpoint.load(folder, dtype=torch.bfloat16).decoder
    assert {weight.dtype for weight in decoder.parameters()} == {torch.bfloat16}
    assert logits(decoder).dtype == torch.float32


def test_a_reward_model_brings_its_head(tmp_path):
    decoder, head = random_decoder(CONFIG), ValueHead(torch.randn(1, 16), torch.randn(1))
    checkpoint.save(decoder, CONFIG, tmp_path, head)
    rewrite(tmp_path, lambda t: t.pop("lm_head.weight"))  # nor do sequence classifiers carry one
    again = checkpoint.load(tmp_path)
    hidden_RD = torch.randn(3, 16)
    assert torch.equal(again.head(hidden_RD), head(hidden_RD))
    assert again.head(hidden_RD).dtype == torch.float32


def test_leftovers_of_old_checkpoints_are_passed_over(folder):
    rewrite(folder, lambda t: t.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)}))
    assert torch.equal(logits(checkpoint.load(folder).decoder), logits(random_decoder(CONFIG)))


def sharded(folder, weight_map=None):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    where = {name: file for file, part in shards.items() for name in part}
    index = {"weight_map": where if weight_map is None else weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards(folder):
    sharded(folder)
    assert torch.equal(logits(checkpoint.load(folder).decoder), logits(random_decoder(CONFIG)))
    (folder / "b.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"shard 'b.safetensors' is missing \(1 of 2\)"):
        checkpoint.load(folder)


@pytest.mark.parametrize("weight_map", [{"x": "../a.safetensors"}, {"x": 3}, ["a.safetensors"]])
def test_an_index_names_files_of_its_own_folder(folder, weight_map):
    sharded(folder, weight_map)
    with pytest.raises(CheckpointError, match="weight_map is expected to name a file of this folder"):
        checkpoint.load(folder)


def truncate(folder, length):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])


def pickled_only(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")


def classifier(folder):
    (folder / "config.json").write_text(json.dumps(CONFIG | {"architectures": ["LlamaForSequenceClassification"]}))


def borrowed(folder):
    """One row of q is k's: together they have the right shape."""

    def move(tensors):
        tensors[K] = torch.cat([tensors[Q][-1:], tensors[K]])
        tensors[Q] = tensors[Q][:-1].clone()

    rewrite(folder, move)


def tied_without_an_embedding(folder):
    (folder / "config.json").write_text(json.dumps(CONFIG | {"tie_word_embeddings": True}))
    rewrite(folder, lambda t: t.pop("model.embed_tokens.weight"))


NORM = "model.norm.weight"
Q, K = (f"model.layers.0.self_attn.{x}_proj.weight" for x in "qk")
BROKEN = {
    "config.json: no such file": lambda f: (f / "config.json").unlink(),
    "config.json: not valid JSON": lambda f: (f / "config.json").write_text("{"),
    "a JSON object is expected, not list": lambda f: (f / "config.json").write_text("[]"),
    "pickled weights .* are never read": pickled_only,
    "truncated or not safetensors .*too small": lambda f: truncate(f, 4),
    "truncated or not safetensors .*[Hh]eader": lambda f: truncate(f, 100),
    "truncated or not safetensors .*incomplete": lambda f: truncate(f, -8),
    f"tensor '{NORM}' is missing": lambda f: rewrite(f, lambda t: t.pop(NORM)),
    r"norm.weight has shape \(15,\), config.json asks for \(16,\)": lambda f: rewrite(
        f, lambda t: t.update({NORM: torch.ones(15)})
    ),
    r"q_proj.weight has shape \(16, 15\), config.json asks for \(16, 16\)": lambda f: rewrite(
        f, lambda t: t.update({Q: t[Q][:, :-1].clone()})
    ),
    r"q_proj.weight has shape \(16,\), config.json asks": lambda f: rewrite(
        f, lambda t: t.update({Q: t[Q][0].clone()})
    ),
    r"q_proj.weight has shape \(15, 16\), config.json asks": borrowed,
    r"norm.weight has shape \(\), config.json asks": lambda f: rewrite(
        f, lambda t: t.update({NORM: torch.tensor(1.0)})
    ),
    "tensor 'model.embed_tokens.weight' is missing": tied_without_an_embedding,
    r"score.bias has shape \(2,\)": lambda f: rewrite(
        f, lambda t: t.update({"score.weight": torch.ones(1, 16), "score.bias": torch.ones(2)})
    ),
    "1 tensors would go unread, first 'model.layers.0.mystery'": lambda f: rewrite(
        f, lambda t: t.update({"model.layers.0.mystery": torch.ones(1)})
    ),
    "is torch.int8; quantised": lambda f: rewrite(f, lambda t: t.update({NORM: torch.ones(16, dtype=torch.int8)})),
    r"score.weight has shape \(2, 16\)": lambda f: rewrite(f, lambda t: t.update({"score.weight": torch.ones(2, 16)})),
    "LlamaForSequenceClassification without its head": classifier,
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_folder_is_one_clear_error(folder, message):
    BROKEN[message](folder)
    with pytest.raises(CheckpointError, match=message) as raised:
        checkpoint.load(folder)
    assert folder.name in str(raised.value)
    assert len(str(raised.value)) < 400
