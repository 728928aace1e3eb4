"""The shapes that drafted trees grow in, level by level: who gets which children.

A shape sees the law of every node of the last level and names their children; the drafter then reads those. So one
shape serves every drafter that has laws, and costs one pass of the draft a level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ramify.core.errors import BadInput
from ramify.speculate.tree import ROOT, Chance, How, Masses, TokenTree


class Shape(Protocol):
    """`how` the children come about, and how many each node of a level gets."""

    @property
    def how(self) -> How: ...

    @property
    def widths(self) -> Sequence[int]: ...

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """The tokens that follow one node."""
        ...


@dataclass(frozen=True)
class Independent:
    """`widths[d]` draws at every node of level d, each from the whole law; widths of one are a chain.

    Sun et al., "SpecTr", arXiv:2310.15141.
    """

    widths: Sequence[int]
    how: How = "iid"

    def __post_init__(self) -> None:
        _require(self.widths)

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """Equal siblings stay two: the rules count on their number."""
        return [chance.choose(mass_V.tolist()) for _ in range(width)]


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

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """Fewer than `width` where the law has fewer tokens."""
        rest_V, drawn = mass_V.copy(), list[int]()
        while len(drawn) < width and rest_V.sum() > 0.0:
            drawn.append(chance.choose(rest_V.tolist()))
            rest_V[drawn[-1]] = 0.0
            rest_V /= rest_V.sum() or 1.0
        return drawn


@dataclass(frozen=True)
class Likeliest:
    """The `widths[d]` likeliest tokens at every node of level d: nothing is left to chance.

    Miao et al., "SpecInfer", arXiv:2305.09781; Cai et al., "Medusa", arXiv:2401.10774.
    """

    widths: Sequence[int]
    how: How = "given"

    def __post_init__(self) -> None:
        _require(self.widths)

    def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
        """Of equal ones the lower id first."""
        order = np.argsort(-mass_V, kind="stable")[:width]
        return [int(token) for token in order if mass_V[token] > 0.0]


class Laws(Protocol):
    """The draft's laws after each path of drafted tokens, all transforms of sampling applied."""

    def __call__(self, paths: Sequence[Sequence[int]]) -> Sequence[Masses]: ...


def grow(shape: Shape, laws: Laws, chance: Chance) -> TokenTree:
    """Draft a tree: one call of `laws` a level."""
    tokens, parents, drawn_from = list[int](), list[int](), dict[int, Masses]()
    level: list[tuple[int, tuple[int, ...]]] = [(ROOT, ())]
    for width in shape.widths:
        below: list[tuple[int, tuple[int, ...]]] = []
        for (node, path), mass_V in zip(level, laws([path for _, path in level]), strict=True):
            drawn_from[node] = mass_V
            for token in shape.children(mass_V, width, chance):
                below.append((len(tokens), (*path, token)))
                tokens.append(token)
                parents.append(node)
        level = below
    return TokenTree(tuple(tokens), tuple(parents), _kept(drawn_from, shape), shape.how)


def _kept(drawn_from: Mapping[int, Masses], shape: Shape) -> Mapping[int, Masses]:
    return {} if shape.how == "given" else drawn_from


def _require(widths: Sequence[int]) -> None:
    if not widths or min(widths) < 1:
        raise BadInput("widths", f"{list(widths)}: a tree has a level or more, and a child or more at each")
