"""Block efficiency of learners, measured on texts, against the same thing done one token at a time."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ramify.model.checkpoint import load
from ramify.model.decoder import Decoder
from ramify.model.medusa import MedusaHeads
from ramify.model.tokenizer import Tokenizer
from ramify.train.distil import DEPTH, DistilLearner
from ramify.train.divergence import DIVERGENCES
from ramify.train.efficiency import walk
from ramify.train.heads import UNKNOWN, HeadsLearner, head_labels, heads_loss
from ramify.train.held_out import HeldOut
from ramify.train.prompts import Problems
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.sample import Sampling
from ramify.train.written import Pool, Written, lay

HOW = Sampling(temperature=1.0, limit=9, seed=4)


@pytest.fixture(scope="module")
def target(small_target: Path) -> Decoder:
    return load(small_target).decoder


@pytest.fixture(scope="module")
def pool(target: Decoder, small_target: Path) -> Pool:
    return Pool(target, Problems(Tokenizer.load(small_target), 0), 6, HOW)


@pytest.fixture(scope="module")
def held_out(target: Decoder, pool: Pool) -> HeldOut:
    return HeldOut(target, pool.prompts.held_out(5), HOW, 3)


@torch.no_grad()
def hidden_rows(decoder: Decoder, text: Written) -> Tensor:
    rows = Rows.of([text.prompt + text.answer])
    hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
    assert isinstance(hidden_RD, Tensor)
    return hidden_RD


def laws(decoder: Decoder, text: Written) -> Tensor:
    """The law before every token of an answer."""
    return decoder.logits(hidden_rows(decoder, text)[len(text.prompt) - 1 : -1]).softmax(-1).detach()


def new_learner(draft: Decoder, pool: Pool) -> DistilLearner:
    return DistilLearner(draft.requires_grad_(True), {}, pool, DIVERGENCES["kl"], 1e-3, 0)


def test_the_target_itself_is_always_accepted(small_target: Path, pool: Pool, held_out: HeldOut) -> None:
    seen = held_out.measure(new_learner(load(small_target).decoder, pool).guesses)
    whole = walk([torch.ones(len(t.answer), 1) for t in held_out.sampled])
    passes = [-(-len(text.answer) // (DEPTH + 1)) for text in held_out.sampled]
    torch.testing.assert_close(seen.sampled.passes_B, torch.tensor(passes).double(), atol=1e-4, rtol=0)
    assert torch.equal(seen.sampled.tokens_B, whole.tokens_B)
    assert seen.greedy.acceptance == [1.0] * DEPTH


def test_a_draft_is_judged_by_its_own_laws(target: Decoder, small_draft: Path, pool: Pool, held_out: HeldOut) -> None:
    draft = load(small_draft).decoder
    seen = held_out.measure(new_learner(draft, pool).guesses)
    chances = []
    for text in held_out.sampled:
        p_TV, q_TV, length = laws(target, text), laws(draft, text), len(text.answer)
        chance_TK = torch.zeros(length, DEPTH)
        for t in range(length):
            for k in range(min(DEPTH, length - t)):
                token = text.answer[t + k]
                chance_TK[t, k] = min(1.0, float(q_TV[t + k, token] / p_TV[t + k, token]))
        chances.append(chance_TK)
    assert seen.sampled.mean == pytest.approx(walk(chances).mean, rel=1e-4)
    hits = []
    for text in held_out.greedy:
        first = laws(draft, text).argmax(-1).tolist()
        hit_TK = torch.zeros(len(text.answer), DEPTH)
        for t in range(len(text.answer)):
            for k in range(min(DEPTH, len(text.answer) - t)):
                hit_TK[t, k] = float(first[t + k] == text.answer[t + k])
        hits.append(hit_TK)
    assert seen.greedy.mean == pytest.approx(walk(hits).mean)


def test_heads_are_judged_by_the_row_before_the_last_known_token(
    target: Decoder, pool: Pool, held_out: HeldOut
) -> None:
    torch.manual_seed(0)
    heads = MedusaHeads.start(2, torch.randn_like(target.embedding))
    seen = held_out.measure(HeadsLearner(heads, pool, "target", 1e-3).guesses)
    chances = []
    for text in held_out.sampled:
        p_TV, length = laws(target, text), len(text.answer)
        with torch.no_grad():
            q_HRV = heads(hidden_rows(target, text)).softmax(-1)
        chance_TK = torch.zeros(length - 1, 2)
        for t in range(1, length):  # the first drafted token is number t of the answer
            for k in range(min(2, length - t)):
                token, row = text.answer[t + k], len(text.prompt) + t - 2
                chance_TK[t - 1, k] = min(1.0, float(q_HRV[k, row, token] / p_TV[t + k, token]))
        chances.append(chance_TK)
    assert seen.sampled.mean == pytest.approx(walk(chances).mean, rel=1e-4)


def test_labels_of_heads_by_hand() -> None:
    laid = lay([Written([7], [1, 2, 3]), Written([7, 8], [4]), Written([9], [5, 6])])
    labels = [[2, 3, UNKNOWN, UNKNOWN, 6, UNKNOWN], [3, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]]
    assert head_labels(laid, 2).tolist() == labels
    assert laid.read_R.tolist() == [0, 1, 2, 4, 5, 6]


def test_loss_of_heads_by_hand() -> None:
    """Uniform guesses cost log V each, weighted 0.8, 0.64; a head without labels costs nothing."""
    labels = torch.tensor([[1, 2], [2, UNKNOWN], [UNKNOWN, UNKNOWN]])
    loss = heads_loss(torch.zeros(3, 2, 4), labels)
    assert loss.item() == pytest.approx((0.8 + 0.64) * torch.tensor(4.0).log().item())
    assert heads_loss(torch.zeros(3, 2, 4), torch.full((3, 2), UNKNOWN)).item() == 0.0


def test_a_pool_gives_a_step_the_same_texts_whenever_it_is_asked(target: Decoder, pool: Pool) -> None:
    late, again = pool.texts(17), Pool(target, pool.prompts, 6, HOW)
    assert again.texts(3) == pool.texts(3)
    assert again.texts(17) == late
    assert late != pool.texts(3)
    assert len(late) == 6
