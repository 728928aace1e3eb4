"""Stochastic beams: the W best sequences of every level after each was perturbed once, grown as one tree.

Jeon et al., "Recursive Speculative Decoding" (RSD-S), arXiv:2402.14160; Kool et al., "Stochastic Beams and
Where to Find Them", arXiv:1903.06059.

    G    perturbed value of a path: its log-probability under the draft, plus Gumbel noise
    T    exp(-G), when the path arrives if all of them race, each at the rate of its probability; low is good
    W    paths that a level keeps, wherever they hang: likely parents get many children, unlikely ones none

A path arrives with the first of its continuations. So the eldest child of a node has its parent's T, and the next one
comes E / (mass that the elder ones leave) later, E exponential: what a Gumbel variable cut off at the elder one's value
is (Kool et al.), without its logarithms. The tokens, in the order of arrival, are an ordered sample without
replacement. Only arrivals that may be kept are drawn: at most 2 W a level, where perturbing all paths takes W V.
Departure: the root arrives at 0 instead of at a time of its own, which would delay all alike.

Why `recursive` may verify such a tree. It needs that a node's next sibling, given all that the rule has looked at, is
drawn from q without the elder siblings. Whether this sibling is in the tree depends on its T against the T of other
paths. Its T is made of its parent's, of the mass its elder siblings leave and of an E of its own: which token it will
be has no part in it, as who wins a race says nothing about when. The paths that hang elsewhere are made of other draws.
What its own identity settles (the mass left to younger siblings, the laws below) comes later in the race than itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import islice
from math import log1p

from ramify.core.errors import BadInput
from ramify.speculate.shapes import Growth, Sapling, without
from ramify.speculate.tree import ROOT, Chance, How, Masses

Arrival = tuple[float, int, int]  # T, rank of the parent among the beams, token


@dataclass(frozen=True)
class StochasticBeams:
    """The `width` first paths of each of `depth` levels. Width one is plain sampling."""

    width: int
    depth: int
    how: How = "distinct"

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1:
            raise BadInput("width", f"{self.width} beams, {self.depth} levels: there is one or more of each")

    @property
    def is_chain(self) -> bool:
        """One beam."""
        return self.width == 1

    @property
    def nodes(self) -> int:
        """All beams of all levels."""
        return self.width * self.depth

    def within(self, levels: int) -> "StochasticBeams":
        """The upper levels."""
        return replace(self, depth=min(self.depth, levels))

    def growth(self, chance: Chance) -> Growth:
        """Level by level; the beams of a level stand in the order of their arrival."""
        sapling, level, times = Sapling(), [ROOT], [0.0]
        for _ in range(self.depth):
            yield from sapling.read(level)
            races = [
                _arrivals(rank, time, sapling.mass(node), sapling.laws[node], chance)
                for rank, (node, time) in enumerate(zip(level, times, strict=True))
            ]
            kept = list(islice(_merged(races), self.width))
            level, times = [sapling.add(level[rank], token) for _, rank, token in kept], [time for time, _, _ in kept]
        return sapling.tree(self.how)


def _merged(races: list[Iterator[Arrival]]) -> Iterator[Arrival]:
    """All arrivals in order; nobody's next is drawn before it is asked for."""
    first = [next(race) for race in races]
    heapify(first)
    while first:
        yield (arrival := heappop(first))
        if later := next(races[arrival[1]], None):
            heappush(first, later)


def _arrivals(rank: int, time: float, mass: float, law_V: Masses, chance: Chance) -> Iterator[Arrival]:
    """A node's children in order: `mass` is of the node's path, and its eldest child arrives at `time`."""
    left = 1.0
    while True:
        token = chance.choose(law_V)
        yield time, rank, token
        left *= 1.0 - float(law_V[token])
        law_V = without(law_V, token)
        if not law_V.any() or mass * left <= 0.0:
            return
        time -= log1p(-chance.uniform()) / (mass * left)
