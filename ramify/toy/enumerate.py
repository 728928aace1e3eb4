"""Every outcome of a randomised algorithm with its exact probability.

The algorithm runs again and again, each time along another path of draws; a path's probability is the product of the
masses of what was drawn. It runs through the very function that users run: only the draw is handed in.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ramify.core.types import Branch
from ramify.maths.law import Law


@dataclass
class Tape:
    """A prescribed path of draws; past its end it takes the first outcome and notes what else there was."""

    choices: list[int]
    probability: float = 1.0
    widths: list[int] = field(default_factory=list)
    at: int = 0

    def __call__(self, law: Law, branches: Sequence[Branch]) -> list[int]:
        """One prescribed token a row, in the rows' order."""
        return [
            self._take(mass_K.tolist(), None if law.ids_RK is None else law.ids_RK[row].tolist())
            for row, mass_K in enumerate(law.mass_RK)
        ]

    def choose(self, masses: Sequence[float]) -> int:
        """A prescribed outcome of any other draw, of the given masses."""
        return self._take(list(masses), None)

    def toss(self, address: int, key: Sequence[int], cuts: Sequence[float]) -> float:
        """A prescribed interval between the cuts: its middle, with its length as probability."""
        ends = [0.0, *cuts, 1.0]
        if any(a > b for a, b in pairwise(ends)):
            raise ValueError(f"cuts are sorted points in [0, 1], not {list(cuts)}")
        index = self._take([b - a for a, b in pairwise(ends)], None)
        return (ends[index] + ends[index + 1]) / 2

    def _take(self, masses: list[float], ids: list[int] | None) -> int:
        support = [i for i, mass in enumerate(masses) if mass > 0]
        if self.at == len(self.choices):
            self.choices.append(0)
        index = support[self.choices[self.at]]
        self.widths[self.at :] = [len(support)]
        self.at += 1
        self.probability *= masses[index]
        return index if ids is None else ids[index]


def outcomes(run: Callable[[Tape], Hashable], most: int = 1_000_000) -> dict[Hashable, float]:
    """The exact law of `run`'s result.

    Args:
        run: the algorithm; it draws with the tape it is given and returns something hashable.
        most: refuse to go through more paths than this.

    Returns: outcome -> probability; the probabilities sum to one.
    Raises:
        ValueError: there are more than `most` paths.
    """
    law, choices = dict[Hashable, float](), list[int]()
    for _ in range(most):
        tape = Tape(choices.copy())
        result = run(tape)
        law[result] = law.get(result, 0.0) + tape.probability
        choices = tape.choices[: tape.at]
        while choices and choices[-1] + 1 == tape.widths[len(choices) - 1]:
            choices.pop()
        if not choices:
            return law
        choices[-1] += 1
    raise ValueError(f"more than {most} paths of draws: shorten the run")


def total_variation(p: Mapping[Any, float], q: Mapping[Any, float]) -> float:
    """Half the sum of absolute differences: 0 for equal laws, 1 for disjoint ones."""
    return sum(abs(p.get(key, 0.0) - q.get(key, 0.0)) for key in {*p, *q}) / 2
