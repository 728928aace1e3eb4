"""Reward models as `transformers` stores them: a classifier of one label over texts (outcome) or tokens (process)."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

from ramify.model import checkpoint
from ramify.model.attention import ReferenceCausal
from tests.real import zoo

KINDS = {"texts": AutoModelForSequenceClassification, "tokens": AutoModelForTokenClassification}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["llama3", "mistral", "qwen2.5", "gemma2"])
def test_values(tmp_path, name, kind):
    model_type, options = zoo.ZOO[name]
    config = AutoConfig.for_model(model_type, **(zoo.SIZES | options), num_labels=1, attn_implementation="eager")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = KINDS[kind].from_config(config).eval()
        zoo.randomise(model)
    model.save_pretrained(tmp_path)
    loaded = checkpoint.load(tmp_path)
    tokens_R = zoo.text(40)
    hidden_RD = loaded.decoder(tokens_R, torch.arange(40), ReferenceCausal(40))
    with torch.no_grad():
        want = model(tokens_R[None], use_cache=False).logits.flatten()
    got_R = loaded.head(hidden_RD)[-len(want) :]
    torch.testing.assert_close(got_R, want, rtol=0, atol=zoo.TOLERANCE)
