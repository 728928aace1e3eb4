"""What a search may ask for, by yielding it. The driver answers; the search never sees a tensor.

Fork(source, n)        -> list[Branch]        n branches that continue a prompt or a branch
Advance(live, until)   -> int                 most tokens that any of them grew by
Score(branches)        -> dict[Branch, float] by the run's reward; `final` for done ones, `partial` for others
Answers(branches)      -> dict[Branch, ...]   the final answers read off the texts (None where there is none)
Truncate(branch, len)  -> None                back to its first `len` tokens
Drop(branches)         -> None                give their pages back
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
    """Until each branch has drawn a token whose text holds `text` (a step's end), or is done."""

    text: str = "\n"

    def __post_init__(self) -> None:
        if not self.text:
            raise BadInput("marker", "an empty text is in every token")


Until = Room | Tokens | Finish | Marker


@dataclass(frozen=True)
class Fork:
    """n branches that continue a prompt, or go on from where a branch stands."""

    source: Prompt | Branch
    n: int


@dataclass(frozen=True)
class Advance:
    """Draw tokens for each of these branches, as far as `until` says."""

    branches: Sequence[Branch]
    until: Until


@dataclass(frozen=True)
class Score:
    """The run's reward of each: `final` for done ones, `partial` for others."""

    branches: Sequence[Branch]


@dataclass(frozen=True)
class Answers:
    """The final answers read off the texts."""

    branches: Sequence[Branch]


@dataclass(frozen=True)
class Truncate:
    """Back to the first `length` tokens, the prompt's included."""

    branch: Branch
    length: int


@dataclass(frozen=True)
class Drop:
    """Give their pages back; what is not done was rejected."""

    branches: Iterable[Branch]


Want = Fork | Advance | Score | Answers | Truncate | Drop
T = TypeVar("T")
Search = Generator[Want, Any, T]
