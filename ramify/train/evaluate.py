"""What models can do on held-out problems: greedy accuracy, coverage, and what rewards add.

Coverage is the share of problems that at least one of k samples at temperature 1 solves. Every
number is taken on `evaluation_problems`, the same ones for everybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp

from tokenizers import Tokenizer
from torch import Tensor

from ramify.model.decoder import Decoder
from ramify.tasks import EVALUATION, Problem, check, generate
from ramify.train.labels import Labelled
from ramify.train.language import prompt_ids
from ramify.train.metrics import auc, best, vote, weighted_vote
from ramify.train.reward import token_values
from ramify.train.sample import Sampling, complete

BATCH = 128
EVALUATION_SEED = 2024


def evaluation_problems(count: int) -> list[Problem]:
    """The first `count` problems of the fixed held-out set on which every reported number rests."""
    return [generate(EVALUATION_SEED, i, "held_out", EVALUATION) for i in range(count)]


def solutions(decoder: Decoder, tokenizer: Tokenizer, problems: Sequence[Problem], how: Sampling) -> list[list[int]]:
    """One solution for each problem, in order: token ids, the end token included."""
    prompts = [prompt_ids(tokenizer, problem) for problem in problems]
    ids: list[list[int]] = []
    for first in range(0, len(prompts), BATCH):
        part = Sampling(temperature=how.temperature, limit=how.limit, seed=how.seed + first)
        ids += complete(decoder, prompts[first : first + BATCH], part)
    return ids


def greedy_right(decoder: Decoder, tokenizer: Tokenizer, problems: Sequence[Problem]) -> list[bool]:
    """For each problem, whether its greedy solution is right."""
    ids = solutions(decoder, tokenizer, problems, Sampling(temperature=0.0))
    return list(map(check, problems, tokenizer.decode_batch(ids)))


def coverage(groups: Sequence[Sequence[Labelled]], k: int) -> float:
    """The unbiased estimate of coverage by `k` samples from all samples of a group, in 0..1.

    1 - C(n - c, k) / C(n, k) for c right among n (Chen et al. 2021, arXiv:2107.03374).
    """
    missed = 0.0
    for group in groups:
        wrong = sum(not sample.outcome for sample in group)
        missed += comb(wrong, k) / comb(len(group), k)
    return 1.0 - missed / len(groups)


@dataclass(frozen=True, slots=True)
class Judged:
    """Samples of one problem with the two rewards' values at every token of each."""

    samples: list[Labelled]
    outcome: list[list[float]]
    process: list[list[float]]


def judge(orm: tuple[Decoder, Tensor], prm: tuple[Decoder, Tensor], groups: Sequence[list[Labelled]]) -> list[Judged]:
    """Score every sample with both reward models, each a trunk and its head [1, D]."""
    return [Judged(g, token_values(*orm, g), token_values(*prm, g)) for g in groups]


def reward_numbers(tokenizer: Tokenizer, judged: Sequence[Judged]) -> dict[str, float]:
    """AUCs of both rewards over steps, tokens and solutions; the accuracy of choosing by them."""
    samples = [s for j in judged for s in j.samples]
    process = [v for j in judged for v in j.process]
    outcome = [v for j in judged for v in j.outcome]
    step = [(v[end], ok) for v, s in zip(process, samples, strict=True) for end, ok in s.lines]
    token = [(x, ok) for v, s in zip(process, samples, strict=True) for x, ok in zip(v, s.right, strict=True)]
    middle = [(v[len(v) // 2], s.outcome) for v, s in zip(outcome, samples, strict=True)]
    ends = [s.outcome for s in samples]
    return {
        "prm_step_auc": auc(*_columns(step)),
        "prm_token_auc": auc(*_columns(token)),
        "prm_final_auc": auc([v[-1] for v in process], ends),
        "orm_final_auc": auc([v[-1] for v in outcome], ends),
        "orm_halfway_auc": auc(*_columns(middle)),
        "one_sample": sum(ends) / len(ends),
        "best_by_prm": _mean([best([v[-1] for v in j.process], _rights(j)) for j in judged]),
        "best_by_prm_min": _mean([best(_worst_steps(j), _rights(j)) for j in judged]),
        "best_by_orm": _mean([best([v[-1] for v in j.outcome], _rights(j)) for j in judged]),
        "majority_vote": _mean([_vote(tokenizer, j) for j in judged]),
    }


def crowd_numbers(tokenizer: Tokenizer, judged: Sequence[Judged]) -> dict[str, float]:
    """The accuracy of choosing among many samples of each problem, by reward and by vote."""
    right = [_rights(j) for j in judged]
    return {
        "crowd_one_sample": sum(map(sum, right)) / sum(map(len, right)),
        "crowd_best_by_prm": _mean([best([v[-1] for v in j.process], _rights(j)) for j in judged]),
        "crowd_best_by_orm": _mean([best([v[-1] for v in j.outcome], _rights(j)) for j in judged]),
        "crowd_majority_vote": _mean([_vote(tokenizer, j) for j in judged]),
        "crowd_weighted_vote": _mean([_weighted_vote(tokenizer, j) for j in judged]),
    }


def _columns(pairs: list[tuple[float, bool]]) -> tuple[list[float], list[bool]]:
    return [score for score, _ in pairs], [ok for _, ok in pairs]


def _rights(judged: Judged) -> list[bool]:
    return [sample.outcome for sample in judged.samples]


def _worst_steps(judged: Judged) -> list[float]:
    """The process value of every sample's worst step, read at the ends of its lines."""
    pairs = zip(judged.process, judged.samples, strict=True)
    return [min(values[end] for end, _ in sample.lines) for values, sample in pairs]


def _vote(tokenizer: Tokenizer, judged: Judged) -> bool:
    return vote(tokenizer.decode_batch([s.solution for s in judged.samples]), _rights(judged))


def _weighted_vote(tokenizer: Tokenizer, judged: Judged) -> bool:
    texts = tokenizer.decode_batch([s.solution for s in judged.samples])
    chances = [1 / (1 + exp(-values[-1])) for values in judged.outcome]
    return weighted_vote(texts, chances, _rights(judged))


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
