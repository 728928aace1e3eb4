"""What a search may ask for, by yielding it. The driver answers; the search never sees a tensor.

Fork(source, n)             -> list[Branch]         n branches that continue a prompt or a branch
Advance(live, until)        -> int                  most tokens that any of them grew by
Score(branches)             -> dict[Branch, float]  by the run's reward; `final` for done ones, `partial` for others
Answers(branches)           -> dict[Branch, ...]    the final answers read off the texts (None where there is none)
Texts(branches)             -> dict[Branch, str]    the generated texts
Likeliest(branches, k)      -> list[list[Continuation]]  the k likeliest next tokens of each
Extend(branches, tokens)    -> int                  how many got their token, a chosen one each, not drawn
Superpose(branches, weights) -> None                the target reads their last tokens' superposition instead of each
Append(branch, text)        -> int                  tokens that `text` came to behind the branch's own
Ask(sources, text, choices) -> list[list[float]]    log-probability of each choice behind each source and a question
PromptText(prompt)          -> str                  the text of a prompt, also of one given as tokens or messages
Rephrase(prompt, texts)     -> list[Prompt]         prompts of other texts under the same sampling
Toss(source, key, cuts)     -> float                a uniform number that belongs to (source, key)
Truncate(branch, len)       -> None                 back to its first `len` tokens
Drop(branches)              -> None                 give their pages back
Together(searches)          -> list[Selection]      searches run side by side, on this run's budget and ledger
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ramify.core.errors import BadInput
from ramify.core.strict import whole
from ramify.core.types import Branch, Prompt


@dataclass(frozen=True)
class Room:
    """As far as the run's pages allow, the same number of tokens for each (none, if they are used up)."""


@dataclass(frozen=True)
class Tokens:
    """This many more tokens each."""

    count: int

    def __post_init__(self) -> None:
        whole("tokens", self.count, 1, 1 << 30)


@dataclass(frozen=True)
class Finish:
    """Until every branch is done."""


@dataclass(frozen=True)
class Marker:
    """Until each branch has drawn a token whose text holds `text` (a step's end), is done, or grew by `most` tokens.

    Several texts may be given: any of them ends the step.
    """

    text: str | tuple[str, ...] = "\n"
    most: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str | tuple | list):
            raise BadInput("marker", f"a text, or several, are expected, not {self.text!r}")
        if not self.texts or not all(isinstance(text, str) and text for text in self.texts):
            raise BadInput("marker", "a text that is not empty is expected: an empty one is in every token")
        if self.most is not None:
            whole("marker.most", self.most, 1, 1 << 30)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, any of which ends a step."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)


Until = Room | Tokens | Finish | Marker


@dataclass(frozen=True)
class Fork:
    """n branches that continue a prompt, or go on from where a branch stands.

    Forking a prompt again goes on where the last fork of it stopped: twice four branches are the eight of one fork.
    `temperature` replaces that of the source's sampling.
    """

    source: Prompt | Branch
    n: int
    temperature: float | None = None


@dataclass(frozen=True)
class Advance:
    """Draw tokens for each of these branches, as far as `until` says.

    `by` names another model of the engine that draws instead of the target (it reads what it has not read first).
    """

    branches: Sequence[Branch]
    until: Until
    by: str | None = None


@dataclass(frozen=True)
class Score:
    """The run's reward of each: `final` for done ones, `partial` for others. `Unpaid` where the budget is spent."""

    branches: Sequence[Branch]


class Unpaid(dict[Branch, float]):
    """What Score is answered with where the budget does not pay: the last scores, -inf where there is none.

    They are fit to rank by, not to weight a law by.
    """


@dataclass(frozen=True)
class Answers:
    """The final answers read off the texts."""

    branches: Sequence[Branch]


@dataclass(frozen=True)
class Texts:
    """The generated texts, without end token or stop text."""

    branches: Sequence[Branch]


@dataclass(frozen=True)
class Likeliest:
    """The k likeliest next tokens of each branch, by the law that it draws from; likeliest first.

    Tokens that cannot be drawn are left out. No branch may be done. Each search's are read by themselves.
    """

    branches: Sequence[Branch]
    k: int

    def __post_init__(self) -> None:
        whole("likeliest.k", self.k, 1, 1 << 30)


@dataclass(frozen=True)
class Extend:
    """Put one token behind each branch as if it had been drawn: it counts as generated, and may end the branch.

    Where the budget has not a token for each, none gets one and all finish with "budget".
    """

    branches: Sequence[Branch]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Superpose:
    """The target reads, in place of the last token of each of these branches, the superposition of all of them.

    That is the sum of the tokens' embeddings, weighted by `weights` (which are divided by their sum). What it reads is
    the branch's from there on: forks and truncated branches keep it, other models and questions (`Ask`) see the tokens.
    Branches that have read the same read it once for all. They are not drafted for any more.
    """

    branches: Sequence[Branch]
    weights: Sequence[float]


@dataclass(frozen=True)
class Append:
    """Put a text behind a branch that is not done, as if it had been drawn."""

    branch: Branch
    text: str


@dataclass(frozen=True)
class Ask:
    """The log-probability (natural logarithm) of each choice behind each source's text and a question.

    A source that ended stands without its end token. `by` names another model that is asked instead of the target. The
    sources stay as they are; what they share is read once, and so is each question.
    """

    sources: Sequence[Prompt | Branch]
    question: str
    choices: Sequence[str]
    by: str | None = None

    def __post_init__(self) -> None:
        if not self.choices or not all(self.choices):
            raise BadInput("choices", "one choice at least, and no empty text")


@dataclass(frozen=True)
class PromptText:
    """The text of a prompt: what was encoded; of tokens and messages what they say, without special tokens."""

    prompt: Prompt


@dataclass(frozen=True)
class Rephrase:
    """A prompt for each text, with the prompt's sampling and randomness of its own."""

    prompt: Prompt
    texts: Sequence[str]


@dataclass(frozen=True)
class Toss:
    """A uniform number in [0, 1) that belongs to (source, key) and to nothing else.

    `cuts` are the sorted points between which it makes no difference where it falls: what an enumeration of all
    outcomes goes by.
    """

    source: Prompt | Branch
    key: tuple[int, ...]
    cuts: tuple[float, ...]


@dataclass(frozen=True)
class Truncate:
    """Back to the first `length` tokens, the prompt's included."""

    branch: Branch
    length: int


@dataclass(frozen=True)
class Drop:
    """Give their pages back; what is not done was rejected."""

    branches: Iterable[Branch]


T = TypeVar("T")


@dataclass(frozen=True)
class Together:
    """Searches that run side by side. Each sees its own branches only; a page budget is shared out evenly."""

    searches: Sequence[Generator[Any, Any, Any]]


Verb = Fork | Advance | Score | Likeliest | Extend | Superpose | Append | Truncate | Drop
Want = Verb | Answers | Texts | Ask | PromptText | Rephrase | Toss | Together
Search = Generator[Want, Any, T]
