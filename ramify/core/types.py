"""The nouns that travel: prompt, branch, budget, and what a search hands back. None of them holds a tensor."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ramify.core.ledger import Ledger
from ramify.core.sampling import Rule, Sampling
from ramify.core.strict import whole

Finish = Literal["stop", "length", "budget"]
"""Why a branch grows no further: an end token or stop text; max_tokens or the context's end; the run's budget."""

StoppedBecause = Literal["stop", "length", "budget", "rejected", "unfinished"]
"""A candidate's end: a branch's finish, or the search dropped it (rejected), or never came back to it (unfinished)."""


Skip = frozenset[int]
"""Halves of layers that a pass leaves out: 2 i is layer i's attention, 2 i + 1 its feed-forward part."""

WHOLE: Skip = frozenset()


@dataclass(frozen=True)
class Prompt:
    """A request's tokens with its own seed and sampling. `text` is what was encoded, if it was text.

    `speculate` False decodes plainly even where the engine has drafts.
    """

    tokens: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    request: int = 0
    text: str | None = None
    speculate: bool = True

    def at_temperature(self, temperature: float) -> "Prompt":
        """The same prompt, drawn from at another temperature."""
        return replace(self, sampling=replace(self.sampling, temperature=temperature))


@dataclass(frozen=True)
class TokenLogprob:
    """The log-probability of a token and of the likeliest alternatives (natural logarithm)."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(eq=False, slots=True)
class Branch:
    """A path of tokens. Identity is the branch: two with equal tokens are two. It owns no tensor."""

    id: int
    tokens: list[int]  # prompt and generated
    num_prompt: int
    address: int  # of its randomness
    sampling: Sampling
    rule: Rule
    max_length: int  # prompt and generated together
    ledger: Ledger
    finish: Finish | None = None
    forks: int = 0  # branches ever forked from this one
    parent: int | None = None
    forked_at: int = 0  # length of the parent then
    text_end: int | None = None  # characters of the generated text, when a stop text cut it
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob | None] = field(default_factory=list)
    alive: bool = True
    speculate: bool = True

    @property
    def done(self) -> bool:
        """Whether it grows no further."""
        return self.finish is not None

    @property
    def num_generated(self) -> int:
        """Tokens drawn so far, the end token included."""
        return len(self.tokens) - self.num_prompt

    @property
    def generated(self) -> list[int]:
        """The drawn tokens."""
        return self.tokens[self.num_prompt :]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may spend. A branch that meets the end of the budget finishes with "budget".

    Args:
        tokens: most tokens drawn from the target, over all branches.
        pages: most KV pages of the target that the run's branches may hold at once (what `Room` measures).
    """

    tokens: int | None = None
    pages: int | None = None

    def __post_init__(self) -> None:
        if self.tokens is not None:
            whole("budget.tokens", self.tokens, 1, 1 << 40)
        if self.pages is not None:
            whole("budget.pages", self.pages, 1, 1 << 32)


@dataclass(frozen=True)
class Ended:
    """A branch a search is through with, as selection sees it."""

    branch: Branch
    score: float | None = None
    answer: Hashable = None
    stopped_because: StoppedBecause = "unfinished"

    @classmethod
    def of(cls, branch: Branch, score: float | None = None, answer: Hashable = None) -> "Ended":
        """A branch that ended by itself."""
        return cls(branch, score, answer, branch.finish or "unfinished")


@dataclass(frozen=True)
class Selection:
    """What a search returns: the chosen branch among all that it made, and its trace (`rounds`)."""

    best: Ended
    ended: tuple[Ended, ...]
    rounds: tuple[Mapping[str, Any], ...] = ()


def best_of(ended: Sequence[Ended]) -> Ended:
    """The highest score; the earliest of equals. Branches without a score lose against all that have one."""
    scored = [e for e in ended if e.score is not None]
    return max(scored, key=lambda e: e.score) if scored else ended[0]  # type: ignore[arg-type,return-value]
