"""What a model knows of a branch beside its pages, and what a step's worth of catching up comes to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ramify.core.types import Branch, Mixture
from ramify.engine.drafts import Draft, is_chain
from ramify.engine.runner import Chunk

Watcher = Callable[[int, Tensor], None]  # (position of the first row, hidden rows [n, D])


@dataclass(slots=True)
class Reading:
    """What one model knows of one branch, beside its pages."""

    anchors: dict[int, Tensor] = field(default_factory=dict)  # length -> hidden row of its last token: prompt, latest
    values: list[float] = field(default_factory=list)  # a reward model's, one a generated token
    furthest: int = 0  # most tokens ever read: below it, reading is reading again
    published: bool = False
    watcher: Watcher | None = None  # sees every hidden row as it is read
    mixtures: dict[int, Mixture] = field(default_factory=dict)  # position -> what is read there instead of the token

    def twin(self) -> "Reading":
        """What a fork begins with."""
        return replace(
            self, anchors=self.anchors.copy(), values=self.values.copy(), watcher=None, mixtures=self.mixtures.copy()
        )

    def cut(self, length: int) -> None:
        """Forget the rows and mixtures of what lies behind `length` tokens."""
        self.anchors = {at: row for at, row in self.anchors.items() if at <= length}
        self.mixtures = {at: mixture for at, mixture in self.mixtures.items() if at < length}

    def inputs(self, tokens: Sequence[int]) -> Sequence[int | Mixture]:
        """What is read: readings agree where these do, whatever the tokens are."""
        return [self.mixtures.get(at, token) for at, token in enumerate(tokens)] if self.mixtures else tokens

    def keep_values(self, num_prompt: int, start: int, values: Sequence[float]) -> None:
        """Keep those of `values` (of the tokens from `start` on) that are not known yet."""
        for position, value in enumerate(values, start):
            if position >= num_prompt + len(self.values):
                self.values.append(value)


@dataclass(frozen=True, slots=True)
class Agenda:
    """A step of catching up: who reads how many rows, who follows whom, and how many rows are left of the budget."""

    reading: Sequence[tuple[Branch, int]]
    followers: Sequence[tuple[Branch, Branch, int, int]]  # (leader, follower, length the leader reads to, shared)
    rows_left: int

    def group(self, leader: Branch) -> list[Branch] | None:
        """The branches that read what a leader reads and want nothing else; None if one of its followers differs."""
        mine = [(follower, length) for other, follower, _, length in self.followers if other is leader]
        alike = all(length == len(leader.tokens) == len(follower.tokens) for follower, length in mine)
        return [follower for follower, _ in mine] if alike else None


def chunk_of(
    branch: Branch, start: int, count: int, pages: Sequence[int], draft: Draft | None, mixtures: Mapping[int, Mixture]
) -> Chunk:
    """The rows that a branch reads in a step, with its draft behind them."""
    tokens = branch.tokens[start : start + count]
    mixed = [(at - start, mixtures[at]) for at in range(start, start + count) if at in mixtures] if mixtures else ()
    if draft is None:
        return Chunk(tokens, start, pages, (), mixed)
    if is_chain(draft.parents):
        return Chunk([*tokens, *draft.tokens], start, pages, (), mixed)
    assert count == 1, "a tree stands behind one row"
    return Chunk([*tokens, *draft.tokens], start, pages, (-1, *(parent + 1 for parent in draft.parents)), mixed)
