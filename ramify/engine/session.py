"""One search under the driver: what it wants now, which branches are its own, what it may spend, what became of it."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from ramify.core.ledger import Ledger
from ramify.core.protocols import Reward
from ramify.core.types import Branch, Budget, Selection
from ramify.core.wants import Advance, Finish, Marker, Room, Score, Search, Tokens, Until, Want


@dataclass(eq=False)
class TreeNode:
    """What a reader wants to know of a branch afterwards."""

    branch: Branch
    score: float | None = None
    ended: str = "unfinished"  # a Finish, or "rejected", or "unfinished"


@dataclass(eq=False)
class Session:
    """A submitted search. `result` or `error` is set when it is over."""

    search: Search[Selection]
    reward: Reward | None = None
    budget: Budget = field(default_factory=Budget)
    reserve: int = 0  # pages kept for it while it runs
    width: int = 1  # branches it is expected to hold
    ledger: Ledger = field(default_factory=Ledger)
    branches: dict[int, Branch] = field(default_factory=dict)
    tree: dict[int, TreeNode] = field(default_factory=dict)
    want: Want | None = None
    result: Selection | None = None
    error: Exception | None = None
    started: float | None = None
    goals: dict[Branch, int] = field(default_factory=dict)
    before: int = 0

    @property
    def fresh(self) -> bool:
        """Whether it has made no branch yet."""
        return not self.tree

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do for it."""
        return self.result is not None or self.error is not None

    def send(self, reply: Any) -> None:
        """Answer what it wanted; take what it wants next, or its result."""
        try:
            self.want = next(self.search) if self.want is None else self.search.send(reply)
        except StopIteration as end:
            self.want, self.result = None, end.value

    def begin(self) -> None:
        """Start the clock and take the first want."""
        self.started = perf_counter()
        self.send(None)

    def end(self) -> None:
        """Stop the clock; the books of its branches are the driver's business."""
        self.search.close()
        if self.started is not None:
            self.ledger.seconds = perf_counter() - self.started

    def aim(self, want: Advance, room: int) -> None:
        """Note how far each branch is to go; `room` is what `Room` came to."""
        self.goals = {b: _goal(b, want.until, room) for b in want.branches if not b.done}
        self.before = max((b.num_generated for b in want.branches), default=0)

    def pending(self) -> list[Branch]:
        """The branches that have not reached their goals; beyond the budget they finish."""
        if not isinstance(self.want, Advance):
            return []
        left = [b for b, goal in self.goals.items() if not b.done and len(b.tokens) < goal]
        if self.budget.tokens is not None and self.budget.tokens - self.ledger.generated_tokens < len(left):
            for branch in left:
                branch.finish = "budget"
            return []
        return left

    def grown(self) -> int:
        """Tokens that the longest branch of the current Advance grew by."""
        assert isinstance(self.want, Advance)
        return max((b.num_generated for b in self.want.branches), default=0) - self.before

    def note_scores(self, scores: dict[Branch, float]) -> None:
        """Remember the last score of each branch for the tree."""
        for branch, score in scores.items():
            self.tree[branch.id].score = score

    def note_end(self, branch: Branch, *, dropped: bool) -> None:
        """Remember why a branch ended."""
        self.tree[branch.id].ended = branch.finish or ("rejected" if dropped else "unfinished")


def _goal(branch: Branch, until: Until, room: int) -> int:
    match until:
        case Tokens(count):
            return len(branch.tokens) + count
        case Room():
            return len(branch.tokens) + room
        case Finish() | Marker():
            return branch.max_length


def wants_room(session: Session) -> bool:
    """Whether it waits for an Advance as far as the pages go."""
    return isinstance(session.want, Advance) and isinstance(session.want.until, Room)


def wants_score(session: Session) -> bool:
    """Whether it waits for scores."""
    return isinstance(session.want, Score)


Answer = Hashable
Branches = Sequence[Branch]
