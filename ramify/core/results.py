"""What a caller gets back: every candidate with its text, score, cost and end; the tree; the ledger."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from ramify.core.ledger import Ledger
from ramify.core.types import StoppedBecause, TokenLogprob


@dataclass(frozen=True)
class Candidate:
    """One text that a search made.

    text                generated text, without end token or stop text
    score               the reward that the method last gave it, None if it asked for none
    tokens              tokens drawn for it, the end token included (shared ones counted in each)
    stopped_because     "stop" (end token or stop text), "length", "budget", "rejected" (the search dropped it), or
                        "unfinished"
    answer              the final answer read off the text, if the method asked for it
    token_ids           the drawn tokens themselves
    logprobs            their log-probabilities, if asked for
    weight              its share of the posterior, for methods that return one
    notes               what a guide noted of each token (nudging: 1 where it was nudged)
    """

    text: str
    score: float | None
    tokens: int
    stopped_because: StoppedBecause
    answer: Hashable
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()
    weight: float | None = None
    notes: tuple[float, ...] = ()


@dataclass(frozen=True)
class TreeBranch:
    """One branch of a run's tree: where it forked and why it ended. `parent` None forks from the prompt."""

    id: int
    parent: int | None
    forked_at: int  # tokens after the prompt
    length: int  # tokens after the prompt
    text: str
    score: float | None
    ended: str
    best: bool = False


@dataclass(frozen=True)
class Result:
    """A finished search: `best` among `candidates`, the trace of its rounds, the tree of its branches, its account.

    `log_evidence` estimates the normalising constant of the posterior that the candidates' weights are of.
    """

    best: Candidate
    candidates: tuple[Candidate, ...]
    rounds: tuple[Mapping[str, Any], ...]
    tree: tuple[TreeBranch, ...]
    ledger: Ledger
    method: str
    seed: int
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()
    log_evidence: float | None = None

    @property
    def text(self) -> str:
        """The best candidate's text."""
        return self.best.text
