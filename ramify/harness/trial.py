"""A method with one n on every problem and seed, and what a comparison makes of many of these.

The unit of every interval is the problem: a problem's number is its mean over the seeds, and two methods are compared
problem by problem, seed by seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from statistics import fmean
from typing import Any

from ramify.harness.interval import Interval, fraction, mean

Row = Mapping[str, Any]
KEYS = ("method", "setting", "n", "budget", "problem", "seed")
ABOUT = ("draw_seed", "solved", "checked", "answer", "stopped_because", "score", "candidates", "right", "text")


@dataclass(frozen=True)
class Trial:
    """One method with one n. `rows` has one row for each problem and seed."""

    label: str
    n: int | None
    rows: tuple[Row, ...]

    @cached_property
    def solved(self) -> tuple[float, ...]:
        """For each problem, the share of seeds that solved it."""
        return self.each("solved")

    @property
    def accuracy(self) -> Interval:
        """Fraction of the problems solved."""
        return fraction(self.solved)

    @cached_property
    def cost(self) -> float:
        """FLOPs a problem, all models."""
        return self.mean("flops")

    def each(self, column: str) -> tuple[float, ...]:
        """For each problem, the mean over the seeds."""
        found: dict[int, list[float]] = {}
        for row in self.rows:
            found.setdefault(row["problem"], []).append(row[column])
        return tuple(fmean(found[problem]) for problem in sorted(found))

    def mean(self, column: str) -> float:
        """Over all problems and seeds; a column that a row lacks counts as nothing there."""
        return fmean(row.get(column) or 0.0 for row in self.rows)

    def peak(self, column: str) -> float:
        """The worst of all problems and seeds."""
        return max(row.get(column) or 0.0 for row in self.rows)

    def columns(self) -> dict[str, float]:
        """The ledger, a problem; peaks as they are."""
        names = dict.fromkeys(name for row in self.rows for name in row if name not in KEYS + ABOUT)
        return {name: self.peak(name) if name.startswith("peak_") else self.mean(name) for name in names}

    def gain(self, other: "Trial") -> Interval:
        """How many more problems it solves than `other` on the same problems, as a paired fraction."""
        return mean([mine - theirs for mine, theirs in zip(self.solved, other.solved, strict=True)])

    def wins(self, other: "Trial", column: str = "solved") -> Interval:
        """How often it does better than `other` on one problem under one seed; doing as well counts half."""
        theirs = {(row["problem"], row["seed"]): row[column] for row in other.rows}
        duels: dict[int, list[float]] = {}
        for row in self.rows:
            a, b = row[column], theirs[row["problem"], row["seed"]]
            duels.setdefault(row["problem"], []).append(0.5 if a == b else float(a > b))
        return fraction([fmean(duels[problem]) for problem in sorted(duels)])

    @property
    def scored(self) -> bool:
        """Whether every answer has a reward's score."""
        return all(row.get("score") is not None for row in self.rows)


@dataclass(frozen=True)
class Comparison:
    """All trials of every method, by label and by n, and what one plain sample costs."""

    sample: Trial
    trials: Mapping[str, Sequence[Trial]]
    budgets: Sequence[float]
    chosen: Mapping[tuple[str, float], Trial]  # (label, budget)

    def target(self, budget: float) -> float:
        """FLOPs a problem that a budget stands for."""
        return budget * self.sample.cost

    def at(self, label: str, budget: float | None = None) -> Trial:
        """The method's trial at a budget (the largest, if none is given)."""
        return self.chosen[label, max(self.budgets) if budget is None else budget]

    def compute(self, label: str, budget: float) -> float:
        """What the trial at a budget really costs, in budgets."""
        return self.at(label, budget).cost / self.target(budget)


def nearest(trials: Sequence[Trial], target: float) -> Trial:
    """The trial whose cost is closest to `target`, by their ratio."""
    return min(trials, key=lambda trial: abs(log(trial.cost / target)))


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points (cost, quality) that no other beats: one that costs no more and is better."""
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    best, found = float("-inf"), list[int]()
    for place in order:
        if points[place][1] > best:
            best = points[place][1]
            found.append(place)
    return found
