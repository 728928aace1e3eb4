"""Log-probabilities of given tokens under a model.

n rows, D hidden width, V vocabulary
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ramify.core.ledger import ModelAccount
from ramify.core.types import Branch
from ramify.engine.reading import Reading
from ramify.engine.runner import Runner

BLOCK = 64  # rows of logits at a time: vocabularies are large


def token_logprobs(runner: Runner, hidden_nD: Tensor, tokens: Sequence[int]) -> list[float]:
    """Log-probability of tokens[i] behind row i, natural logarithm."""
    kept = list[float]()
    for first in range(0, len(tokens), BLOCK):
        logprob_nV = runner.logits(hidden_nD[first : first + BLOCK]).log_softmax(-1)
        wanted_n = torch.tensor(tokens[first : first + BLOCK], device=logprob_nV.device)
        kept += logprob_nV.gather(1, wanted_n[:, None])[:, 0].tolist()
    return kept


def keep_logprobs(
    runner: Runner, account: ModelAccount, reading: Reading, branch: Branch, start: int, hidden_nD: Tensor
) -> None:
    """Keep the log-probabilities of a branch's tokens behind rows `start`, `start` + 1, ..., as far as they were drawn.

    That of the token at `start` comes of the row before, which an earlier reading ended with.
    """

    def keep(first: int, rows_nD: Tensor) -> None:
        targets = branch.tokens[first + 1 : first + 1 + len(rows_nD)]
        account.flops += len(targets) * runner.costs.logits
        reading.keep_values(branch.num_prompt, first + 1, token_logprobs(runner, rows_nD, targets))

    before_D = reading.anchors.get(start)
    if branch.num_prompt + len(reading.values) == start < len(branch.tokens) and before_D is not None:
        keep(start - 1, before_D[None])
    known = branch.num_prompt + len(reading.values)
    first, last = max(start, known - 1), min(start + len(hidden_nD), len(branch.tokens) - 1)
    if first < last:
        keep(first, hidden_nD[first - start : last - start])
