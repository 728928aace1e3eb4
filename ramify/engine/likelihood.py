"""Log-probabilities of given tokens under a model.

n rows, D hidden width, V vocabulary
"""

from collections.abc import Sequence

import torch
from torch import Tensor

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
