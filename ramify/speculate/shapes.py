"""The shapes that settle every node by itself: who gets how many children, and which.

`beams`, `best_first` and `fixed` hold those that weigh the nodes of a level against one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import mul
from typing import Protocol

import numpy as np

from ramify.core.errors import BadInput
from ramify.speculate.growth import Growth, Laws, Path, Sapling, Shape, grow
from ramify.speculate.tree import ROOT, Chance, How, Masses

__all__ = [
    "Distinct",
    "Growth",
    "Independent",
    "Laws",
    "Likeliest",
    "Path",
    "Sapling",
    "Shape",
    "grow",
    "likeliest",
    "without",
]


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

    @property
    def nodes(self) -> int:
        """Of all levels."""
        return sum(accumulate(self.widths, mul))

    def within(self, levels: int) -> "Independent":
        """The upper levels."""
        return replace(self, widths=self.widths[:levels])

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

    @property
    def nodes(self) -> int:
        """Of all levels."""
        return sum(accumulate(self.widths, mul))

    def within(self, levels: int) -> "Distinct":
        """The upper levels."""
        return replace(self, widths=self.widths[:levels])

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

    @property
    def nodes(self) -> int:
        """Of all levels."""
        return sum(accumulate(self.widths, mul))

    def within(self, levels: int) -> "Likeliest":
        """The upper levels."""
        return replace(self, widths=self.widths[:levels])

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
