"""The shapes that drafted trees grow in, level by level: who gets which children.

A shape is a generator: it yields the paths after which it wants the draft's laws, gets them all at once, and returns
the tree. So one shape serves every drafter that has laws, it costs one pass of the draft a level, and many shapes can
share that pass. This file holds the shapes that settle every node by itself; `beams`, `best_first` and `fixed` hold
those that weigh the nodes of a level against one another.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ramify.core.errors import BadInput
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


class _Children(Protocol):
    def __call__(self, mass_V: Masses, width: int, chance: Chance) -> list[int]: ...


def _each_alone(widths: Sequence[int], children: _Children, how: How, chance: Chance) -> Growth:
    sapling, level = Sapling(), [ROOT]
    for width in widths:
        yield from sapling.read(level)
        drawn = [(node, children(sapling.laws[node], width, chance)) for node in level]
        level = [sapling.add(node, token) for node, tokens in drawn for token in tokens]
    return sapling.tree(how)


@dataclass(frozen=True)
class Independent:
    """`widths[d]` draws at every node of level d, each from the whole law; widths of one are a chain.

    Sun et al., "SpecTr", arXiv:2310.15141.
    """

    widths: Sequence[int]
    how: How = "iid"

    def __post_init__(self) -> None:
        _require(self.widths)

    @property
    def depth(self) -> int:
        """A level a width."""
        return len(self.widths)

    @property
    def is_chain(self) -> bool:
        """Widths of one."""
        return max(self.widths) == 1

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """Equal siblings stay two: the rules count on their number."""
        return [chance.choose(mass_V) for _ in range(width)]

    def growth(self, chance: Chance) -> Growth:
        """Every node by itself."""
        return _each_alone(self.widths, self.children, self.how, chance)


@dataclass(frozen=True)
class Distinct:
    """As `Independent`, but no sibling twice: what the top perturbed log-masses give, drawn one after another.

    Jeon et al., "Recursive Speculative Decoding" (RSD-C), arXiv:2402.14160; Kool et al., "Stochastic Beams and Where to
    Find Them", arXiv:1903.06059.
    """

    widths: Sequence[int]
    how: How = "distinct"

    def __post_init__(self) -> None:
        _require(self.widths)

    @property
    def depth(self) -> int:
        """A level a width."""
        return len(self.widths)

    @property
    def is_chain(self) -> bool:
        """Widths of one."""
        return max(self.widths) == 1

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """Fewer than `width` where the law has fewer tokens."""
        drawn, rest_V = [chance.choose(mass_V)], mass_V
        while len(drawn) < width:
            rest_V = without(rest_V, drawn[-1])
            if not rest_V.any():
                break
            drawn.append(chance.choose(rest_V))
        return drawn

    def growth(self, chance: Chance) -> Growth:
        """Every node by itself."""
        return _each_alone(self.widths, self.children, self.how, chance)


@dataclass(frozen=True)
class Likeliest:
    """The `widths[d]` likeliest tokens at every node of level d: nothing is left to chance.

    Miao et al., "SpecInfer", arXiv:2305.09781; Cai et al., "Medusa", arXiv:2401.10774.
    """

    widths: Sequence[int]
    how: How = "given"

    def __post_init__(self) -> None:
        _require(self.widths)

    @property
    def depth(self) -> int:
        """A level a width."""
        return len(self.widths)

    @property
    def is_chain(self) -> bool:
        """Widths of one."""
        return max(self.widths) == 1

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """Of equal ones the lower id first."""
        return likeliest(mass_V, width)

    def growth(self, chance: Chance) -> Growth:
        """Every node by itself."""
        return _each_alone(self.widths, self.children, self.how, chance)


def likeliest(mass_V: Masses, count: int) -> list[int]:
    """Up to `count` tokens with mass, the likeliest first, of equal ones the lower id."""
    if count < len(mass_V):
        least = np.partition(mass_V, -count)[-count]
        ids_K = np.flatnonzero((mass_V >= least) & (mass_V > 0.0))
    else:
        ids_K = np.flatnonzero(mass_V)
    order_K = np.argsort(-mass_V[ids_K], kind="stable")[:count]
    return [int(token) for token in ids_K[order_K]]


def without(mass_V: Masses, token: int) -> Masses:
    """The law of a draw that does not give this token; all zeros where it is the only one."""
    rest_V = mass_V.copy()
    rest_V[token] = 0.0
    total = float(rest_V.sum())
    return rest_V / total if total > 0.0 else rest_V


def _require(widths: Sequence[int]) -> None:
    if not widths or min(widths) < 1:
        raise BadInput("widths", f"{list(widths)}: a tree has a level or more, and a child or more at each")
