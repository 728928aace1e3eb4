"""The N nodes of highest probability under the draft: of all trees of N nodes the one expected to be accepted furthest.

Li et al., "EAGLE-2: Faster Inference of Language Models with Dynamic Draft Trees", arXiv:2406.16858; Wang et al.,
"OPT-Tree", arXiv:2406.17276; Chen et al., "Sequoia", arXiv:2402.12374 (the same for trees that do not move).

If the text were the draft's, a node would be accepted with its path's probability, so a tree is accepted as far as
these probabilities sum to. A child is never likelier than its parent; hence the N likeliest nodes are a tree, and no
other N nodes have a larger sum.

Departure: EAGLE-2 widens a fixed number of nodes at each level and ranks at the end; here a node is widened if, and
only if, a child of it can still be among the N best, so the tree is the best one and not nearly.
"""

from dataclasses import dataclass, replace

from ramify.core.errors import BadInput
from ramify.speculate.shapes import Growth, Sapling, likeliest
from ramify.speculate.tree import ROOT, Chance, How, TokenTree


@dataclass(frozen=True)
class BestFirst:
    """The `nodes` likeliest nodes, of `deepest` levels at most (None: as many levels as nodes)."""

    nodes: int
    deepest: int | None = None
    how: How = "given"

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise BadInput("nodes", f"{self.nodes}: a tree has one or more")
        if self.deepest is not None and self.deepest < 1:
            raise BadInput("deepest", f"{self.deepest}: a tree has a level or more")

    @property
    def depth(self) -> int:
        """Levels at most."""
        return min(self.nodes, self.deepest or self.nodes)

    @property
    def is_chain(self) -> bool:
        """One node; more of them may turn out to be a chain, or not."""
        return self.nodes == 1

    def within(self, levels: int) -> "BestFirst":
        """The best of so many levels."""
        return replace(self, deepest=min(self.depth, levels))

    def growth(self, chance: Chance) -> Growth:
        """Level by level, until no child can be among the best."""
        sapling, level = Sapling(), [ROOT]
        best = list[int]()  # of the nodes so far, the likeliest first, of equal ones the earlier
        for _ in range(self.depth):
            yield from sapling.read(level)
            fresh = [sapling.add(node, token) for node in level for token in likeliest(sapling.laws[node], self.nodes)]
            best = sorted([*best, *fresh], key=lambda node: -sapling.masses[node])[: self.nodes]
            level = sorted({*fresh} & {*best[: self.nodes - 1]})  # behind the last of N nothing fits
            if not level:
                break
        return _only(sapling, sorted(best), self.how)


def _only(sapling: Sapling, nodes: list[int], how: How) -> TokenTree:
    new = {ROOT: ROOT} | {old: number for number, old in enumerate(nodes)}
    return TokenTree(
        tuple(sapling.tokens[node] for node in nodes),
        tuple(new[sapling.parents[node]] for node in nodes),
        {},
        how,
        tuple(sapling.masses[node] for node in nodes),
    )
