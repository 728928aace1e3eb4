"""What the tests of speculation share: small laws of every kind."""

from functools import cache, partial

import numpy as np

from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses
from ramify.verify.drafts import LawAfter

SIZE = 3
KINDS = ("smooth", "with zeros", "greedy target", "greedy draft", "far apart", "equal")


@cache
def law(kind: str, side: str, path: Path, size: int = SIZE) -> Masses:
    """The target's or the draft's law after a path."""
    who = 0 if side == "draft" and kind != "equal" else 1
    random = np.random.default_rng([who, len(kind), *path, 7])
    mass = random.dirichlet(np.ones(size) * (0.3 if kind == "far apart" else 1.0))
    if kind == "with zeros":
        mass[random.integers(size)] = 0.0
    if kind == f"greedy {side}":
        mass = np.eye(size)[random.integers(size)]
    return mass / mass.sum()


def after(kind: str, side: str) -> LawAfter:
    """The same as a function of the path."""
    return partial(law, kind, side)
