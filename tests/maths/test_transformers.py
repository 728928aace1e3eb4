"""The filters against `transformers`' logits processors, one by one and in its order."""

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    NoBadWordsLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from ramify.core.sampling import Rule
from ramify.maths.law import final_law

ROWS, SIZE = 8, 300
TOLERANCE = 2e-6  # float32 masses


def rows(ties: bool = False) -> Tensor:
    torch.manual_seed(3)
    logits_RV = torch.randn(ROWS, SIZE) * 2.5
    logits_RV[:, ::17] = -torch.inf
    return (logits_RV * 2).round() / 2 if ties else logits_RV


def ours(logits_RV: Tensor, rule: Rule, ids_RT: Tensor) -> Tensor:
    law = final_law(logits_RV, rule, ids_RT[:, :4].tolist(), ids_RT[:, 4:].tolist())
    return law.dense(SIZE)


def theirs(logits_RV: Tensor, rule: Rule, ids_RT: Tensor) -> Tensor:
    chain = LogitsProcessorList()
    if rule.repetition_penalty != 1.0:
        chain.append(RepetitionPenaltyLogitsProcessor(rule.repetition_penalty))
    if rule.bad_runs:
        chain.append(NoBadWordsLogitsProcessor([list(run) for run in rule.bad_runs], eos_token_id=SIZE - 1))
    if rule.temperature != 1.0:
        chain.append(TemperatureLogitsWarper(rule.temperature))
    if rule.top_k:
        chain.append(TopKLogitsWarper(rule.top_k))
    if rule.top_p < 1.0:
        chain.append(TopPLogitsWarper(rule.top_p))
    if rule.min_p:
        chain.append(MinPLogitsWarper(rule.min_p))
    return chain(ids_RT, logits_RV.clone()).softmax(-1)


RULES = [
    *(Rule(temperature=t) for t in (0.05, 0.7, 1.0, 3.0)),
    *(Rule(top_k=k) for k in (1, 2, 50, 299, 300)),
    *(Rule(top_p=p) for p in (0.05, 0.5, 0.9, 0.999)),
    *(Rule(min_p=p) for p in (0.01, 0.3, 1.0)),
    *(Rule(repetition_penalty=p) for p in (0.6, 1.3)),
    Rule(bad_runs=((5,), (7, 8), (1, 2, 3))),
    Rule(temperature=0.6, top_k=40, top_p=0.8, min_p=0.05, repetition_penalty=1.2, bad_runs=((9,), (3, 4))),
    Rule(temperature=1.7, top_k=120, top_p=0.95),
    Rule(temperature=1.7, top_p=0.7, min_p=0.1),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_same_masses(rule: Rule) -> None:
    torch.manual_seed(4)
    ids_RT = torch.randint(0, SIZE, (ROWS, 12))
    ids_RT[0, -1:], ids_RT[1, -2:], ids_RT[2, -3:] = 7, torch.tensor([1, 2]), torch.tensor([0, 7, 3])
    want_RV, got_RV = theirs(rows(), rule, ids_RT), ours(rows(), rule, ids_RT)
    assert torch.equal(want_RV > 0, got_RV > 0)
    torch.testing.assert_close(got_RV, want_RV, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("rule", [Rule(min_p=0.3), Rule(temperature=0.5), Rule(repetition_penalty=1.3)], ids=str)
def test_same_masses_with_ties(rule: Rule) -> None:
    ids_RT = torch.arange(ROWS * 12).reshape(ROWS, 12)
    torch.testing.assert_close(ours(rows(True), rule, ids_RT), theirs(rows(True), rule, ids_RT), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("rule", [Rule(top_k=9), Rule(top_k=40)], ids=str)
def test_ties_at_the_kth_are_cut_here(rule: Rule) -> None:
    """They keep every token that equals the k-th largest, this keeps exactly k: the same tokens above, fewer at it."""
    ids_RT = torch.zeros(ROWS, 12, dtype=torch.long)
    want_RV, got_RV = theirs(rows(True), rule, ids_RT), ours(rows(True), rule, ids_RT)
    assert ((want_RV > 0) | (got_RV == 0)).all()
    assert ((got_RV > 0).sum(-1) == rule.top_k).all()
    assert ((want_RV > 0).sum(-1) > rule.top_k).any()  # there are ties at the cut
    for row_V, want_V, got_V in zip(rows(True), want_RV, got_RV, strict=True):
        kth = row_V.sort(descending=True).values[rule.top_k - 1]
        assert torch.equal(want_V[row_V > kth] > 0, got_V[row_V > kth] > 0)


def test_greedy_is_their_argmax() -> None:
    ids_RT = torch.zeros(ROWS, 12, dtype=torch.long)
    got_RV = ours(rows(True), Rule(temperature=0.0), ids_RT)
    assert torch.equal(got_RV.argmax(-1), rows(True).argmax(-1))
    assert torch.equal(got_RV.sum(-1), torch.ones(ROWS))
