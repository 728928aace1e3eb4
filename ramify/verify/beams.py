"""Stochastic beams that can be enumerated: the same trees from finitely many draws.

Continuous noise has no outcomes to go through. But a path arrives with the first of its leaves (`speculate.beams`), and
leaves that race arrive in the order of a sample without replacement. So level d's beams are the first W distinct
prefixes of d tokens in the order of an ordered sample of whole leaves. Once the leaves have filled a level, only
prefixes that are new to the levels above matter; these race with the mass of all their leaves.

A test holds this against the shape that is really used, by their frequencies.
"""

from dataclasses import dataclass, replace

import numpy as np

from ramify.speculate.shapes import Growth, Path, Sapling
from ramify.speculate.tree import ROOT, Chance, How, Masses


@dataclass(frozen=True)
class EnumerableBeams:
    """`StochasticBeams` by choices alone; reads the laws of all paths, so for tiny vocabularies."""

    width: int
    depth: int
    how: How = "distinct"

    @property
    def is_chain(self) -> bool:
        """One beam."""
        return self.width == 1

    @property
    def nodes(self) -> int:
        """All beams of all levels."""
        return self.width * self.depth

    def within(self, levels: int) -> "EnumerableBeams":
        """The upper levels."""
        return replace(self, depth=min(self.depth, levels))

    def growth(self, chance: Chance) -> Growth:
        """All laws first, then one race."""
        laws, mass, level = dict[Path, Masses](), dict[Path, float]({(): 1.0}), list[Path]([()])
        for _ in range(self.depth):
            laws.update(zip(level, (yield level), strict=True))
            level = [(*path, int(token)) for path in level for token in np.flatnonzero(laws[path])]
            mass |= {path: mass[path[:-1]] * float(laws[path[:-1]][path[-1]]) for path in level}
        sapling, nodes = Sapling(laws={ROOT: laws[()]}), dict[Path, int]({(): ROOT})
        for beams in self._race(mass, chance):
            for path in beams:
                nodes[path] = node = sapling.add(nodes[path[:-1]], path[-1])
                if len(path) < self.depth:
                    sapling.laws[node] = laws[path]
        return sapling.tree(self.how)

    def _race(self, mass: dict[Path, float], chance: Chance) -> list[list[Path]]:
        beams: list[list[Path]] = [[] for _ in range(self.depth)]
        for length in range(self.depth, 0, -1):
            for _ in range(self.width - len(beams[length - 1])):
                late = [path for path in mass if len(path) == length and path not in beams[length - 1]]
                total = sum(mass[path] for path in late)
                if total <= 0.0:
                    break
                first = late[chance.choose([mass[path] / total for path in late])]
                for d in range(length):
                    if first[: d + 1] not in beams[d]:
                        beams[d].append(first[: d + 1])
        return beams
