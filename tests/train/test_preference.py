"""Pairs are labelled right, the losses are their formulas, and a run that was cut off goes on."""

from math import exp, log

import pytest
import torch
from tokenizers import Tokenizer

from ramify.api import BUILTIN_MODELS
from ramify.model.checkpoint import load
from ramify.model.decoder import Decoder
from ramify.tasks import HARD, check, generate
from ramify.train.initial import copy_decoder
from ramify.train.judge_texts import Judging
from ramify.train.labels import Labelled, label
from ramify.train.language import prompt_ids, text_ids
from ramify.train.pairs import epoch_batch, pairs_of
from ramify.train.preference import PreferenceObjective, Skill, preference_loss, solution_chances
from ramify.train.preferred import compare, odds, pair_accuracy
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.slips import Slips
from ramify.train.vocabulary import END_ID

BETA = 0.3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(BUILTIN_MODELS["target"] / "tokenizer.json"))


@pytest.fixture(scope="module")
def draft() -> Decoder:
    """Small, and it knows the task's words."""
    return copy_decoder(load(BUILTIN_MODELS["draft"]).decoder)


@pytest.fixture(scope="module")
def samples(tokenizer: Tokenizer) -> list[Labelled]:
    """Of three problems: right, wrong, wrong; right, right, wrong; right alone."""
    made = []
    for index, answers in enumerate((("{a}", "7", "8"), ("{a}", "{a}", "9"), ("{a}",))):
        problem = generate(4, index, "train", HARD)
        steps = problem.solution.rsplit("\n", 1)[0]
        for answer in answers:
            text = f"{steps}\n#### {answer.format(a=problem.answer)}"
            solution = [*text_ids(tokenizer, text), END_ID]
            made.append(label(tokenizer, problem, prompt_ids(tokenizer, problem), solution))
    return made


def test_pairs_are_a_right_and_a_wrong_solution_of_one_problem(tokenizer: Tokenizer, samples: list[Labelled]) -> None:
    """Two of the first problem, one of the second (equal texts once), none of the third."""
    pairs = pairs_of(samples)
    assert [pairs[0].right.prompt, pairs[2].right.prompt] == [samples[0].prompt, samples[3].prompt]
    assert len(pairs) == 3
    problems = {tuple(prompt_ids(tokenizer, p)): p for p in (generate(4, i, "train", HARD) for i in range(3))}
    for pair in pairs:
        assert pair.right.prompt == pair.wrong.prompt
        problem = problems[tuple(pair.right.prompt)]
        assert check(problem, tokenizer.decode(pair.right.solution))
        assert not check(problem, tokenizer.decode(pair.wrong.solution))


def test_an_epoch_reads_each_item_once() -> None:
    for epoch in (0, 1):
        read = [item for step in range(4) for item in epoch_batch("abcdefgh", 2, epoch * 4 + step, 1)]
        assert sorted(read) == list("abcdefgh")
    assert epoch_batch("abcdefgh", 2, 0, 1) != epoch_batch("abcdefgh", 2, 4, 1)
    with pytest.raises(ValueError, match="9 needs"):
        epoch_batch("abcdefgh", 9, 0, 1)


@torch.no_grad()
def by_hand(decoder: Decoder, sample: Labelled) -> float:
    """log p(y | x), a token after the other."""
    total, ids = 0.0, list(sample.prompt)
    for token in sample.solution:
        rows = Rows.of([ids])
        with torch.autocast("cpu", torch.bfloat16):
            hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
            logits_V = decoder.logits(hidden_RD[-1:])[0].float()
        total += float(logits_V.log_softmax(-1)[token])
        ids.append(token)
    return total


def loss_by_hand(rewards: list[tuple[float, float]]) -> float:
    return sum(log(1 + exp(-BETA * (winner - loser))) for winner, loser in rewards) / len(rewards)


def test_losses_are_their_formulas(draft: Decoder, samples: list[Labelled]) -> None:
    """Both rewards, with and without a reference; bfloat16 rounds, so 0.02 nats are allowed."""
    pairs, policy = pairs_of(samples), copy_decoder(draft)
    with torch.no_grad():
        policy.norm.weight.mul_(0.8)
    own = [(by_hand(policy, p.right), by_hand(policy, p.wrong)) for p in pairs]
    known = [(by_hand(draft, p.right), by_hand(draft, p.wrong)) for p in pairs]
    dpo = [(a - c, b - d) for (a, b), (c, d) in zip(own, known, strict=True)]
    loss, _ = PreferenceObjective(policy, pairs, batch=3, beta=BETA, seed=0, reference=draft).loss(0)
    assert loss.item() == pytest.approx(loss_by_hand(dpo), abs=0.02)
    loss, _ = PreferenceObjective(policy, pairs, batch=3, beta=BETA, seed=0).loss(0)
    assert loss.item() == pytest.approx(loss_by_hand(own), abs=0.02)
    assert loss_by_hand(own) != pytest.approx(loss_by_hand(dpo), abs=0.05)
    anchored, _ = PreferenceObjective(policy, pairs, batch=3, beta=BETA, seed=0, anchor=2.0).loss(0)
    nats = -sum(right for right, _ in own) / sum(len(p.right.solution) for p in pairs)
    assert anchored.item() - loss.item() == pytest.approx(2.0 * nats, abs=0.02)


def test_the_reference_itself_prefers_nothing(draft: Decoder, samples: list[Labelled]) -> None:
    """Where the policy is its reference, DPO's loss is log 2; the gradient pulls the two solutions apart."""
    policy = copy_decoder(draft)
    objective = PreferenceObjective(policy, pairs_of(samples), batch=3, beta=BETA, seed=0, reference=draft)
    loss, _ = objective.loss(0)
    assert loss.item() == pytest.approx(log(2), abs=0.02)
    winner, loser = torch.zeros(2, 1, requires_grad=True)
    gradient = torch.autograd.grad(preference_loss(winner, loser, BETA), (winner, loser))
    assert [float(g) for g in gradient] == pytest.approx([-BETA / 2, BETA / 2])


def test_questions_add_their_cross_entropy(draft: Decoder, tokenizer: Tokenizer, samples: list[Labelled]) -> None:
    """Linear in their weight, and the same questions for the same step."""
    pairs = pairs_of(samples)

    def loss(weight: float, step: int = 0) -> float:
        asked, slips = Judging(tokenizer), Slips(tokenizer, 1)
        skill = Skill(judging=asked, slips=slips, weight=weight, num_slips=2, num_compared=2)
        return PreferenceObjective(draft, pairs, batch=2, beta=BETA, seed=0, skill=skill).loss(step)[0].item()

    assert loss(2.0) - loss(1.0) == pytest.approx(loss(1.0) - loss(0.0), rel=1e-3)
    assert loss(1.0) - loss(0.0) > 1.0  # a model that was never asked finds either choice unlikely
    assert loss(1.0) == loss(1.0) != loss(1.0, step=1)


def test_measures_know_a_perfect_judge(draft: Decoder, tokenizer: Tokenizer, samples: list[Labelled]) -> None:
    """Pair accuracy by the truth, by its opposite, and by nothing; judgements of an untaught model exist."""
    truth = [float(sample.outcome) for sample in samples]
    assert pair_accuracy(samples, truth) == 1.0
    assert pair_accuracy(samples, [-value for value in truth]) == 0.0
    assert pair_accuracy(samples, [0.0] * len(samples)) == 0.5
    with pytest.raises(ValueError, match="right and wrong"):
        pair_accuracy(samples[-1:], [1.0])
    seen = odds(draft, Judging(tokenizer), samples, whole=True)
    assert seen.right == [sample.outcome for sample in samples]
    assert 0.0 <= compare(draft, Judging(tokenizer), pairs_of(samples)).accuracy <= 1.0
    assert solution_chances(draft, samples)[0] == pytest.approx(by_hand(draft, samples[0]), abs=0.3)
