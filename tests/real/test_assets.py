"""Models and tokenizers that other people made, against numbers that other people computed.

R rows, V vocabulary
"""

import json

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from ramify.model import checkpoint
from ramify.model.tokenizer import Tokenizer
from tests.real.zoo import ours

MODELS = ("stories260K", "babyllama_tok105", "babyllama_tok361")


@pytest.mark.parametrize("name", MODELS)
def test_logits(assets, name):
    golden = np.load(assets / "lm" / name / "golden.npz")
    decoder = checkpoint.load(assets / "lm" / name).decoder
    got_RV = ours(decoder, [torch.from_numpy(golden["ids"])])
    torch.testing.assert_close(got_RV, torch.from_numpy(golden["logits"]), rtol=0, atol=2e-4)


def test_gpt2_tokenizer(assets, tmp_path):
    """47 texts of llama.cpp's own test, with the ids it expects; one line of ids a text."""
    folder = assets / "tokenizers" / "gpt2"
    backend = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    backend["added_tokens"] = backend["added_tokens"][:1]  # the others are runs of spaces that GPT-2 does not have
    (tmp_path / "tokenizer.json").write_text(json.dumps(backend))
    tokenizer = Tokenizer.load(tmp_path)
    texts = (folder / "golden.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    lines = (folder / "golden.out").read_text().split("\n")
    pairs = list(zip(texts, lines, strict=False))[:47]
    assert len(pairs) == 47
    for text, line in pairs:
        ids = [int(token) for token in line.split()]
        assert tokenizer.encode(text) == ids, text
        assert tokenizer.decode(ids) == tokenizer.continuation([], ids) == text


@pytest.mark.parametrize("name", MODELS)
def test_tokenizers_agree_with_transformers(assets, name):
    folder = assets / "lm" / name
    ours, theirs = Tokenizer.load(folder), AutoTokenizer.from_pretrained(folder)
    assert (ours.begin_id, ours.end_ids) == (theirs.bos_token_id, {theirs.eos_token_id})
    for text in ("Once upon a time, there was", " two  spaces", "", "<s>marks</s>", "é 日本 😀"):
        ids = theirs(text)["input_ids"]
        assert ours.encode(text) == ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", MODELS)
def test_what_a_model_writes_streams_as_it_decodes(assets, name):
    tokenizer = Tokenizer.load(assets / "lm" / name)
    prompt, more = (tokenizer.encode(text, add_begin=False) for text in ("once upon a time", "there was a girl"))
    assert tokenizer.continuation(prompt, more) == " there was a girl"
    assert tokenizer.continuation([tokenizer.begin_id], more) == tokenizer.decode(more) == "there was a girl"
    assert b"".join(tokenizer.token_bytes(token) for token in more) == b" there was a girl"


def test_one_alphabet_two_tokenizers(assets):
    first, second = (Tokenizer.load(assets / "lm" / name) for name in MODELS[1:])
    assert first.fingerprint != second.fingerprint
    assert "tokens differ, first 3: " in first.disagreement(second)
    assert all(first.tokens[i] == second.tokens[i + 256] for i in range(3, 105))
