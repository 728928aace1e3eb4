"""Who reads how many tokens in this step: a pure function.

There is no prefill phase and no decode phase. A branch has tokens to catch up with; a step hands out rows until the
budget is spent. Branches one token behind go first (they are about to draw), then the others in order, in chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ramify.core.types import Mixture

LONG_RUN = 16  # agreed tokens from which on a follower waits for its leader


@dataclass(frozen=True, slots=True)
class Behind:
    """A branch and how many of its tokens its pages do not hold yet."""

    branch: int
    todo: int


def schedule(behind: Sequence[Behind], row_budget: int, chunk: int | None = None) -> dict[int, int]:
    """Rows for each branch, at most `row_budget` together; a branch that gets none waits for the next step.

    `chunk` is the most that those further behind get together while others are about to draw.

    Laws: never more than a branch is behind; never more than the budget; if anyone is behind, somebody gets a row; the
    order of those equally far along is kept, so nobody starves.
    """
    rows, left = dict[int, int](), row_budget
    for item in sorted(behind, key=lambda b: b.todo > 1):
        if chunk is not None and item.todo > 1 and rows:
            left, chunk = min(left, chunk), None
        if left == 0:
            break
        count = min(item.todo, left)
        if count:
            rows[item.branch] = count
            left -= count
    return rows


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a branch that is behind stands: tokens its pages hold, these pages, all its tokens, as they are read.

    Branches of different salts never follow one another.
    """

    branch: int
    held: int
    pages: Sequence[int]
    tokens: Sequence[int | Mixture]
    num_prompt: int
    salt: str = ""


def shared_runs(behind: Sequence[Standing]) -> dict[int, tuple[int, int]]:
    """Branches that are about to read what another reads: that one leads, the others follow it.

    A leader stands where its follower stands, or is further on its way through a prompt, on the same pages. Waiting
    costs a follower a step, so it follows only for a whole prompt, for a long run, or where it waits for nothing (it
    wants exactly what the leader reads).

    Returns: follower -> (leader, length up to which the leader's pages are the follower's too).
    """
    leaders = dict[tuple[int, int, int | Mixture, str], list[Standing]]()
    under_way, followers = list[Standing](), dict[int, tuple[int, int]]()
    for item in sorted(behind, key=lambda standing: -standing.held):
        last = item.pages[-1] if item.pages else -1
        group = leaders.setdefault((item.held, last, item.tokens[item.held], item.salt), [])
        ahead = [x for x in under_way if _stands_behind(item, x)] if item.held < item.num_prompt else []
        for leader in (*group, *ahead):
            agreed = _agreement(leader, item)
            if _worth_following(leader, item, agreed):
                followers[item.branch] = (leader.branch, agreed)
                break
        else:
            group.append(item)
            if 0 < item.held < item.num_prompt:
                under_way.append(item)
    return followers


def _stands_behind(item: Standing, leader: Standing) -> bool:
    last = len(item.pages) - 1
    alike = last < 0 or leader.pages[last] == item.pages[last]  # whoever shares a page shares those before it
    return alike and leader.salt == item.salt


def _worth_following(leader: Standing, item: Standing, agreed: int) -> bool:
    if leader.num_prompt > item.num_prompt:
        return False  # a reward's values begin where the prompt ends: the leader would keep too few
    whole_prompt = item.held < item.num_prompt <= agreed
    same_goal = agreed == len(item.tokens)
    return whole_prompt or same_goal or agreed - item.held >= LONG_RUN


def _agreement(leader: Standing, item: Standing) -> int:
    """Up to which length the leader's reading serves the follower.

    All of a follower's tokens serve it only if they are all of the leader's: the row of its last token is wanted, and a
    leader that goes on does not keep it.
    """
    a, b, start = leader.tokens, item.tokens, item.held
    end = min(len(a), len(b) if len(a) == len(b) else len(b) - 1)
    if a[start:end] == b[start:end]:  # the usual case, at the speed of a comparison of lists
        return end
    return next(i for i in range(start, end) if a[i] != b[i])
