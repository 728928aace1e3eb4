"""RAIN: look ahead, judge, rewind; commit only to what turned out well.

Li et al., "RAIN: Your Language Models Can Align Themselves without Finetuning", arXiv:2309.07124.

    X_i..j   a node: a set of tokens          s   its evaluation         v   mean of s over a node and all below it
    q        children of a node (`width`)     c   weight of curiosity    V   value that suffices      T   most looks

Outer loop: search below what is committed, then commit to the child that was visited most, until the text ends. Inner
loop (at most T = `simulations` times, until the most visited child has V): forward from the committed node to a leaf
by PUCT, draw its q children, evaluate them, and add their values to all above (backward). Going back to another
leaf is the rewind: its pages are there, and nothing is read again.
Target: a text whose every piece held up when looked beyond. A search, not a sampler. width=1 is plain sampling, draw
for draw; simulations=1 is beam search with one kept prefix, over pieces.
The paper evaluates by asking the model itself: that is a reward here (self-evaluation); any other will do.
Departures: all children of a leaf are drawn and evaluated at once; equal draws are not merged, so priors are equal;
values are scaled by the extremes of the tree where they meet curiosity; no update of similar siblings by embeddings.
"""

from typing import Any

from ramify.core.protocols import Method
from ramify.core.steps import candidates, counts, multiplied
from ramify.core.strict import finite
from ramify.core.tree import Node, back_up, grow, promising, scale_of
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Fork, Score, Search, Tokens


def rain(
    prompt: Prompt,
    *,
    simulations: int = 8,
    width: int = 4,
    tokens: int = 8,
    enough: float = 0.0,
    visits: int = 4,
    c: float = 1.0,
) -> Search[Selection]:
    """Forward, evaluate, backward, commit; piece by piece.

    Args:
        simulations: most looks ahead for each piece (T). width: children of a node (q). tokens: of a piece.
        enough: mean value that a piece is committed at, on the reward's own scale (V), once it has `visits`.
        c: weight of curiosity against value.
    Raises:
        BadInput: an option is out of its range.
    """
    counts(simulations=simulations, width=width, tokens=tokens, visits=visits)
    finite("enough", enough), finite("c", c, 0.0)
    s, rounds = dict[Branch, float](), list[dict[str, Any]]()
    live: list[Branch] = yield Fork(prompt, width)
    children = yield from _evaluated(None, live, tokens, s)
    while True:
        looks = 1
        while looks < simulations and not _suffices(children, enough, visits):
            leaf = promising(children, c, scale_of([*s.values()]))
            if leaf.ended:  # all did
                break
            live = yield from multiplied([(leaf.branch, width)])
            yield from _evaluated(leaf, live, tokens, s)
            looks += 1

        chosen = _most_visited(children)
        rounds.append({"looks": looks, "visits": chosen.visits, "value": chosen.value(), "at": chosen.length})
        yield Drop({leaf.branch for x in children if x is not chosen for leaf in x.leaves()})
        chosen.parent = None
        if chosen.ended:
            break
        if not chosen.children:
            live = yield from multiplied([(chosen.branch, width)])
            yield from _evaluated(chosen, live, tokens, s)
        children = chosen.children
    answers = yield Answers(list(s))
    ended = candidates(s, answers)
    return Selection(next(e for e in ended if e.branch is chosen.branch), ended, tuple(rounds))


def _evaluated(parent: Node | None, live: list[Branch], tokens: int, s: dict[Branch, float]) -> Search[list[Node]]:
    """Children of a node: their tokens drawn, their values added to all above."""
    yield Advance(live, Tokens(tokens))
    s |= yield Score(live)
    nodes = grow(parent, live, [len(b.tokens) for b in live], [s[b] for b in live])
    for node in nodes:
        back_up(node, node.score)
    return nodes


def _suffices(children: list[Node], enough: float, visits: int) -> bool:
    best = _most_visited(children)
    return best.visits >= visits and best.value() >= enough


def _most_visited(children: list[Node]) -> Node:
    return max(children, key=lambda x: (x.visits, x.value()))


METHOD = Method(
    name="rain",
    run=rain,
    summary="look ahead, judge, rewind, commit to what held up",
    paper="arXiv:2309.07124",
    law="a search for texts that hold up piece by piece; width=1 is plain sampling",
    uses_reward=True,
    needs="a reward that scores partial texts (the paper's: the model's own judgement)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method rain --reward builtin-prm --set simulations=4',
    size="simulations",
)
