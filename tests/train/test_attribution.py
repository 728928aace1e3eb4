"""Attribution adds up, steering vectors follow what is preferred, and a steered model does what its vectors say."""

import json
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from ramify.api import BUILTIN_MODELS
from ramify.core.errors import BadInput
from ramify.model.checkpoint import load
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.model.steering import Steering, install
from ramify.model.tokenizer import Tokenizer
from ramify.tasks import EVALUATION, TRAINING, generate
from ramify.train.attribution import Contrast, contrasts, embed, integrated_gradients
from ramify.train.contrasts import TextPair, read_pairs
from ramify.train.initial import new_decoder
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.shapes import TINY, llama_config
from ramify.train.steering import build_steering, train_steering
from tests.train.conftest import varied

LONG = Contrast([0, 9, 4, 30, 31, 7, 12], [8, 5, 40], [8, 6], begin=1)
SHORT = Contrast([9, 4, 30, 31], [8], [5])
PAIRS = [TextPair("Compute 3 + 4.\n", "3 + 4 = 7", "4"), TextPair("Tom has 12 apples.\n", "12", "#### 5")]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """Random everywhere."""
    config = DecoderConfig.from_hf(llama_config(TINY.target, 64))
    return varied(new_decoder(config, 1), 1).requires_grad_(False)


def log_chance(decoder: Decoder, prompt: list[int], answer: list[int]) -> float:
    """By the decoder itself, from token ids."""
    rows = Rows.of([prompt + answer[:-1]])
    hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
    logp_NV = decoder.logits(hidden_RD[len(prompt) - 1 :]).log_softmax(-1)
    return sum(float(logp_NV[i, token]) for i, token in enumerate(answer))


@pytest.mark.parametrize("of", [LONG, SHORT])
def test_the_contrast_is_the_models(decoder: Decoder, of: Contrast) -> None:
    direct = log_chance(decoder, of.prompt, of.preferred) - log_chance(decoder, of.prompt, of.dispreferred)
    twice = contrasts(decoder, [embed(decoder, of.prompt)] * 2, of).tolist()
    assert twice == pytest.approx([direct] * 2, abs=1e-4)


@pytest.mark.parametrize("of", [LONG, SHORT])
def test_attributions_add_up_to_the_difference(decoder: Decoder, of: Contrast) -> None:
    """Completeness, and an error that falls with the gradients taken: to a tenth and far below, then to rounding."""
    gaps = [abs(integrated_gradients(decoder, of, steps).gap) for steps in (2, 32, 512)]
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2]
    full = integrated_gradients(decoder, of, 512)
    assert gaps[2] < 2e-3 < abs(full.contrast - full.baseline)
    assert float(full.tokens_T[: of.begin].abs().sum()) == 0.0, "a begin token is not on the path"


def test_who_prefers_the_other_answer_attributes_the_opposite(decoder: Decoder) -> None:
    other = Contrast(LONG.prompt, LONG.dispreferred, LONG.preferred, LONG.begin)
    there, back = (integrated_gradients(decoder, of, 16) for of in (LONG, other))
    torch.testing.assert_close(there.tokens_T, -back.tokens_T, atol=1e-4, rtol=1e-4)
    assert there.most(2) == back.most(2)[::-1]
    positive, negative = there.most(100)
    assert sorted(positive + negative) == list(range(1, len(LONG.prompt))), (
        "each is on one side, the begin token on none"
    )


@pytest.mark.parametrize("average", ["pca", "mean"])
def test_vectors_turn_round_with_the_preference(small_target: Path, average: str, tmp_path: Path) -> None:
    loaded, tokenizer = load(small_target).decoder.float().requires_grad_(False), Tokenizer.load(small_target)
    turned = [TextPair(p.prompt, p.dispreferred, p.preferred) for p in PAIRS]
    options = {"steps": 8, "top_k": 2, "average": average}
    there, back = (build_steering(loaded, tokenizer, pairs, **options) for pairs in (PAIRS, turned))
    assert there.vectors.keys() == set(range(loaded.config.num_layers))
    for layer, vector in there.vectors.items():
        torch.testing.assert_close(vector, -back.vectors[layer], atol=1e-3, rtol=1e-3)
    (tmp_path / "pairs.jsonl").write_text("\n\n".join(json.dumps(vars_of(pair)) for pair in PAIRS))
    made = train_steering(tmp_path / "v.safetensors", small_target, tmp_path / "pairs.jsonl", layers=[1], **options)
    assert list(made.vectors) == [1] and torch.equal(made.vectors[1], there.vectors[1])
    assert torch.equal(Steering.load(tmp_path / "v.safetensors").vectors[1], made.vectors[1])


def vars_of(pair: TextPair) -> dict[str, str]:
    return {name: getattr(pair, name) for name in ("prompt", "preferred", "dispreferred")}


BAD_FILES = [
    ("", "there is no pair in it"),
    ("{", "line 1: not JSON"),
    ('\n{"prompt": "a", "preferred": "b"}', "line 2: .* is expected"),
    ('{"prompt": "a", "preferred": 1, "dispreferred": "b"}', "line 1: .* is expected"),
]


@pytest.mark.parametrize(("text", "match"), BAD_FILES)
def test_bad_files_are_refused_by_line(text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(text)
    with pytest.raises(BadInput, match=match):
        read_pairs(tmp_path / "pairs.jsonl")


BAD_WISHES = [
    ([TextPair("", "1", "2")], {}, "pair 1: a prompt and two different answers"),
    ([PAIRS[0], TextPair("1", "2", "2")], {}, "pair 2: a prompt and two different answers"),
    ([TextPair("1" * 2000, "1", "2")], {}, "the model reads"),
    (PAIRS, {"layers": [9]}, "layers: 9"),
    (PAIRS, {"top_k": 0}, "top_k: 0"),
    (PAIRS, {"steps": 0}, "steps: 0"),
]


@pytest.mark.parametrize(("pairs", "options", "match"), BAD_WISHES)
def test_bad_wishes(pairs: list[TextPair], options: dict[str, int], match: str, small_target: Path) -> None:
    loaded = load(small_target).decoder.requires_grad_(False)
    with pytest.raises(BadInput, match=match):
        build_steering(loaded, Tokenizer.load(small_target), pairs, **{"steps": 2, **options})


def sums(count: int, seed: int, split: str) -> list[TextPair]:
    """Solutions up to their first + or -: the built-in target nearly always knows which."""
    pairs, index = [], 0
    while len(pairs) < count:
        problem = generate(seed, index, split, TRAINING)
        if found := re.search(r"\d+(?= [+-] \d+ =)", problem.solution):
            pairs.append(TextPair(problem.prompt + problem.solution[: found.end()], " + ", " - "))
        index += 1
    return pairs


@torch.no_grad()
def share_and_loss(decoder: Decoder, tokenizer: Tokenizer) -> tuple[float, float]:
    """The chance of + where + or - follows, and nats a token of correct solutions, both on held-out problems."""
    prompts = [tokenizer.encode(pair.prompt) for pair in sums(24, 2025, "held_out")]
    problems = [generate(2025, i, "held_out", EVALUATION) for i in range(24)]
    texts = [(tokenizer.encode(p.prompt), tokenizer.encode_after(p.solution)) for p in problems]
    rows = Rows.of([*prompts, *(prompt + solution for prompt, solution in texts)])
    logp_RV = decoder.logits(decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))).log_softmax(-1)
    parts = torch.split(logp_RV, [*map(len, prompts), *(len(prompt + solution) for prompt, solution in texts)])
    signs = [tokenizer.encode_after(sign)[0] for sign in (" + ", " - ")]
    share = torch.stack([part[-1, signs].softmax(-1)[0] for part in parts[: len(prompts)]]).mean()
    told = [
        part[len(prompt) - 1 : -1].gather(1, torch.tensor(solution)[:, None])
        for part, (prompt, solution) in zip(parts[len(prompts) :], texts, strict=True)
    ]
    return float(share), -float(torch.cat(told).mean())


def test_a_sign_becomes_more_frequent_with_the_strength() -> None:
    """On the built-in target: more + the stronger it is steered to +, at a bounded price in perplexity.

    Shares are the model's chances on fixed texts, not counts of samples, so they have no sampling error; a step of
    0.005 is far above what fp32 sums in another order change. Perplexity of correct solutions: within 1.05 times the
    unsteered one's at strength 0.5, within 1.5 times at 1.
    """
    folder = BUILTIN_MODELS["target"]
    decoder, tokenizer = load(folder).decoder.float().requires_grad_(False), Tokenizer.load(folder)
    steering = build_steering(decoder, tokenizer, sums(24, 0, "train"), layers=[3], steps=16)
    shares, losses = [], []
    for strength in (-1.0, -0.5, 0.0, 0.5, 1.0):
        install(steering.at(strength), decoder, "reference")
        share, loss = share_and_loss(decoder, tokenizer)
        shares.append(share)
        losses.append(loss)
    assert all(b > a + 0.005 for a, b in pairwise(shares)), shares
    assert shares[-1] - shares[0] > 0.1, shares
    assert max(losses[1:4]) < losses[2] + math.log(1.05), losses
    assert max(losses) < losses[2] + math.log(1.5), losses
