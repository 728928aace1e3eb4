"""One search under the driver: what it wants now, which branches are its own, what it may spend, what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from ramify.core.errors import BadInput
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
    goals: dict[Branch, int] = field(default_factory=dict)  # of the current Advance: lengths to reach
    starts: dict[Branch, int] = field(default_factory=dict)  # and lengths when it began

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
            if not isinstance(end.value, Selection):
                raise BadInput("search", f"it returned {end.value!r}, which is no Selection") from None
            self.want, self.result = None, end.value

    def begin(self) -> None:
        """Start the clock and take the first want."""
        self.started = perf_counter()
        self.send(None)

    def end(self) -> None:
        """Close the search and stop the clock; the books of its branches are the driver's business."""
        try:
            self.search.close()
        except Exception as error:
            self.error = self.error or error
        if self.started is not None:
            self.ledger.seconds = perf_counter() - self.started

    def own(self, branches: Iterable[Branch]) -> None:
        """Refuse branches that are not its own, or not any more.

        Raises:
            BadInput: one of them was dropped, or is another search's.
        """
        for branch in branches:
            if self.branches.get(branch.id) is not branch:
                raise BadInput("branch", f"{branch.id} was dropped, or is another search's; want what is alive")

    def aim(self, want: Advance, room: int) -> None:
        """Note how far each branch is to go; `room` is what `Room` came to."""
        self.goals = {b: _goal(b, want.until, room) for b in want.branches if not b.done}
        self.starts = {b: len(b.tokens) for b in self.goals}

    def pending(self) -> dict[Branch, int]:
        """The branches that are to draw next, and by how many tokens they may grow; those that the budget has no token
        for finish."""
        if not isinstance(self.want, Advance):
            return {}
        left = {b: goal - len(b.tokens) for b, goal in self.goals.items() if not b.done and len(b.tokens) < goal}
        return left if self.budget.tokens is None else self._within_budget(left, self.budget.tokens)

    def _within_budget(self, left: dict[Branch, int], tokens: int) -> dict[Branch, int]:
        # token by token together, so that who gets the last ones does not depend on who found room in which step
        grown = {b: len(b.tokens) - self.starts[b] for b in left}
        level = min(grown.values(), default=0)
        behind = {b: most for b, most in left.items() if grown[b] == level}
        spare = tokens - self.ledger.generated_tokens
        if len(behind) == len(left) > spare:
            for branch in left:
                branch.finish = "budget"
            return {}
        # as far as all can get: what the budget has, and what those ahead have already
        reach = (spare + sum(grown.values())) // max(1, len(left))
        return {b: min(most, max(1, reach - level)) for b, most in behind.items()}

    def grown(self) -> int:
        """The most tokens that a branch of the current Advance grew by."""
        return max((len(b.tokens) - start for b, start in self.starts.items()), default=0)

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
