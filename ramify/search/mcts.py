"""Monte Carlo tree search over steps, with the reward as its value.

Silver et al., "Mastering the game of Go without human knowledge", Nature 2017; for language models Feng et al.,
"Alphazero-like Tree-Search can Guide Large Language Model Decoding and Training" (TS-LLM), arXiv:2309.17179.

    s   a prefix that ends with a step        v   its value: the partial reward, or the final one of a rollout
    q   what was backed up through s          c   weight of curiosity

A simulation goes down from the root by PUCT to a leaf, draws `width` next steps from there, scores them all, and backs
up their mean (or, backup="max", their maximum) to the root. The answer is the finished text of highest reward; where
no simulation came to an end, the prefix of highest value is drawn to its end. A search, not a sampler.
One simulation is best-of-width over first steps; with rollout, best-of-width over texts, draw for draw.
Departures: all children of a leaf are valued when it is expanded (one batch), not one a simulation; priors are equal,
as children are draws already; q is scaled by the extremes of the tree; ways whose leaves all ended are left alone.
"""

from dataclasses import replace
from typing import Any

from ramify.core.errors import UnknownName
from ramify.core.protocols import Method
from ramify.core.steps import concluded, counts, multiplied, rewound
from ramify.core.strict import finite
from ramify.core.tree import Node, Q, back_up, grow, promising, scale_of
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Finish, Fork, Marker, Score, Search


def mcts(
    prompt: Prompt,
    *,
    simulations: int = 16,
    width: int = 4,
    c: float = 1.0,
    backup: str = "mean",
    rollout: bool = False,
    step: str = "\n",
    max_step_tokens: int = 128,
) -> Search[Selection]:
    """Select, expand, value, back up; `simulations` times.

    Args:
        width: children of a node. c: weight of curiosity against value. backup: "mean" or "max".
        rollout: value a prefix by the final reward of one text drawn from there, not by its partial reward.
        step: text that ends a step. max_step_tokens: most tokens of one.
    Raises:
        BadInput, UnknownName: an option is out of its range.
    """
    counts(simulations=simulations, width=width)
    finite("c", c, 0.0)
    if backup not in Q:
        raise UnknownName("backup", backup, Q)
    until, r, rounds = Marker(step, max_step_tokens), dict[Branch, float](), list[dict[str, Any]]()
    prompt = replace(prompt, bookmarks=prompt.bookmarks or rollout)
    leaf: Node | None = None
    root = list[Node]()
    for _ in range(simulations):
        if root:
            leaf = promising(root, c, scale_of([*r.values()]), backup)
            if leaf.ended:  # all did
                break
        live = yield from _children(prompt, leaf, width, rollout)
        yield Advance(live, until)
        ends = [len(b.tokens) for b in live]
        if rollout:
            yield Advance(live, Finish())
        v = yield Score(live)
        r |= v
        nodes = grow(leaf, live, ends, [v[b] for b in live])
        root = root or nodes
        values = [v[b] for b in live]
        value = max(values) if backup == "max" else sum(values) / len(values)
        back_up(leaf, value)
        rounds.append({"depth": _depth(leaf), "value": value, "finished": sum(b.done for b in r)})
    if not any(b.done for b in r):
        leaves = [leaf for node in root for leaf in node.leaves()]
        best = max(leaves, key=lambda leaf: leaf.score).branch
        yield Advance([best], Finish())
        r |= yield Score([best])
    return (yield from concluded(r, rounds))


def _children(prompt: Prompt, leaf: Node | None, width: int, rollout: bool) -> Search[list[Branch]]:
    if leaf is None:
        live: list[Branch] = yield Fork(prompt, width)
        return live
    if rollout:  # its branch went on
        return (yield from rewound(leaf.branch, leaf.length, width))
    return (yield from multiplied([(leaf.branch, width)]))


def _depth(node: Node | None) -> int:
    return 0 if node is None else 1 + _depth(node.parent)


METHOD = Method(
    name="mcts",
    run=mcts,
    summary="Monte Carlo tree search over steps, valued by the reward",
    paper="arXiv:2309.17179",
    law="a search for the reward's maximiser; one simulation with rollout is best-of-width",
    uses_reward=True,
    needs="a reward that scores partial texts (with rollout=true, finished ones)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method mcts --reward builtin-prm --set simulations=8',
    size="simulations",
)
