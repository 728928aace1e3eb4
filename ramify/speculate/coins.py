"""Addressed randomness for drafts and for rules.

A coin belongs to (branch, length of the text the draft stands behind, number of the coin, purpose). The length is part
of it, because what was drawn behind a text may be thrown away (a marker was met on the way): the text then goes on with
coins that nobody has looked at.
"""

from typing import Literal

import numpy as np

from ramify.core.random import address_at, uniform
from ramify.speculate.tree import Weights


class Coins:
    """Coins of one draft, in the order in which they are asked for."""

    def __init__(self, address: int, length: int, purpose: Literal["draft", "accept"]) -> None:
        self.address, self.purpose, self.count = address_at(address, length), purpose, 0

    def uniform(self) -> float:
        """A number in [0, 1)."""
        self.count += 1
        return uniform(self.address, self.count, self.purpose)

    def choose(self, masses: Weights) -> int:
        """An index, with probability in proportion to its mass."""
        return pick(masses, self.uniform())


class Foresight:
    """The uniforms that plain decoding will draw with, level by level: a chain drawn with them meets its draws often.

    A draft may read them: the rule that the target's own draws decide (`coupled`) is right whatever was drafted. Only
    chains may be drawn with it: a second candidate would be the first.

    Args:
        by_mass: whether the target's draw runs through its support from the largest mass down (it does after a cut).
    """

    def __init__(self, address: int, length: int, *, by_mass: bool) -> None:
        self.address, self.position, self.by_mass = address, length - 1, by_mass

    def uniform(self) -> float:
        """The next position's."""
        self.position += 1
        return uniform(self.address, self.position)

    def choose(self, masses: Weights) -> int:
        """What the next position's draw would be, were this its law."""
        if not self.by_mass:
            return pick(masses, self.uniform())
        mass_V = np.asarray(masses)
        order = np.argsort(-mass_V, kind="stable")
        return int(order[pick(mass_V[order], self.uniform())])


def pick(masses: Weights, at: float) -> int:
    """The first index whose cumulated mass exceeds `at` of the total; never one of zero mass."""
    sum_V = np.cumsum(masses)
    last = int(np.searchsorted(sum_V, sum_V[-1]))  # where the total is reached: rounding must not lead beyond
    return min(int(np.searchsorted(sum_V, at * sum_V[-1], side="right")), last)
