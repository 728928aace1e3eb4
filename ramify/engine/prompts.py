"""The log-probabilities of a prompt's own tokens.

n rows, D hidden width, V vocabulary
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from ramify.core.types import Branch, TokenLogprob
from ramify.engine.draws import top_alternatives
from ramify.engine.model import Model


def note_prompt_logprobs(model: Model, branch: Branch, count: int, read: Callable[[Sequence[Branch]], None]) -> None:
    """Read the prompt in chunks and keep the raw log-probability of each token after the first."""
    kept: list[TokenLogprob | None] = [None]

    def keep(start: int, hidden_nD: Tensor) -> None:
        tokens = branch.tokens[start + 1 : start + 1 + len(hidden_nD)]
        if tokens:
            branch.ledger.model(model.role).flops += len(tokens) * model.runner.costs.logits
            logprob_nV = model.runner.logits(hidden_nD[: len(tokens)]).log_softmax(-1)
            for token, row_V in zip(tokens, logprob_nV, strict=True):
                kept.append(TokenLogprob(token, float(row_V[token]), top_alternatives(row_V, count)))

    model.readings[branch.id].watcher = keep
    read([branch])  # prefill drops the branch, and its watcher, if this fails
    model.readings[branch.id].watcher = None
    branch.prompt_logprobs = kept
