"""Cached sampling says what the whole forward pass says."""

import pytest
import torch

from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.train.initial import new_decoder
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.sample import Sampling, complete
from ramify.train.shapes import TINY, llama_config
from ramify.train.vocabulary import END_ID

VOCABULARY = 40


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """Random weights in every matrix, so that attention matters."""
    decoder = new_decoder(DecoderConfig.from_hf(llama_config(TINY.target, VOCABULARY)), 0)
    generator = torch.Generator().manual_seed(1)
    for name, weight in decoder.named_parameters():
        if name.endswith(("out.weight", "down.weight", "embedding")):
            torch.nn.init.normal_(weight, 0.0, 0.3, generator=generator)
    return decoder


def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(2)
    lengths = (3, 17, 1, 8, 30, 5)
    return [torch.randint(2, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


@torch.no_grad()
def greedy_without_cache(decoder: Decoder, prompt: list[int], limit: int) -> list[int]:
    ids = list(prompt)
    while len(ids) < len(prompt) + limit and (len(ids) == len(prompt) or ids[-1] != END_ID):
        rows = Rows.of([ids])
        hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
        ids.append(int(decoder.logits(hidden_RD[-1:]).argmax()))
    return ids[len(prompt) :]


def test_greedy_equals_no_cache(decoder: Decoder) -> None:
    got = complete(decoder, prompts(), Sampling(temperature=0.0, limit=24))
    assert got == [greedy_without_cache(decoder, prompt, 24) for prompt in prompts()]


def test_samples_stop_at_the_end_token_and_repeat(decoder: Decoder) -> None:
    how = Sampling(temperature=1.5, limit=60, seed=3)
    many = prompts() * 20
    got = complete(decoder, many, how)
    assert got == complete(decoder, many, how)
    assert any(ids[-1] == END_ID for ids in got)
    for ids in got:
        assert 1 <= len(ids) <= 60
        assert END_ID not in ids[:-1]
        assert ids[-1] == END_ID or len(ids) == 60


def test_first_token_has_the_models_law(decoder: Decoder) -> None:
    """Chi-square over 4000 draws; a right sampler fails one seed in a million."""
    draws = 4000
    prompt = prompts()[1]
    ids = complete(decoder, [prompt] * draws, Sampling(temperature=1.0, limit=1, seed=5))
    rows = Rows.of([prompt])
    with torch.no_grad():
        hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
        mass_V = decoder.logits(hidden_RD[-1:])[0].softmax(-1)
    count_V = torch.bincount(torch.tensor([i[0] for i in ids]), minlength=VOCABULARY)
    often_V = mass_V * draws >= 5
    expected, seen = mass_V[often_V] * draws, count_V[often_V]
    expected = torch.cat([expected, draws - expected.sum(0, keepdim=True)]).clamp(min=1e-9)
    seen = torch.cat([seen, draws - seen.sum(0, keepdim=True)])
    statistic = float(((seen - expected) ** 2 / expected.clamp(min=1.0)).sum())
    degrees = len(seen) - 1
    assert statistic < degrees + 5 * (2 * degrees) ** 0.5 + 12  # above the 1e-6 quantile
