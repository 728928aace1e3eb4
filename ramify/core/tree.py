"""A tree of prefixes as tree searches hold it: values, visits, and which leaf to look at next.

    q   value of a node, scaled to [0, 1] by the extremes seen in the tree      n   visits      p   prior
    c   weight of curiosity                                                     N   visits of the parent

Silver et al., "Mastering the game of Go without human knowledge", Nature 2017 (PUCT: q + c p sqrt(N) / (1 + n)); the
scaling is that of Schrittwieser et al., arXiv:1911.08265, so that c means the same under every reward.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ramify.core.types import Branch

Q = "mean", "max"


@dataclass(eq=False)
class Node:
    """A prefix: the first `length` tokens of a branch (which may have gone on).

    `values` are those that were backed up through it; `score` is its own.
    """

    branch: Branch
    length: int
    score: float
    ended: bool  # whether the text ends here
    prior: float = 1.0
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    highest: float = -math.inf

    def value(self, how: str = "mean") -> float:
        """Mean or maximum of what was backed up; its own score before that."""
        if not self.visits:
            return self.score
        return self.highest if how == "max" else self.total / self.visits

    def leaves(self) -> Iterator["Node"]:
        """Nodes without children below it, or itself."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def grow(parent: "Node | None", branches: Sequence[Branch], ends: Sequence[int], scores: Sequence[float]) -> list[Node]:
    """Children of a node, of equal prior: branch i as far as its first ends[i] tokens."""
    prior = 1.0 / len(branches)
    nodes = [
        Node(b, end, score, b.done and len(b.tokens) == end, prior, parent)
        for b, end, score in zip(branches, ends, scores, strict=True)
    ]
    if parent is not None:
        parent.children += nodes
    return nodes


def back_up(node: "Node | None", value: float) -> None:
    """Note a value at a node and at all above it."""
    while node is not None:
        node.visits, node.total, node.highest = node.visits + 1, node.total + value, max(node.highest, value)
        node = node.parent


def promising(children: Sequence[Node], c: float, scale: tuple[float, float], how: str = "mean") -> Node:
    """Down from a node's children to a leaf, by PUCT; the earliest of equals. Ways that all ended are not taken.

    Args:
        scale: the lowest and the highest score of the tree, finite ones.
    """
    while True:
        N = 1 + sum(child.visits for child in children)
        open_ = [child for child in children if any(not leaf.ended for leaf in child.leaves())] or list(children)
        node = max(open_, key=lambda x: _scaled(x.value(how), scale) + c * x.prior * math.sqrt(N) / (1 + x.visits))
        if not node.children:
            return node
        children = node.children


def scale_of(scores: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest finite score; (0, 0) where there is none."""
    finite = [s for s in scores if math.isfinite(s)]
    return (min(finite), max(finite)) if finite else (0.0, 0.0)


def _scaled(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    if not math.isfinite(value):
        return -1.0
    return (value - low) / (high - low) if high > low else 0.0
