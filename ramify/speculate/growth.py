"""How drafted trees grow, level by level.

A shape is a generator: it yields the paths after which it wants the draft's laws, gets them all at once, and returns
the tree. So one shape serves every drafter that has laws, it costs one pass of the draft a level, and many shapes can
share that pass.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ramify.speculate.tree import ROOT, Chance, How, Masses, TokenTree

Path = tuple[int, ...]
Growth = Generator[list[Path], Sequence[Masses], TokenTree]
Reading = Generator[list[Path], Sequence[Masses], None]


class Shape(Protocol):
    """`how` the children come about, and how the tree grows.

    Law: with `how` "iid" or "distinct", whether a node gets another child depends on its elder siblings, on other
    nodes and on chance of its own, never on the token that this child will be.
    """

    @property
    def how(self) -> How: ...

    @property
    def depth(self) -> int:
        """The most levels that it grows; each costs a pass of the draft."""
        ...

    @property
    def is_chain(self) -> bool:
        """Whether nobody ever has a sibling."""
        ...

    @property
    def nodes(self) -> int:
        """The most nodes that its tree has; each costs a row of the target's pass."""
        ...

    def within(self, levels: int) -> "Shape":
        """The same, grown for so many levels at most (one or more)."""
        ...

    def growth(self, chance: Chance) -> Growth:
        """Yields the paths of a level, gets their laws (all transforms of sampling applied), returns the tree."""
        ...


class Laws(Protocol):
    """The draft's laws after each path of drafted tokens, all transforms of sampling applied."""

    def __call__(self, paths: Sequence[Path]) -> Sequence[Masses]: ...


def grow(shape: Shape, laws: Laws, chance: Chance) -> TokenTree:
    """Draft a tree: one call of `laws` a level."""
    growth = shape.growth(chance)
    try:
        paths = next(growth)
        while True:
            paths = growth.send(laws(paths))
    except StopIteration as end:
        tree: TokenTree = end.value
        return tree


@dataclass
class Sapling:
    """A tree while it grows. `masses` are of whole paths, under the draft."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    masses: list[float] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    laws: dict[int, Masses] = field(default_factory=dict)

    def read(self, nodes: Sequence[int]) -> Reading:
        """Get the laws after these nodes."""
        laws = yield [self.path(node) for node in nodes]
        self.laws.update(zip(nodes, laws, strict=True))

    def path(self, node: int) -> Path:
        """The drafted tokens from the root to a node."""
        return () if node == ROOT else self.paths[node]

    def mass(self, node: int) -> float:
        """The probability of a node's path under the draft."""
        return 1.0 if node == ROOT else self.masses[node]

    def add(self, parent: int, token: int) -> int:
        """A child, as its parent's next; returns its number."""
        self.tokens.append(token)
        self.parents.append(parent)
        self.paths.append((*self.path(parent), token))
        self.masses.append(self.mass(parent) * min(1.0, float(self.laws[parent][token])))
        return len(self.tokens) - 1

    def tree(self, how: How) -> TokenTree:
        """What was grown; laws of children that did not come by chance are not told."""
        laws = {} if how == "given" else self.laws
        return TokenTree(tuple(self.tokens), tuple(self.parents), laws, how, tuple(self.masses))
