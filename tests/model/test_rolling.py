"""A decoder that rolls on by itself draws what its passes and laws would, one by one."""

import numpy as np
import pytest
import torch

from ramify.core.sampling import Rule
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.runner import Chunk
from ramify.maths.law import final_law
from ramify.model import checkpoint
from ramify.model.rolling import follows
from tests.real.zoo import ZOO, build

RULES = (
    Rule(temperature=0.0),
    Rule(),
    Rule(temperature=0.7, top_k=9),
    Rule(top_p=0.8),
    Rule(min_p=0.1, temperature=1.3),
)
PROMPTS = ([5, 9, 30, 31, 7], [11, 12] * 20, [3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["llama3", "gemma2", "olmo2", "qwen3", "qwen2.5", "mistral"])
def test_rolling_is_a_pass_and_a_draw_at_a_time(name, dtype, tmp_path):
    build(*ZOO[name], tmp_path)
    run = DecoderRunner(checkpoint.load(tmp_path, dtype), num_pages=64, page_size=4)
    assert run.rolling is not None
    near = 1e-4 if dtype == torch.float32 else 0.2  # in bf16 a pass rounds after every product
    uniform_BK = np.random.default_rng(1).random((3, 5))
    for rule in RULES if dtype == torch.float32 else RULES[1:2]:  # cuts fall elsewhere where logits are rounded
        tables = [list(range(16 * b, 16 * b + 16)) for b in range(3)]
        run.forward([Chunk(p[:-1], 0, pages) for p, pages in zip(PROMPTS, tables, strict=True) if p[:-1]])
        starts, reads, counts = [len(p) - 1 for p in PROMPTS], [p[-1:] for p in PROMPTS], [5, 2, 4]
        rolled = run.rolling(reads, starts, tables, counts, uniform_BK, rule, laws=True)
        for b, prompt in enumerate(PROMPTS):
            assert (rolled.tokens_BK[b, counts[b] :] == -1).all()
            text = list(prompt)
            for k in range(counts[b]):
                hidden_RD = run.forward([Chunk(text, 0, list(range(48, 64)))])
                mass_V = final_law(run.logits(hidden_RD[-1:]), rule, [prompt], [()]).dense(run.vocab_size)[0].double()
                assert np.abs(mass_V.numpy() - rolled.mass_BKV[b, k]).sum() / 2 <= near
                assert rolled.mass_BKV[b, k].sum() == pytest.approx(1.0)
                assert rolled.mass_BKV[b, k, rolled.tokens_BK[b, k]] > 0
                text.append(int(rolled.tokens_BK[b, k]))


def test_rules_that_look_at_the_text_are_not_followed():
    assert all(follows(rule) for rule in RULES)
    rules = (
        Rule(repetition_penalty=1.1),
        Rule(logit_bias=((1, 1.0),)),
        Rule(bad_runs=((1, 2),)),
        Rule(presence_penalty=1.0),
    )
    assert not any(follows(rule) for rule in rules)


def test_logits_that_are_no_numbers_are_told(tmp_path):
    build(*ZOO["llama3"], tmp_path)
    loaded = checkpoint.load(tmp_path, torch.float32)
    loaded.decoder.norm.weight.data.fill_(torch.nan)
    run = DecoderRunner(loaded, num_pages=4, page_size=4)
    assert run.rolling is not None
    rolled = run.rolling([[5]], [0], [[0, 1]], [3], np.zeros((1, 3)), Rule(), laws=False)
    assert rolled.tokens_BK.min() < 0
