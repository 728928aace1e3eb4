"""From rows of logits to drawn tokens: each row by its own rule, its own path and its own address.

R rows, V vocabulary
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ramify.core.random import uniform
from ramify.core.sampling import Rule
from ramify.core.types import Branch, TokenLogprob
from ramify.maths.law import Law, final_law

Draw = Callable[[Law, Sequence[Branch]], list[int]]
"""Draws one token a row of a law. Tests hand in one that walks through every outcome; users get `addressed`."""


def addressed(law: Law, branches: Sequence[Branch]) -> list[int]:
    """Draw with the uniform that belongs to (branch, position)."""
    return law.draw([uniform(b.address, len(b.tokens)) for b in branches])


def draw_tokens(logits_RV: Tensor, branches: Sequence[Branch], draw: Draw) -> list[int]:
    """One token a row; keeps log-probabilities on the branches that ask for them."""
    groups = dict[Rule, list[int]]()
    for row, branch in enumerate(branches):
        groups.setdefault(branch.rule, []).append(row)
    tokens = [0] * len(branches)
    for rule, rows in groups.items():
        members = [branches[row] for row in rows]
        group_RV = logits_RV if len(rows) == len(branches) else logits_RV[rows]
        prompts = [b.tokens[: b.num_prompt] for b in members] if rule.reads_path or rule.bad_runs else [()] * len(rows)
        paths = [b.generated for b in members] if rule.reads_path or rule.bad_runs else [()] * len(rows)
        law = final_law(group_RV, rule, prompts, paths)
        drawn = draw(law, members)
        _keep_logprobs(group_RV, law, members, drawn)
        for row, token in zip(rows, drawn, strict=True):
            tokens[row] = token
    return tokens


def _keep_logprobs(logits_RV: Tensor, law: Law, branches: Sequence[Branch], drawn: Sequence[int]) -> None:
    asked = [i for i, b in enumerate(branches) if b.sampling.logprobs is not None]
    if not asked:
        return
    raw = branches[asked[0]].sampling.logprobs_mode == "raw"
    if any((branches[i].sampling.logprobs_mode == "raw") != raw for i in asked):
        for i in asked:  # rows of one rule that differ in what they report: one at a time
            row = Law(law.mass_RK[i : i + 1], None if law.ids_RK is None else law.ids_RK[i : i + 1])
            _keep_logprobs(logits_RV[i : i + 1], row, branches[i : i + 1], drawn[i : i + 1])
        return
    logprob_RV = logits_RV.log_softmax(-1) if raw else law.dense(logits_RV.shape[-1]).log()
    chosen_R = logprob_RV.gather(1, torch.tensor(drawn, device=logprob_RV.device)[:, None])[:, 0].tolist()
    for i in asked:
        count = branches[i].sampling.logprobs or 0
        branches[i].logprobs.append(TokenLogprob(drawn[i], chosen_R[i], top_alternatives(logprob_RV[i], count)))


def top_alternatives(logprob_V: Tensor, count: int) -> tuple[tuple[int, float], ...]:
    """The likeliest tokens of a row with their log-probabilities."""
    if not count:
        return ()
    value, ids = logprob_V.topk(min(count, len(logprob_V)))
    return tuple(zip(ids.tolist(), value.tolist(), strict=True))
