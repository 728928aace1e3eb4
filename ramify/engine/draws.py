"""From rows of logits to drawn tokens: each row by its own rule, its own path and its own address.

R rows, A of them that ask for log-probabilities, V vocabulary
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ramify.core.random import address_at, uniform
from ramify.core.sampling import Rule
from ramify.core.types import Branch, TokenLogprob
from ramify.maths.law import Law, final_law

BLOCK = 1 << 19  # masses at a time: laws stay in the cache between their steps
Draw = Callable[[Law, Sequence[Branch]], list[int]]
"""Draws one token a row of a law. Tests hand in one that walks through every outcome; users get `addressed`."""


def addressed(law: Law, branches: Sequence[Branch]) -> list[int]:
    """Draw with the uniform that belongs to (branch, position)."""
    return law.draw([uniform(b.address, len(b.tokens)) for b in branches])


Toss = Callable[[int, Sequence[int], Sequence[float]], float]
"""A search's own uniform number at (address, key), with the points between which it makes no difference."""


def addressed_toss(address: int, key: Sequence[int], cuts: Sequence[float]) -> float:
    """The uniform that belongs to (address, key)."""
    for part in key:
        address = address_at(address, part)
    return uniform(address, 0, "toss")


def draw_tokens(
    logits_RV: Tensor, branches: Sequence[Branch], draw: Draw
) -> list[tuple[int, tuple[TokenLogprob, ...]]]:
    """One token a row, with its log-probability for a branch that asks for it. The branches stay as they are."""
    drawn: list[tuple[int, tuple[TokenLogprob, ...]]] = [(0, ())] * len(branches)
    for rule, rows in alike(branches, max(1, BLOCK // logits_RV.shape[-1])):
        members = [branches[row] for row in rows]
        group_RV = rows_of(logits_RV, rows)
        prompts = [b.tokens[: b.num_prompt] for b in members] if rule.reads_path or rule.bad_runs else [()] * len(rows)
        paths = [b.generated for b in members] if rule.reads_path or rule.bad_runs else [()] * len(rows)
        law = final_law(group_RV, rule, prompts, paths)
        tokens = draw(law, members)
        for row, token, logprob in zip(rows, tokens, logprobs_of(group_RV, law, members, tokens), strict=True):
            drawn[row] = (token, logprob)
    return drawn


def rows_of(logits_RV: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows; rows in a row are not copied."""
    in_a_row = rows[-1] - rows[0] + 1 == len(rows) and all(row == at for at, row in enumerate(rows, rows[0]))
    return logits_RV[rows[0] : rows[-1] + 1] if in_a_row else logits_RV[list(rows)]


def alike(branches: Sequence[Branch], most: int) -> Iterator[tuple[Rule, list[int]]]:
    """Rows that share a rule, `most` at a time."""
    groups = dict[Rule, list[int]]()
    for row, branch in enumerate(branches):
        groups.setdefault(branch.rule, []).append(row)
    for rule, rows in groups.items():
        for first in range(0, len(rows), most):
            yield rule, rows[first : first + most]


def logprobs_of(
    logits_RV: Tensor, law: Law, branches: Sequence[Branch], drawn: Sequence[int]
) -> list[tuple[TokenLogprob, ...]]:
    """Of the rows that ask for them: under the model's own law (raw), the one that was drawn from, or both."""
    kept: list[tuple[TokenLogprob, ...]] = [()] * len(branches)
    for mode in ("raw", "processed", "both"):
        wishes = [(i, b.sampling) for i, b in enumerate(branches) if b.sampling.logprobs is not None]
        asked = [i for i, wish in wishes if wish.logprobs_mode == mode]
        if not asked:
            continue
        drawn_A1 = torch.tensor([drawn[i] for i in asked], device=logits_RV.device)[:, None]
        dense_AV = None if mode == "raw" else law.dense(logits_RV.shape[-1])[asked].log()
        logprob_AV = logits_RV[asked].log_softmax(-1) if mode != "processed" else dense_AV
        assert logprob_AV is not None
        logprobs = logprob_AV.gather(1, drawn_A1)[:, 0].tolist()
        others = dense_AV.gather(1, drawn_A1)[:, 0].tolist() if mode == "both" and dense_AV is not None else None
        for at, i in enumerate(asked):
            alternatives = top_alternatives(logprob_AV[at], branches[i].sampling.logprobs or 0)
            kept[i] = (TokenLogprob(drawn[i], logprobs[at], alternatives, None if others is None else others[at]),)
    return kept


def top_alternatives(logprob_V: Tensor, count: int) -> tuple[tuple[int, float], ...]:
    """The likeliest tokens of a row with their log-probabilities."""
    if not count:
        return ()
    value, ids = logprob_V.topk(min(count, len(logprob_V)))
    return tuple(zip(ids.tolist(), value.tolist(), strict=True))
