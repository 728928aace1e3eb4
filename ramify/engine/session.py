"""One search under the driver: what it wants now, which branches are its own, what it may spend, what became of it.

A search may run others (`Together`). Such a family has one ledger, one tree and one budget: its root's.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.ledger import Ledger
from ramify.core.protocols import AnyReward
from ramify.core.types import Branch, Budget, Prompt, Selection
from ramify.core.wants import Advance, Finish, Marker, Room, Score, Search, Tokens, Unpaid, Until, Want


@dataclass(eq=False)
class TreeNode:
    """What a reader wants to know of a branch afterwards."""

    branch: Branch
    score: float | None = None
    ended: str = "unfinished"  # a Finish, or "rejected", or "unfinished"
    scored_at: int = 0  # tokens that it had then, the prompt's included


@dataclass(eq=False)
class Session:
    """A submitted search. `result` or `error` is set when it is over."""

    search: Search[Selection]
    reward: AnyReward | None = None
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
    parent: "Session | None" = None
    children: list["Session"] = field(default_factory=list)  # of the current Together
    forked: list[tuple[Prompt, int]] = field(default_factory=list)  # prompts, and how often each was forked
    prompts: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)  # (salt, prompt) that were billed
    judged: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)  # (model, prompt) that were paid for
    paid: int = 0  # reward tokens that scores were to take at most
    paying: bool | None = None  # whether the scores it waits for are read, or refused; None: none are being read
    apart: bool = False  # they are read branch by branch: there are no pages for all together
    closed: bool = False
    clock: int = 0  # steps of one token that its Advances came to
    born: list[TreeNode] | None = None  # the family's branches since somebody looked; None: nobody does

    @property
    def root(self) -> "Session":
        """The search that was submitted."""
        return self if self.parent is None else self.parent.root

    def family(self) -> Iterator["Session"]:
        """Itself and the searches that it runs, and theirs."""
        yield self
        for child in self.children:
            yield from child.family()

    def spawn(self, searches: Sequence[Search[Selection]]) -> None:
        """Let it run searches: each with an even share of its pages, and everything else in common."""
        pages = self.budget.pages
        share = pages if pages is None else max(1, pages // max(1, len(searches)))
        budget = replace(self.budget, pages=share)
        self.children = [
            Session(search, self.reward, budget, ledger=self.ledger, parent=self, clock=self.clock)
            for search in searches
        ]

    def gather(self) -> None:
        """Take over what the searches that it ran made, in their order, whoever was first."""
        for child in self.children:
            child.gather()
            self.tree |= child.tree

    def adopt(self, branch: Branch) -> None:
        """A branch of its own: also its ancestors'."""
        self.tree[branch.id] = node = TreeNode(branch)
        if (born := self.root.born) is not None:
            born.append(node)
        session: Session | None = self
        while session is not None:
            session.branches[branch.id] = branch
            session = session.parent

    def disown(self, branch: Branch) -> None:
        """It was dropped."""
        self.branches.pop(branch.id, None)
        if self.parent is not None:
            self.parent.disown(branch)

    def fork_count(self, prompt: Prompt) -> int:
        """How often a prompt was forked."""
        return next((count for known, count in self.forked if known == prompt), 0)

    def note_forked(self, prompt: Prompt, count: int) -> None:
        """Forking it again goes on from there."""
        self.forked = [(known, n) for known, n in self.forked if known != prompt] + [(prompt, count)]

    @property
    def fresh(self) -> bool:
        """Whether it has made no branch yet."""
        return not any(session.tree for session in self.family())

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

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return 0.0 if self.started is None else perf_counter() - self.started

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
        self.closed, self.ledger.seconds = True, self.root.elapsed

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
        for branch in want.branches:
            branch.writer = want.by
        self.goals = {b: _goal(b, want.until, room) for b in want.branches if not b.done}
        self.starts = {b: len(b.tokens) for b in self.goals}

    def left(self) -> dict[Branch, int]:
        """The branches of the current Advance that have not arrived, and by how many tokens they may grow."""
        if not isinstance(self.want, Advance):
            return {}
        return {b: goal - len(b.tokens) for b, goal in self.goals.items() if not b.done and len(b.tokens) < goal}

    @property
    def scoring(self) -> bool:
        """Whether scores are being read: nobody of the family goes on."""
        return any(s.paying is not None for s in self.family() if not s.over)

    @property
    def draws(self) -> bool:
        """Whether a branch of the family is to draw next."""
        return not self.scoring and any(s.left() for s in self.family() if not s.over)

    def pending(self) -> dict[Branch, int]:
        """The family's branches that are to draw next, and by how many tokens they may grow; those that the budget has
        no token for finish."""
        if self.scoring:
            return {}
        left = {b: most for s in self.family() if not s.over for b, most in s.left().items()}
        if left and self.spent():
            return _finished(left)
        if self.budget.draft_tokens is not None and self.ledger.draft_tokens >= self.budget.draft_tokens:
            for branch in self.branches.values():
                branch.speculate = False
        spare = math.inf if self.budget.tokens is None else self.budget.tokens - self.ledger.generated_tokens
        now = self.now()
        if now is None:
            return left if spare == math.inf else self._within_budget(left, int(spare))
        turn = {b: 1 for s in self._leaves() for b in s.left() if s.clock + len(b.tokens) - s.starts[b] == now}
        return _finished(left) if len(turn) > spare else turn

    def _leaves(self) -> list["Session"]:
        """The searches of the family that do not wait for others."""
        return [s for s in self.family() if not s.over and all(child.over for child in s.children)]

    def now(self) -> int | None:
        """Where searches share a budget of tokens, they keep step, so that who gets the last ones does not depend on
        who found room in which step: the clock of the hindmost. None where nobody has to wait."""
        leaves = self._leaves()
        if len(leaves) < 2 or (self.budget.tokens is None and self.budget.reward_tokens is None):
            return None
        return min(s.clock + min((len(b.tokens) - s.starts[b] for b in s.left()), default=0) for s in leaves)

    @property
    def in_turn(self) -> bool:
        """Whether it may ask for what the budget has to pay, or somebody of the family is behind it."""
        now = self.root.now()
        return now is None or self.clock <= now

    def affords_tokens(self, count: int) -> bool:
        """Whether the budget has as many tokens left, and is not spent otherwise."""
        most = self.budget.tokens
        within = most is None or self.ledger.generated_tokens + count <= most
        return within and not self.spent()

    def spent(self) -> bool:
        """Whether the family's budget is used up, whatever `tokens` says of it."""
        root, most = self.root, self.budget.reward_tokens
        return self.budget.spent(root.ledger, root.elapsed) or (most is not None and root.paid >= most)

    def _within_budget(self, left: dict[Branch, int], spare: int) -> dict[Branch, int]:
        # token by token together, so that who gets the last ones does not depend on who found room in which step
        starts = {b: start for s in self.family() for b, start in s.starts.items()}
        grown = {b: len(b.tokens) - starts[b] for b in left}
        level = min(grown.values(), default=0)
        behind = {b: most for b, most in left.items() if grown[b] == level}
        if len(behind) > spare:
            return _finished(left)
        # as far as all can get: what the budget has, and what those ahead have already
        reach = (spare + sum(grown.values())) // max(1, len(left))
        return {b: min(most, max(1, reach - level)) for b, most in behind.items()}

    def grown(self) -> int:
        """The most tokens that a branch of the current Advance grew by."""
        return max((len(b.tokens) - start for b, start in self.starts.items()), default=0)

    def note_scores(self, scores: dict[Branch, float]) -> None:
        """Remember the last score of each branch for the tree."""
        for branch, score in scores.items():
            node = self.tree[branch.id]
            node.score, node.scored_at = score, len(branch.tokens)

    def last_scores(self, branches: Sequence[Branch]) -> Unpaid:
        """What a search gets that cannot pay for scores: the last ones, -inf where there is none; nobody goes on."""
        _finished({b: 0 for b in branches if not b.done})
        known = {b: self.tree[b.id].score for b in branches}
        return Unpaid({b: -math.inf if score is None else score for b, score in known.items()})

    def note_end(self, branch: Branch, *, dropped: bool) -> None:
        """Remember why a branch ended."""
        self.tree[branch.id].ended = branch.finish or ("rejected" if dropped else "unfinished")


def _finished(left: dict[Branch, int]) -> dict[Branch, int]:
    for branch in left:
        branch.finish = "budget"
    return {}


def _goal(branch: Branch, until: Until, room: int) -> int:
    match until:
        case Tokens(count):
            return len(branch.tokens) + count
        case Room():
            return len(branch.tokens) + room
        case Marker(most=most) if most is not None:
            return min(branch.max_length, len(branch.tokens) + most)
        case Finish() | Marker():
            return branch.max_length


def wants_room(session: Session) -> bool:
    """Whether it waits for an Advance as far as the pages go."""
    return isinstance(session.want, Advance) and isinstance(session.want.until, Room)


def wants_score(session: Session) -> bool:
    """Whether it waits for scores."""
    return isinstance(session.want, Score)
