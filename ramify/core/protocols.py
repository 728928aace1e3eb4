"""The seams, each with the laws its implementations must pass (tests/laws runs every registered one through them)."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ramify.core.types import Branch, Ended
from ramify.core.wants import Search

Select = Callable[[Sequence[Ended]], Ended]
"""Chooses among ended branches. Laws: returns one of its arguments; does not depend on anything but scores, answers
and order; one candidate is chosen from one."""


@dataclass(frozen=True)
class View:
    """What a reward sees of a branch. `values` are the reward model's, one a token of `branch.tokens`, raw."""

    branch: Branch
    prompt: str
    text: str  # generated text, without end token or stop text
    values: Sequence[float] = ()


class Reward(Protocol):
    """Scores branches; higher is better, on one scale for partial and final texts.

    Laws: a score depends on its own view alone, not on who is scored beside it; the same view scores the same.
    """

    @property
    def name(self) -> str:
        """As tables and ledgers call it."""

    @property
    def model(self) -> str | None:
        """The engine's model whose values it reads; None reads none."""

    @property
    def needs_logprobs(self) -> bool:
        """Whether branches must keep their log-probabilities."""

    def partial(self, view: View) -> float:
        """Score of a text that goes on."""

    def final(self, view: View) -> float:
        """Score of a finished text."""


@dataclass(frozen=True)
class Combined:
    """Several rewards as one: `combine` makes one score of theirs, in the order of `parts`.

    It is a reward itself, and may be a part of another. Its scale is whatever `combine` makes; raw parts go in.
    """

    name: str
    parts: tuple["AnyReward", ...]
    combine: Callable[[Sequence[float]], float]

    @property
    def needs_logprobs(self) -> bool:
        """Whether any part does."""
        return any(part.needs_logprobs for part in self.parts)


@dataclass(frozen=True)
class Judged:
    """A model is asked about the text: `score` makes one number of the log-probabilities of its answers.

    `model` is the role of the model that is asked (None: the target itself); `question` stands behind the text, and
    each of `choices` behind the question. Raw log-probabilities: no normalisation over the choices but `score`'s own.
    """

    name: str
    model: str | None
    question: str
    choices: tuple[str, ...]
    score: Callable[[Sequence[float]], float]
    needs_logprobs: bool = False


AnyReward = Reward | Combined | Judged


class Codec(Protocol):
    """Text to tokens and back: all that an engine wants of a tokenizer."""

    @property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end a text."""

    @property
    def begin_id(self) -> int | None:
        """The token that an empty prompt starts from, if the model has one."""

    def encode(self, text: str, add_begin: bool = True) -> list[int]:
        """Token ids of a text."""

    def encode_after(self, text: str) -> list[int]:
        """Token ids of a text that stands behind another."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, without special tokens."""

    def continuation(self, context: Sequence[int], ids: Sequence[int]) -> str:
        """What `ids` add to the text of `context`."""


Extract = Callable[[str], Hashable]
"""Reads the final answer off a text; None where there is none."""


@dataclass(frozen=True)
class Method:
    """A registered search: its generator function and what a table says of it."""

    name: str
    run: Callable[..., Search[Any]]
    summary: str
    paper: str
    law: str  # what its output is distributed as, or what it maximises
    uses_reward: bool = False
    uses_room: bool = False  # yields Advance(until=Room()): it needs pages of its own
    select: str | None = None  # the default selection rule's name, for methods that take `select`
    needs: str = "nothing"  # what it needs of rewards and models, in words
    example: str = ""  # a command that runs on the built-in models
    models: tuple[str, ...] = ()  # options that name a model (a folder, a hub name, a built-in one)
    size: str | None = "n"  # the option that more compute goes into


@dataclass(frozen=True)
class GuideEntry:
    """A registered guide: what makes it and what a table says of it.

    make        makes it from keyword options; those in `models` name models (one, or a tuple of several)
    defaults    what options are if they are left out, where a line may leave them out
    """

    name: str
    make: Callable[..., Any]
    summary: str
    paper: str
    law: str
    options: tuple[str, ...]
    models: tuple[str, ...]
    defaults: Mapping[str, Any]
    needs: str = "nothing"
    example: str = ""
