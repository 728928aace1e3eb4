"""A search of searches: n inner searches side by side, and a rule that chooses among what they return.

    n   inner searches

Law: the rule's choice among n independent draws from the inner search's law. n=1 is the inner search alone; an inner
search that is plain sampling makes this majority vote or best-of-n. All of them share the prompt's pages, the steps,
the budget and the ledger.
"""

from collections.abc import Callable

from ramify.core.protocols import Select
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Answers, Search, Together

Inner = Callable[[Prompt], Search[Selection]]


def nested(prompt: Prompt, *, n: int = 8, each: Inner, select: Select) -> Search[Selection]:
    """Run `each` n times, each with randomness of its own, and choose among their best."""
    found = yield Together([each(prompt.nested(i)) for i in range(n)])
    branches = [selection.best.branch for selection in found]
    a = yield Answers(branches)
    ended = tuple(Ended(s.best.branch, s.best.score, a[s.best.branch], s.best.stopped_because) for s in found)
    return Selection(select(ended), ended)
