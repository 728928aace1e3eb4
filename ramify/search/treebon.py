"""TreeBoN: best-of-n in layers; after each, the most promising share of the prefixes is kept and branches out again.

Qiu et al., "TreeBoN: Enhancing Inference-Time Alignment with Speculative Tree-Search and Best-of-N Sampling",
arXiv:2410.16033.

    N (n)   nodes of a layer      N_children (children)   forks of a kept node      l (layer_tokens)   tokens of a layer

Layer 1 draws N beginnings of l tokens; each further layer keeps the N/N_children best by partial reward and forks them
to N again; the last layer runs to the end. Any reward will do; the paper weighs the tokens of a DPO policy's implicit
reward. Target: the finished candidate of highest reward. One layer, or one child, is best-of-n, draw for draw.
A finished candidate is never thrown away: it competes for a place with its final score, and takes no forks there.
Departures: the paper's layers share out a known text length, here l is given; where N_children does not divide N, the
best nodes get one fork more.
"""

from typing import Any

from ramify.core.protocols import Method, Select
from ramify.core.steps import concluded, counts, multiplied, shares
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Finish, Fork, Score, Search, Tokens


def treebon(
    prompt: Prompt,
    *,
    n: int = 16,
    layers: int = 4,
    children: int = 4,
    layer_tokens: int = 24,
    select: Select,
) -> Search[Selection]:
    """Grow a layer, score, keep the best n/children nodes, fork each.

    Args:
        n: nodes of a layer. layers: of the tree. children: forks of a kept node. layer_tokens: of all layers but the
            last, which runs to the end.
    Raises:
        BadInput: an option is out of its range.
    """
    counts(n=n, layers=layers, children=children, layer_tokens=layer_tokens)
    times = shares(n, max(1, n // children))
    live: list[Branch] = yield Fork(prompt, n)
    r, finished, kept, rounds = dict[Branch, float](), list[Branch](), list[Branch](), list[dict[str, Any]]()
    for layer in range(1, layers + 1):
        if layer > 1:
            live = yield from multiplied([(b, m) for b, m in zip(kept, times, strict=False) if not b.done])
        yield Advance(live, Finish() if layer == layers else Tokens(layer_tokens))
        r |= yield Score(live)

        finished += [b for b in live if b.done]
        pool = [*finished, *(b for b in live if not b.done)]
        kept = sorted(pool, key=r.__getitem__, reverse=True)[: len(times)]
        rounds.append({"layer": layer, "live": len(live), "finished": len(finished), "cut": r[kept[-1]]})
        yield Drop([b for b in live if b.done or b not in kept])
        if all(b.done for b in kept):
            break
    return (yield from concluded(r, rounds, (), select))


METHOD = Method(
    name="treebon",
    run=treebon,
    summary="best-of-n in layers: the best prefixes of each branch out again",
    paper="arXiv:2410.16033",
    law="a search for the reward's maximiser; layers=1 is best-of-n",
    uses_reward=True,
    select="best",
    needs="a reward that scores partial texts (the paper's: a DPO policy's implicit one)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method treebon --n 8 --reward builtin-prm',
)
