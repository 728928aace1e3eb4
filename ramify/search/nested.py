"""A search of searches: n inner searches side by side, and a rule that chooses among what they return.

    n   inner searches

Law: the rule's choice among n independent draws from the inner search's law. n=1 is the inner search alone; an inner
search that is plain sampling makes this majority vote or best-of-n. All of them share the prompt's pages, the steps,
the budget and the ledger. Where the rule goes by scores, what an inner search chose without one is scored at its end.
"""

from collections.abc import Callable
from dataclasses import replace

from ramify.core.protocols import Select
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Answers, Score, Search, Together

Inner = Callable[[Prompt], Search[Selection]]


def nested(prompt: Prompt, *, n: int = 8, each: Inner, select: Select, scored: bool = False) -> Search[Selection]:
    """Run `each` n times, each with randomness of its own, and choose among their best (`scored`: by their scores)."""
    inner = [each(prompt.nested(i)) for i in range(n)]
    found = yield Together([_scored(search) for search in inner] if scored else inner)
    branches = [selection.best.branch for selection in found]
    a = yield Answers(branches)
    ended = tuple(Ended(s.best.branch, s.best.score, a[s.best.branch], s.best.stopped_because) for s in found)
    return Selection(select(ended), ended)


def _scored(search: Search[Selection]) -> Search[Selection]:
    """The same search; its choice gets a score while its branch is still there."""
    selection = yield from search
    best = selection.best
    if best.score is not None or not best.branch.alive:
        return selection
    score = yield Score([best.branch])
    return replace(selection, best=replace(best, score=score[best.branch]))
