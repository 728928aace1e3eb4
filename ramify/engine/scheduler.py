"""Who reads how many tokens in this step: a pure function.

There is no prefill phase and no decode phase. A branch has tokens to catch up with; a step hands out rows until the
budget is spent. Branches one token behind go first (they are about to draw), then the others in order, in chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LONG_RUN = 16  # agreed tokens from which on a follower waits for its leader


@dataclass(frozen=True, slots=True)
class Behind:
    """A branch and how many of its tokens its pages do not hold yet."""

    branch: int
    todo: int


def schedule(behind: Sequence[Behind], row_budget: int) -> dict[int, int]:
    """Rows for each branch, at most `row_budget` together; a branch that gets none waits for the next step.

    Laws: never more than a branch is behind; never more than the budget; if anyone is behind, somebody gets a row; the
    order of those equally far along is kept, so nobody starves.
    """
    rows, left = dict[int, int](), row_budget
    for item in sorted(behind, key=lambda b: b.todo > 1):
        if left == 0:
            break
        count = min(item.todo, left)
        if count:
            rows[item.branch] = count
            left -= count
    return rows


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a branch that is behind stands: tokens its pages hold, the last such page (-1 for none), all its tokens."""

    branch: int
    held: int
    last_page: int
    tokens: Sequence[int]
    num_prompt: int


def shared_runs(behind: Sequence[Standing]) -> dict[int, tuple[int, int]]:
    """Branches that are about to read the same tokens from the same state: one reads, the others follow it.

    Waiting costs a follower a step, so it follows only for a whole prompt, for a long run, or where it waits for
    nothing (it wants exactly what the leader reads).

    Returns: follower -> (leader, length up to which the leader reads for both).
    """
    leaders = dict[tuple[int, int, int], list[Standing]]()
    followers = dict[int, tuple[int, int]]()
    for item in behind:
        group = leaders.setdefault((item.held, item.last_page, item.tokens[item.held]), [])
        for leader in group:
            agreed = item.held + _agreement(leader.tokens, item.tokens, item.held)
            if _worth_following(leader, item, agreed):
                followers[item.branch] = (leader.branch, agreed)
                break
        else:
            group.append(item)
    return followers


def _worth_following(leader: Standing, item: Standing, agreed: int) -> bool:
    whole_prompt = item.held < item.num_prompt <= agreed
    same_goal = agreed == len(item.tokens) == len(leader.tokens)
    return whole_prompt or same_goal or agreed - item.held >= LONG_RUN


def _agreement(a: Sequence[int], b: Sequence[int], start: int) -> int:
    """How many tokens agree from `start` on."""
    end = min(len(a), len(b))
    if a[start:end] == b[start:end]:  # the usual case, at the speed of a comparison of lists
        return end - start
    return next(i for i in range(end - start) if a[start + i] != b[start + i])
