"""A tree whose outline does not depend on the text, and the best such outline for measured acceptance and cost.

Cai et al., "Medusa", arXiv:2401.10774; Chen et al., "Sequoia: Scalable, Robust, and Hardware-aware Speculative
Decoding", arXiv:2402.12374.

    a[d][j]   chance that the child of rank j is accepted at level d, given that its parent was
    value     of a node: the product of these along its path, which is the chance that the node is accepted
    t[n]      cost of a pass of the target over n rows: the root's and every node's

Values fall along every path and among siblings, so the N nodes of highest value are the best outline of N nodes
(Sequoia finds it by dynamic programming, for trees in which a rank's acceptance does not depend on the level). What is
left is how many nodes and how many levels are worth their cost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise

from ramify.core.errors import BadInput
from ramify.core.strict import finite
from ramify.speculate.shapes import Growth, Sapling, likeliest
from ramify.speculate.tree import ROOT, Chance, How


@dataclass(frozen=True)
class Fixed:
    """`parents[n]` is the node before node n, -1 the root. A node's children are its likeliest tokens, in order.

    Where a law has fewer tokens than the outline has children, the rest of them is left out with all that follows.
    """

    parents: Sequence[int]
    how: How = "given"

    def __post_init__(self) -> None:
        for node, parent in enumerate(self.parents):
            if not ROOT <= parent < node:
                raise BadInput("parents", f"node {node} follows node {parent}; a node comes after its parent")
        if not self.parents:
            raise BadInput("parents", "none: a tree has a node or more")

    @cached_property
    def children(self) -> dict[int, list[int]]:
        """The outline the other way round."""
        below = dict[int, list[int]]()
        for node, parent in enumerate(self.parents):
            below.setdefault(parent, []).append(node)
        return below

    @property
    def depth(self) -> int:
        """Levels of the outline."""
        return max(self._levels)

    @property
    def is_chain(self) -> bool:
        """Nobody has a sibling."""
        return all(len(siblings) == 1 for siblings in self.children.values())

    @property
    def nodes(self) -> int:
        """Of the outline."""
        return len(self.parents)

    def within(self, levels: int) -> "Fixed":
        """The upper levels of the outline."""
        kept = [node for node, level in enumerate(self._levels) if level <= levels]
        new = {ROOT: ROOT} | {old: number for number, old in enumerate(kept)}
        return replace(self, parents=tuple(new[self.parents[node]] for node in kept))

    def growth(self, chance: Chance) -> Growth:
        """Reads the laws of nodes with children only."""
        sapling, level = Sapling(), {ROOT: ROOT}  # of the outline -> of the tree
        while inner := {node: grown for node, grown in level.items() if node in self.children}:
            yield from sapling.read(list(inner.values()))
            level = {}
            for node, grown in inner.items():
                siblings = self.children[node]
                tokens = likeliest(sapling.laws[grown], len(siblings))
                level |= {n: sapling.add(grown, t) for n, t in zip(siblings, tokens, strict=False)}
        return sapling.tree(self.how)

    @cached_property
    def _levels(self) -> list[int]:
        level = {ROOT: 0}
        for node, parent in enumerate(self.parents):
            level[node] = level[parent] + 1
        return [level[node] for node in range(len(self.parents))]


def optimal_widths(
    acceptance: Sequence[Sequence[float]], cost_of_rows: Sequence[float], cost_of_level: float = 0.0
) -> Fixed | None:
    """The outline with the most expected tokens per unit of cost.

    Args:
        acceptance: [levels][ranks], each level's falling and summing to one at most. It bounds depth and width.
        cost_of_rows: of a pass of the target over n rows, at index n; its length bounds the nodes. Index 0 is not read.
        cost_of_level: of a pass of the draft, in the same unit.

    Returns: the outline, or None if plain decoding, one token a row, is at least as good.
    Raises:
        BadInput: acceptances that rise with the rank or are no probabilities (pool ranks that were seen too rarely), a
            cost that is not above zero.
    """
    _check(acceptance, cost_of_rows, cost_of_level)
    best, rate = None, 1.0 / cost_of_rows[1]
    for levels in range(1, len(acceptance) + 1):
        tokens, parents = 1.0, list[int]()
        for parent, value in _by_value(acceptance[:levels], len(cost_of_rows) - 2):
            tokens, parents = tokens + value, [*parents, parent]
            now = tokens / (cost_of_rows[len(parents) + 1] + levels * cost_of_level)
            if now > rate:
                best, rate = parents, now
    return None if best is None else Fixed(tuple(best))


def _by_value(acceptance: Sequence[Sequence[float]], most: int) -> Iterator[tuple[int, float]]:
    """(parent, value) of up to `most` nodes, the highest value first; a node is numbered when it comes out."""
    waiting = [(-acceptance[0][0], 0, ROOT, 1.0, 0)]  # -value, level, parent, the parent's value, rank
    for node in range(most):
        if not waiting or waiting[0][0] == 0.0:
            return
        negative, level, parent, above, rank = heappop(waiting)
        yield parent, -negative
        if rank + 1 < len(acceptance[level]):
            heappush(waiting, (-above * acceptance[level][rank + 1], level, parent, above, rank + 1))
        if level + 1 < len(acceptance):
            heappush(waiting, (negative * acceptance[level + 1][0], level + 1, node, -negative, 0))


def _check(acceptance: Sequence[Sequence[float]], cost_of_rows: Sequence[float], cost_of_level: float) -> None:
    for level, ranks in enumerate(acceptance):
        falling = all(a >= b for a, b in pairwise(ranks))
        if not ranks or not falling or ranks[-1] < 0.0 or sum(ranks) > 1.0 + 1e-9:
            raise BadInput("acceptance", f"level {level}, {list(ranks)}: falling probabilities that sum to one at most")
    if len(cost_of_rows) < 2 or not all(cost > 0.0 for cost in cost_of_rows[1:]):
        raise BadInput("cost_of_rows", f"{list(cost_of_rows)}: costs above zero, of one row or more")
    finite("cost_of_level", cost_of_level, 0.0)
