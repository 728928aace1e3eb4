"""Beam search over steps: n candidates write a step each, the best n/width prefixes go on, width times each.

Snell et al., "Scaling LLM Test-Time Compute Optimally can be More Effective than Scaling Model Parameters",
arXiv:2408.03314, section 5.2 (beam search against a process reward, and lookahead search).

    N (n)   candidates a step      M (width)   forks of each kept prefix      k (lookahead)   greedy steps looked ahead

A step ends with a line break (`step`), after max_step_tokens, or with the text. Target: the finished candidate of
highest reward. A search, not a sampler: right only as far as partial rewards rank final ones.
width=1 keeps everybody and is best-of-n, draw for draw; n=1 is plain sampling.
A finished candidate is never thrown away: it competes with its final score for one of the n/width places, and takes no
forks there. The search is over when every place is a finished candidate's, and after max_steps; nothing unfinished is
returned unless nothing finished.
Departures: where width does not divide n, the best prefixes get one fork more; the paper fills finished places up.
"""

from typing import Any

from ramify.core.protocols import Method, Select
from ramify.core.steps import concluded, counts, looked_ahead, multiplied, shares
from ramify.core.strict import whole
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Fork, Marker, Search


def beam(
    prompt: Prompt,
    *,
    n: int = 16,
    width: int = 4,
    step: str = "\n",
    max_step_tokens: int = 128,
    max_steps: int = 64,
    lookahead: int = 0,
    select: Select,
) -> Search[Selection]:
    """Advance everybody a step, score, keep the best n/width prefixes, fork each.

    Args:
        n: candidates a step. width: forks of each kept prefix.
        step: text that ends a step. max_step_tokens: most tokens of one. max_steps: most steps of a text.
        lookahead: score a prefix by what it would be so many greedy steps later.
    Raises:
        BadInput: an option is out of its range.
    """
    counts(n=n, width=width, max_steps=max_steps)
    k, until = whole("lookahead", lookahead, 0, 64), Marker(step, max_step_tokens)
    times = shares(n, max(1, n // width))
    live: list[Branch] = yield Fork(prompt, n)
    r, finished, kept, rounds = dict[Branch, float](), list[Branch](), list[Branch](), list[dict[str, Any]]()
    for t in range(max_steps):
        if t:
            places = zip(kept, times, strict=False)
            live = yield from multiplied([(b, m) for b, m in places if not b.done])
        yield Advance(live, until)
        r |= yield from looked_ahead(live, until, k)

        finished += [b for b in live if b.done]
        pool = [*finished, *(b for b in live if not b.done)]
        kept = sorted(pool, key=r.__getitem__, reverse=True)[: len(times)]
        rounds.append({"step": t, "live": len(live), "finished": len(finished), "cut": r[kept[-1]]})
        yield Drop([b for b in live if b.done or b not in kept])
        if all(b.done for b in kept):
            break
    return (yield from concluded(r, rounds, [b for b in kept if not b.done], select))


METHOD = Method(
    name="beam",
    run=beam,
    summary="every candidate writes a step, the best n/width go on, each forked (step beam search)",
    paper="arXiv:2408.03314",
    law="a search for the reward's maximiser; width=1 is best-of-n",
    uses_reward=True,
    select="best",
    needs="a reward that scores partial texts, best a process reward",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method beam --n 8 --reward builtin-prm',
)
