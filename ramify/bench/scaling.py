"""Which search pays, at equal compute: particles, layered trees and chains against best-of-n under the same reward.

The built-in target writes, `builtin-prm` scores, held-out problems, several seeds. Compute is FLOPs of both models, the
prompt included. Best-of-n is drawn once with many candidates: its first n are best-of-n's own candidates for that seed,
draw for draw, so one run gives the whole curve. What n candidates cost is measured on the first seed, for every n.

Every finished (method, size, seed) is kept in `work`, and a rerun goes on from there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from ramify.api import LM, is_right, load, problems
from ramify.bench.measure import Progress, Row, row
from ramify.core.results import Result

REWARD, MOST = "builtin-prm", 64
SIZES = (1, 2, 4, 8, 16, 32, 64)
PARTICLES = (1, 2, 4, 8, 16, 32)
QALIGN = (1, 3, 7)
BETA = 0.5  # of the posteriors: logits of builtin-prm are soft
LAYERS, NODES = 4, 16
RESAMPLES = 1000


@dataclass(frozen=True)
class Point:
    """One method of one size: a value for each problem and seed, in their order."""

    method: str
    size: int
    right: list[float]
    score: list[float]
    flops: list[float]

    @property
    def accuracy(self) -> float:
        """Share of the problems solved."""
        return fmean(self.right)

    @property
    def cost(self) -> float:
        """FLOPs a problem."""
        return fmean(self.flops)

    def row(self, problems: int) -> dict[str, Any]:
        """Its line of the table, with a 95% interval over problems (of which the seeds are averaged)."""
        each = len(self.right) // problems
        low, high = interval([fmean(self.right[i : i + each]) for i in range(0, len(self.right), each)])
        return {
            "method": self.method,
            "size": self.size,
            "solved": self.accuracy,
            "low": low,
            "high": high,
            "score": fmean(self.score),
            "flops": self.cost,
        }


@dataclass
class Study:
    """The problems, the seeds, and what was measured so far."""

    lm: LM
    problems: Sequence[Any]
    seeds: Sequence[int]
    work: Path | None
    progress: Progress
    known: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.work is not None and self.work.exists():
            for line in self.work.read_text().splitlines():
                if line.endswith("}"):
                    entry = json.loads(line)
                    self.known[entry["key"]] = entry["cells"]

    def cells(self, method: str, read: Callable[[Any, Result], dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
        """One cell a problem and seed, problem by problem."""
        found = [self._of_seed(method, seed, read, options) for seed in self.seeds]
        return [cell for group in zip(*found, strict=True) for cell in group]

    def _of_seed(
        self,
        method: str,
        seed: int,
        read: Callable[[Any, Result], dict[str, Any]],
        options: Mapping[str, Any],
        what: str = "",
    ) -> list[dict[str, Any]]:
        key = f"{what}{method} {dict(options)} {len(self.problems)} {seed}"
        if key not in self.known:
            self.progress(f"{what}{method} {dict(options)}, seed {seed}")
            prompts = [problem.prompt for problem in self.problems]
            self.lm.forget_prefixes()
            results = self.lm.search_many(prompts, method, reward=REWARD, seed=100_000 * seed, **options)
            self.known[key] = [read(p, result) for p, result in zip(self.problems, results, strict=True)]
            if self.work is not None:
                with self.work.open("a") as file:
                    file.write(json.dumps({"key": key, "cells": self.known[key]}) + "\n")
        return self.known[key]

    def best_of_n(self) -> list[Point]:
        """The curve, of one run a seed."""
        cells = self.cells("best-of-n", _beginnings, n=MOST)
        return [
            Point(
                "best-of-n",
                n,
                [cell["right"][i] for cell in cells],
                [cell["score"][i] for cell in cells],
                [cell["flops"] for cell in self._of_seed("best-of-n", self.seeds[0], _whole, {"n": n}, "cost of ")],
            )
            for i, n in enumerate(SIZES)
        ]

    def point(self, method: str, size: int, **options: Any) -> Point:
        """One method of one size."""
        cells = self.cells(method, _whole, **options)
        right, score, flops = ([cell[name] for cell in cells] for name in ("right", "score", "flops"))
        return Point(method, size, right, score, flops)


def _whole(problem: Any, result: Result) -> dict[str, Any]:
    finished = [c.score for c in result.candidates if c.score is not None and c.stopped_because != "rejected"]
    return {
        "right": float(is_right(problem, result.text)),
        "score": max(finished, default=0.0),
        "flops": result.ledger.flops,
    }


def _beginnings(problem: Any, result: Result) -> dict[str, Any]:
    """Best-of-n for every n, by the first n candidates."""
    right, score = list[float](), list[float]()
    for n in SIZES:
        best = max(result.candidates[:n], key=lambda c: c.score or 0.0)
        right.append(float(is_right(problem, best.text)))
        score.append(best.score or 0.0)
    return {"right": right, "score": score}


def run(
    *,
    model: str = "builtin",
    seed: int = 0,
    num_problems: int = 200,
    num_seeds: int = 5,
    work: Path | None = None,
    progress: Progress = lambda text: None,
) -> list[Row]:
    """Measure the curves, then say what they show.

    Returns: rows particles_vs_best_of_n (how many times fewer samples reach best-of-n's accuracy), treebon_wins (share
        of prompts with a higher final reward than best-of-n's at equal compute, ties left out), posterior_keeps_rising
        (slope of the particles' accuracy above best-of-n's), and a row a point of the curves.
    """
    with load(model, page_size=8) as lm:
        held_out = problems(num_problems, seed)
        study = Study(lm, held_out, range(seed, seed + num_seeds), work, progress)
        best = study.best_of_n()
        tree = study.point("treebon", NODES, n=NODES, layers=LAYERS)
        particles = [study.point("particle-filter", n, n=n, beta=BETA) for n in PARTICLES]
        chains = [study.point("qalign", steps, steps=steps, chains=4, beta=BETA) for steps in QALIGN]
    rows = [_fewer(best, particles), _wins(best, tree), _rising(best, particles, chains)]
    points = [*best, *particles, tree, *chains]
    return [*rows, *(row(f"{p.method} {p.size}", p.accuracy, "solved") | p.row(num_problems) for p in points)]


def _fewer(best: Sequence[Point], particles: Sequence[Point]) -> Row:
    """How many times fewer particles reach best-of-n's accuracy: for the largest n, and beside it for every n."""
    fewer = dict[int, float | None]()
    for rival in best:
        reached = next((p for p in particles if p.accuracy >= rival.accuracy), None)
        fewer[rival.size] = None if reached is None else rival.size / reached.size
    value = fewer[best[-1].size] or 0.0
    return row("particles_vs_best_of_n", value, "times fewer samples", 4.0) | {"by_n": fewer, "baseline": "best-of-n"}


def _wins(best: Sequence[Point], tree: Point) -> Row:
    """Final rewards prompt by prompt, against the best-of-n that costs most nearly as much."""
    rival = min(best, key=lambda p: abs(log(p.cost / tree.cost)))
    pairs = list(zip(tree.score, rival.score, strict=True))
    wins, losses = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    more: dict[str, Any] = {"wins": wins, "losses": losses, "ties": len(pairs) - wins - losses}
    more |= {"compute": tree.cost / rival.cost, "baseline": "best-of-n", "best_of_n": rival.size}
    return row("treebon_wins", wins / max(1, wins + losses), "of prompts that differ", 0.6) | more


def _rising(best: Sequence[Point], particles: Sequence[Point], chains: Sequence[Point]) -> Row:
    """Slope of accuracy in log compute over the upper half of each curve: the particles' above best-of-n's."""
    rises, falls = _slope(particles), _slope(best)
    more = {"particles_slope": rises, "best_of_n_slope": falls, "qalign_slope": _slope(chains), "baseline": "best-of-n"}
    return row("posterior_keeps_rising", rises - falls, "accuracy a doubling", 0.0) | more


def _slope(curve: Sequence[Point]) -> float:
    upper = curve[len(curve) // 2 :]
    x, y = [log(p.cost, 2) for p in upper], [p.accuracy for p in upper]
    centre = fmean(x)
    spread = sum((a - centre) ** 2 for a in x)
    return sum((a - centre) * b for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """A bootstrap interval of the mean."""
    dice, n = Random(0), len(values)
    means = sorted(fmean(dice.choices(values, k=n)) for _ in range(RESAMPLES))
    edge = int(RESAMPLES * (1 - level) / 2)
    return means[edge], means[-1 - edge]


def curves(rows: Sequence[Row]) -> Iterator[str]:
    """The points as lines of a Markdown table."""
    for point in rows:
        if "method" in point:
            solved = f"{point['solved']:.1%} ({point['low']:.1%} to {point['high']:.1%})"
            yield f"| `{point['method']}` | {point['size']} | {solved} | {point['score']:.2f} | {point['flops']:.3g} |"
