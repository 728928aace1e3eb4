"""The final law of a row of logits, and the draw from it. No other place touches logits.

    R rows, V vocabulary, K support kept

A `Law` is a distribution over a support: all tokens, or K ids per row. Greedy is the one-hot case (K = 1), not a
special case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.core.errors import BrokenNumbers
from ramify.core.sampling import Rule

BLOCK = 256  # masses that are cumulated one after another
COLDEST = 1e-30  # what divides in float32 without becoming 0; no two float32 logits that differ are closer


@dataclass(frozen=True)
class Law:
    """Next-token distributions of R rows. `ids_RK` None means the support is 0 .. V-1 in order. Mass sums to one."""

    mass_RK: Tensor
    ids_RK: Tensor | None = None

    def dense(self, vocab_size: int) -> Tensor:
        """The masses over the whole vocabulary, [R, V]."""
        if self.ids_RK is None:
            return self.mass_RK
        dense_RV = self.mass_RK.new_zeros(len(self.mass_RK), vocab_size)
        return dense_RV.scatter_(1, self.ids_RK, self.mass_RK)

    def draw(self, uniform_R: Sequence[float]) -> list[int]:
        """Inverse distribution function at one uniform a row: the token ids drawn."""
        if self.ids_RK is not None and self.ids_RK.shape[1] == 1:
            return self.ids_RK[:, 0].tolist()
        index_R = inverse_cdf(self.mass_RK, torch.tensor(uniform_R, dtype=torch.float64, device=self.mass_RK.device))
        return (index_R if self.ids_RK is None else self.ids_RK.gather(1, index_R[:, None])[:, 0]).tolist()


def inverse_cdf(mass_RK: Tensor, uniform_R: Tensor) -> Tensor:
    """The first index whose cumulated mass exceeds uniform * total; never one of zero mass. int64 [R].

    Mass is cumulated in float64, over blocks first and then within the one block where the draw falls: of a vocabulary
    of 32,000 all but a few hundred additions can then be done side by side.
    """
    block_RnB = _blocks(mass_RK)
    few = torch.split(block_RnB, 8)  # rows whose float64 copy stays in the cache
    total_Rn = torch.cat([rows_rnB.double().sum(-1) for rows_rnB in few])
    sum_Rn = total_Rn.cumsum(-1)
    target_R = uniform_R * sum_Rn[:, -1]
    block_R = _first_above(sum_Rn, target_R)
    every_R = torch.arange(len(block_R), device=mass_RK.device)
    before_R = torch.where(block_R > 0, sum_Rn[every_R, block_R - 1], 0.0)
    within_R = _first_above(block_RnB[every_R, block_R].double().cumsum(-1), target_R - before_R)
    return block_R * block_RnB.shape[-1] + within_R


def _blocks(mass_RK: Tensor) -> Tensor:
    """The masses in blocks, filled up with zeros; [R, n, B]."""
    count = mass_RK.shape[-1]
    if count <= 2 * BLOCK:
        return mass_RK[:, None]
    if lacking := -count % BLOCK:
        mass_RK = torch.nn.functional.pad(mass_RK, (0, lacking))
    return mass_RK.view(len(mass_RK), -1, BLOCK)


def _first_above(sum_RK: Tensor, target_R: Tensor) -> Tensor:
    """The first index whose running sum exceeds the target, or, where rounding left none, the last that has mass."""
    index_R = torch.searchsorted(sum_RK, target_R[:, None], right=True)[:, 0]
    return torch.minimum(index_R, torch.searchsorted(sum_RK, sum_RK[:, -1:].contiguous())[:, 0])


def final_law(logits_RV: Tensor, rule: Rule, prompts: Sequence[Sequence[int]], drawn: Sequence[Sequence[int]]) -> Law:
    """The law of rows that share a rule, each with its own path (prompt tokens and drawn tokens).

    Order: repetition penalty, presence and frequency penalties, bias, bans, temperature, top-k, top-p, min-p
    (temperature before the cuts, as in `transformers`). float32 in, float32 out; float64 stays float64.
    """
    logits_RV = _penalised(logits_RV, rule, prompts, drawn)
    if not torch.isfinite(logits_RV.amax(-1)).all():  # a NaN anywhere in a row is its maximum
        raise BrokenNumbers
    if rule.temperature == 0.0:
        return Law(logits_RV.new_ones(len(logits_RV), 1), logits_RV.argmax(-1, keepdim=True))
    if rule.temperature != 1.0:  # differences first, so that a tiny temperature overflows to -inf only
        logits_RV = (logits_RV - logits_RV.amax(-1, keepdim=True)) / max(rule.temperature, COLDEST)
    if not rule.top_k and rule.top_p == 1.0 and rule.min_p == 0.0:
        return Law(logits_RV.softmax(-1))
    return _cut(logits_RV, rule)


def _cut(logits_RV: Tensor, rule: Rule) -> Law:
    """Keep the top k, then the smallest set of mass >= top_p, then what reaches min_p of the largest; largest first."""
    size = logits_RV.shape[-1]
    keep = min(rule.top_k or size, size)
    value_RK, ids_RK = logits_RV.sort(dim=-1, descending=True, stable=True)  # stable: ties go to the lower id
    value_RK, ids_RK = value_RK[:, :keep], ids_RK[:, :keep]
    mass_RK = value_RK.softmax(-1)
    before_RK = mass_RK.double().cumsum(-1) - mass_RK.double()  # mass of all larger ones
    out_RK = before_RK >= rule.top_p if rule.top_p < 1.0 else torch.zeros_like(mass_RK, dtype=torch.bool)
    out_RK |= mass_RK < rule.min_p * mass_RK[:, :1]
    out_RK[:, 0] = False
    return Law(value_RK.masked_fill(out_RK, -torch.inf).softmax(-1), ids_RK)


def _penalised(
    logits_RV: Tensor, rule: Rule, prompts: Sequence[Sequence[int]], drawn: Sequence[Sequence[int]]
) -> Tensor:
    if not (rule.reads_path or rule.logit_bias or rule.bad_runs):
        return logits_RV
    logits_RV = logits_RV.clone()
    for row_V, prompt, path in zip(logits_RV, prompts, drawn, strict=True):
        _penalise_row(row_V, rule, prompt, path)
    for token, bias in rule.logit_bias:
        logits_RV[:, token] += bias
    for run in rule.bad_runs:
        for row_V, prompt, path in zip(logits_RV, prompts, drawn, strict=True):
            if _completes(run, prompt, path):
                row_V[run[-1]] = -torch.inf
    return logits_RV


def _penalise_row(row_V: Tensor, rule: Rule, prompt: Sequence[int], path: Sequence[int]) -> None:
    if rule.repetition_penalty != 1.0 and (seen := {*prompt, *path}):
        ids = torch.tensor(sorted(seen), device=row_V.device)
        value = row_V[ids]
        row_V[ids] = torch.where(value > 0, value / rule.repetition_penalty, value * rule.repetition_penalty)
    if (rule.presence_penalty or rule.frequency_penalty) and path:
        ids, counts = torch.unique(torch.tensor(path, device=row_V.device), return_counts=True)
        row_V[ids] -= rule.presence_penalty + rule.frequency_penalty * counts.to(row_V.dtype)


def _completes(run: Sequence[int], prompt: Sequence[int], path: Sequence[int]) -> bool:
    """Whether the path ends with all of `run` but its last token (a run may begin in the prompt)."""
    stem = list(run[:-1])
    if not stem:
        return True
    tail = [*prompt[-len(stem) :], *path[-len(stem) :]]
    return tail[-len(stem) :] == stem
