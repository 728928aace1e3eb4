"""The G-test of sampled texts against an exact law, and what it would find.

    n samples, p_i the mass of cell i, O_i how many samples fell into it

    G = 2 sum_i O_i ln(O_i / (n p_i))

is chi-square with one degree of freedom less than there are cells if the law is p (Wilks 1938). If it is some a near p,
G is noncentral with lambda = n sum_i (a_i - p_i)^2 / p_i. By Cauchy and Schwarz lambda >= 4 n d^2 for every a at total
variation d, in whatever direction: so what d a test finds how often, at least, is known before it is made.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt

import numpy as np
import torch

from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses

LawsAfter = Callable[[Sequence[Path]], Sequence[Masses]]
LEAST = 5.0  # samples that a cell expects
FAR = 40.0  # standard deviations of a Poisson law beyond which nothing is left


@dataclass(frozen=True)
class Cells:
    """The first `length` tokens of a text, in cells: a path of `length` tokens, or a shorter one and then none of its
    cells. `strays` is the cell of what is too rare for one of its own."""

    mass: dict[Path, float]
    length: int
    strays: Path

    def of(self, text: Sequence[int]) -> Path:
        """The cell that a text falls into."""
        paths = (tuple(text[:end]) for end in range(self.length, -1, -1))
        return next((path for path in paths if path in self.mass), self.strays)


def cells(laws_after: LawsAfter, length: int, samples: int) -> Cells:
    """The chain rule over the tree of texts, as far as its branches expect LEAST of so many samples."""
    least, mass, level = LEAST / samples, dict[Path, float]({(): 1.0}), list[Path]([()])
    rest = dict[Path, float]()
    for _ in range(length):
        laws, deeper = laws_after(level), list[Path]()
        for path, law_V in zip(level, laws, strict=True):
            inner_V = mass[path] * law_V / law_V.sum()
            often = np.flatnonzero(inner_V >= least)
            mass |= {(*path, int(token)): float(inner_V[token]) for token in often}
            rest[path] = mass[path] - float(inner_V[often].sum())
            deeper += [(*path, int(token)) for token in often]
        level = deeper
    found = {path: mass[path] for path in level}
    for path in sorted(rest, key=len, reverse=True):  # what is too rare beneath a path belongs to the path before it
        if rest[path] >= least:
            found[path] = rest[path]
        elif path:
            rest[path[:-1]] += rest[path]
    if () in found:
        return Cells(found, length, ())
    strays = min(found, key=found.__getitem__)
    return Cells(found | {strays: found[strays] + max(0.0, rest[()])}, length, strays)


@dataclass(frozen=True)
class GTest:
    """`p`: how likely a G at least so large is if the law is right. `distance`: the samples' total variation from it.

    tested    drafted tokens that a rule had put to the test for these samples
    """

    p: float
    distance: float
    samples: int
    cells: int
    tested: int = 0

    def finds(self, alpha: float, power: float = 0.9) -> float:
        """The total variation in these cells that is found with this probability at least, at level alpha."""
        return detectable(self.samples, self.cells - 1, alpha, power)


def g_test(texts: Iterable[Sequence[int]], law: Cells) -> GTest:
    """Of sampled texts against the law of their first tokens."""
    count = Counter(map(law.of, texts))
    n = count.total()
    g = 2.0 * sum(seen * log(seen / (n * law.mass[path])) for path, seen in count.items())
    far = sum(abs(count[path] / n - mass) for path, mass in law.mass.items()) / 2
    return GTest(beyond(g, len(law.mass) - 1), far, n, len(law.mass))


def beyond(x: float, freedom: int, noncentrality: float = 0.0) -> float:
    """The mass of a (noncentral) chi-square law beyond x: central ones, mixed by a Poisson law."""
    if freedom == 0:
        return 1.0
    mean = noncentrality / 2
    if mean == 0.0:
        return float(_central(x, np.array([freedom / 2]))[0])
    spread = FAR * sqrt(mean) + FAR
    counts = np.arange(max(0, int(mean - spread)), int(mean + spread) + 1)
    chances = np.array([exp(k * log(mean) - mean - lgamma(k + 1)) for k in counts.tolist()])
    return float(chances @ _central(x, (freedom / 2 + counts).astype(np.float64)))


def _central(x: float, shapes: Masses) -> Masses:
    found: Masses = torch.special.gammaincc(torch.tensor(shapes), torch.tensor(max(0.0, x) / 2).double()).numpy()
    return found


def detectable(samples: int, freedom: int, alpha: float, power: float = 0.9) -> float:
    """The total variation that a G-test finds with this power at least; 1 if there is nothing to find."""
    if freedom == 0:
        return 1.0
    critical = _least(lambda x: beyond(x, freedom) <= alpha, 4.0 * freedom + 100.0)
    noncentrality = _least(lambda far: beyond(critical, freedom, far) >= power, 4.0 * freedom + 200.0)
    return min(1.0, sqrt(noncentrality / (4.0 * samples)))


def _least(reached: Callable[[float], bool], most: float) -> float:
    """Where a condition begins to hold, between 0 and `most`."""
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
