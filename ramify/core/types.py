"""The nouns that travel: prompt, branch, and what a search hands back. None of them holds a tensor."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from ramify.core.budget import Budget as Budget
from ramify.core.ledger import Ledger
from ramify.core.random import address_at, root_address
from ramify.core.sampling import LogprobsMode, Rule, Sampling

Finish = Literal["stop", "length", "budget"]
"""Why a branch grows no further: an end token or stop text; max_tokens or the context's end; the run's budget."""

StoppedBecause = Literal["stop", "length", "budget", "rejected", "unfinished"]
"""A candidate's end: a branch's finish, or the search dropped it (rejected), or never came back to it (unfinished)."""


Skip = frozenset[int]
"""Halves of layers that a pass leaves out: 2 i is layer i's attention, 2 i + 1 its feed-forward part."""

WHOLE: Skip = frozenset()

Mixture = tuple[tuple[int, float], ...]
"""Tokens and their weights, which sum to one: what a model reads where their embeddings are superposed."""


@dataclass(frozen=True)
class Prompt:
    """A request's tokens with its own seed and sampling. `text` is what was encoded, if it was text.

    `speculate` False decodes plainly even where the engine has drafts. `guide` shapes every law by other models.
    `bookmarks` True keeps the last hidden row of every token (as many bytes as the model is wide), so that a branch cut
    back anywhere goes on without reading a token again. `salt` keeps what was read of it to prompts of the same salt:
    no other finds it in a prefix tree.
    """

    tokens: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    request: int = 0
    text: str | None = None
    speculate: bool = True
    guide: "Guide | None" = None
    bookmarks: bool = False
    salt: str = ""

    @property
    def address(self) -> int:
        """Of its randomness."""
        return root_address(self.seed, self.request)

    def at_temperature(self, temperature: float) -> "Prompt":
        """The same prompt, drawn from at another temperature."""
        return replace(self, sampling=replace(self.sampling, temperature=temperature))

    def with_logprobs(self, mode: LogprobsMode = "raw") -> "Prompt":
        """The same prompt, whose branches keep log-probabilities in this mode (and in what the caller asked for)."""
        asked, has = self.sampling.logprobs, self.sampling.logprobs_mode
        if asked is not None and has != mode:
            mode = "both"
        return replace(self, sampling=replace(self.sampling, logprobs=asked or 0, logprobs_mode=mode))

    def nested(self, index: int) -> "Prompt":
        """The same prompt with randomness of its own: what the `index`-th of several inner searches starts from."""
        return replace(self, request=address_at(self.address, index))


@dataclass(frozen=True)
class TokenLogprob:
    """The log-probability of a token and of the likeliest alternatives (natural logarithm).

    `drawn` is its log-probability under the law that it was drawn from, where `logprobs_mode` is "both".
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    drawn: float | None = None


@dataclass(frozen=True)
class Continuation:
    """A token that may come next: its log-probability (natural logarithm), and whether it would end the branch."""

    token: int
    logprob: float
    ends: bool


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
    forked_at: int = 0  # tokens it has from its parent
    text_end: int | None = None  # characters of the generated text, when a stop text cut it
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob | None] = field(default_factory=list)
    alive: bool = True
    speculate: bool = True
    guide: "Guide | None" = None
    writer: str | None = None  # the model that draws, if it is not the target
    bookmarks: bool = False
    notes: list[float] = field(default_factory=list)  # what the guide noted of each drawn token
    salt: str = ""  # of its prompt
    drafted: set[int] = field(default_factory=set)  # positions of the tokens that a draft had proposed
    cut: int | None = None  # the fewest tokens that it was cut back to since somebody looked

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

    def reheat(self, temperature: float) -> None:
        """Be drawn at another temperature from now on."""
        self.sampling = replace(self.sampling, temperature=temperature)
        self.rule = replace(self.rule, temperature=temperature)

    def cut_back(self, length: int) -> None:
        """Forget all behind its first `length` tokens, which are fewer than it has."""
        drawn = length - self.num_prompt
        del self.tokens[length:], self.logprobs[drawn:], self.notes[drawn:]
        self.drafted = {at for at in self.drafted if at < length}
        self.forked_at = min(self.forked_at, length)  # all it shares with its parent now
        self.cut = length if self.cut is None else min(self.cut, length)
        self.finish = self.text_end = None


class Guide(Protocol):
    """Shapes every law of a branch by other models. Laws: a row's law depends on its own branch alone."""

    @property
    def name(self) -> str:
        """As ledgers and errors call it."""

    @property
    def models(self) -> tuple[str, ...]:
        """Roles of the engine's models that it reads."""

    def leads(self, branch: Branch) -> str | None:
        """The role of the model that must have read the branch before a token is drawn; None is the target."""


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
    """What a search returns: the chosen branch among all that it made, and its trace (`rounds`).

    weights         of a posterior: one of each of `ended`, their sum is one
    log_evidence    natural logarithm of the estimated normalising constant of what the weights are the posterior of
    """

    best: Ended
    ended: tuple[Ended, ...]
    rounds: tuple[Mapping[str, Any], ...] = ()
    weights: tuple[float, ...] | None = None
    log_evidence: float | None = None


def best_of(ended: Sequence[Ended]) -> Ended:
    """The highest score; the earliest of equals. Branches without a score lose against all that have one."""
    scored = [e for e in ended if e.score is not None]
    return max(scored, key=lambda e: e.score) if scored else ended[0]  # type: ignore[arg-type,return-value]
