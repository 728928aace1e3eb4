"""Diverse verifier tree search: n/width independent subtrees, in each the best of width children goes on.

Beeching et al., "Scaling test-time compute with open models", Hugging Face, 2024 (blog post and `search-and-learn`).

    N (n)   candidates a step      M (width)   children of a node      N/M   subtrees

Beam search over steps puts all its candidates under a few prefixes; here the best of one subtree never displaces
another subtree. Target: the finished candidate of highest reward. width=1 is best-of-n, draw for draw; one subtree
(width >= n) is beam search with one kept prefix.
A step ends with a line break (`step`), after max_step_tokens, or with the text. A finished candidate competes in its
subtree with its final score; a subtree is over when its best is finished, all are after max_steps.
Departure: where width does not divide n, the first subtrees get one child more.
"""

from typing import Any

from ramify.core.protocols import Method, Select
from ramify.core.steps import concluded, counts, multiplied, shares
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Fork, Marker, Score, Search


def dvts(
    prompt: Prompt,
    *,
    n: int = 16,
    width: int = 4,
    step: str = "\n",
    max_step_tokens: int = 128,
    max_steps: int = 64,
    select: Select,
) -> Search[Selection]:
    """Advance all children of all subtrees a step, keep the best of each subtree, fork it.

    Args:
        n: candidates a step. width: children of a node.
        step: text that ends a step. max_step_tokens: most tokens of one. max_steps: most steps of a text.
    Raises:
        BadInput: an option is out of its range.
    """
    counts(n=n, width=width, max_steps=max_steps)
    until = Marker(step, max_step_tokens)
    first: list[Branch] = yield Fork(prompt, n)
    sizes = shares(n, max(1, n // width))
    subtrees = [[first.pop(0) for _ in range(size)] for size in sizes]  # finished children stay in theirs
    r, best, rounds = dict[Branch, float](), list[Branch](), list[dict[str, Any]]()
    for t in range(max_steps):
        live = [b for subtree in subtrees for b in subtree if not b.done]
        yield Advance(live, until)
        r |= yield Score(live)

        best = [max(subtree, key=r.__getitem__) for subtree in subtrees]
        growing = [(b, size) for b, size in zip(best, sizes, strict=True) if not b.done]
        rounds.append({"step": t, "live": len(live), "subtrees": len(subtrees), "growing": len(growing)})
        yield Drop([b for b in live if b.done or b not in best])
        if not growing or t + 1 == max_steps:
            break
        children = yield from multiplied(growing)
        done = {b: [c for c in subtree if c.done] for b, subtree in zip(best, subtrees, strict=True)}
        sizes = [size for _, size in growing]
        subtrees = [[*done[b], *(children.pop(0) for _ in range(size))] for b, size in growing]
    return (yield from concluded(r, rounds, [b for b in best if not b.done], select))


METHOD = Method(
    name="dvts",
    run=dvts,
    summary="independent subtrees, the best child of each goes on (diverse verifier tree search)",
    paper="-",
    law="a search for the reward's maximiser; width=1 is best-of-n",
    uses_reward=True,
    select="best",
    needs="a reward that scores partial texts, best a process reward",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method dvts --n 8 --reward builtin-prm',
)
