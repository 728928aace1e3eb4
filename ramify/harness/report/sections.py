"""The parts of the report that are tables or bars: results, the Pareto front, cost of each model, wins, coverage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ramify.harness.interval import Interval, mean
from ramify.harness.report.chart import AXES, Line, pareto, point_row, symbol
from ramify.harness.report.markup import number, size_of, tag
from ramify.harness.trial import Comparison, Trial
from ramify.maths.coverage import pass_at_k

MOST_SEGMENTS = 8
ROOMY = 0.07  # of the longest bar: a share written inside still has room
COVERED = "sample"  # the method whose candidates are independent draws: what pass@k is defined for


def lines_of(comparison: Comparison) -> list[Line]:
    """A line a method, in their order."""
    return [Line(label, place, trials) for place, (label, trials) in enumerate(comparison.trials.items())]


def results(comparison: Comparison, budget: float) -> list[dict[str, Any]]:
    """The table at one budget: a row a method, gains against the first."""
    first = comparison.at(next(iter(comparison.trials)), budget)
    return [_result(comparison, line, budget, first) for line in lines_of(comparison)]


def best_at(comparison: Comparison, budget: float) -> dict[str, Any]:
    """The method that solves most at a budget, and those whose paired interval reaches it."""
    trials = [(line, comparison.at(line.label, budget)) for line in lines_of(comparison)]
    line, best = max(trials, key=lambda pair: pair[1].accuracy.mean)
    level = [other.label for other, trial in trials if trial is not best and trial.gain(best).high >= 0]
    return {"label": line.label, "symbol": symbol(line.place), "level": level} | _solved(best)


def fronts(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """The Pareto front on each axis, the cheapest first."""
    lines = lines_of(comparison)
    return {
        axis.key: [
            point_row(line, trial) | {"label": line.label, "cost": point_row(line, trial)[axis.key]}
            for line, trial in pareto(lines, axis)
        ]
        for axis in AXES
    }


def points(comparison: Comparison) -> list[dict[str, Any]]:
    """Every point of the charts."""
    return [point_row(line, t) | {"label": line.label} for line in lines_of(comparison) for t in line.trials]


def roles_of(comparison: Comparison) -> list[str]:
    """The models that worked in any trial: the target first."""
    columns = {name for trials in comparison.trials.values() for trial in trials for name in trial.columns()}
    roles = {name.removesuffix("_passes") for name in columns if name.endswith("_passes")}
    return sorted(roles, key=lambda role: (role != "target", role))


def bars(comparison: Comparison, budget: float) -> list[dict[str, Any]]:
    """FLOPs a problem of each model, a stacked bar a method; widths are shares of the longest bar."""
    roles, rows = roles_of(comparison), []
    longest = max(comparison.at(label, budget).cost for label in comparison.trials)
    for line in lines_of(comparison):
        trial, segments = comparison.at(line.label, budget), []
        for place, role in enumerate(roles):
            column = f"{role}_flops"
            if (cost := trial.mean(column)) > 0:
                share = number(cost / trial.cost, "round", f"share:{column}", trial) + Markup("%")
                flops = number(cost, "flops", f"mean:{column}", trial)
                about = {"role": role, "colour": place % MOST_SEGMENTS, "width": 100 * cost / longest}
                segments.append(about | {"flops": flops, "share": share, "roomy": cost / longest > ROOMY})
        total = number(trial.cost, "flops", "mean:flops", trial)
        rows.append({"label": line.label, "symbol": symbol(line.place), "segments": segments, "total": total})
    return rows


@dataclass(frozen=True)
class Duels:
    """A matrix: how often the row's method does better than the column's."""

    column: str
    what: str
    labels: Sequence[str]
    symbols: Sequence[Markup]
    cells: Sequence[Sequence[dict[str, Any] | None]]


def duels(comparison: Comparison, budget: float) -> list[Duels]:
    """Wins by problems solved; and by the reward's score of the answer, among the methods that have one."""
    lines = lines_of(comparison)
    found = [_matrix(comparison, lines, budget, "solved", "the problem solved")]
    scored = [line for line in lines if comparison.at(line.label, budget).scored and "reward=" not in line.label]
    if len(scored) > 1:
        found.append(_matrix(comparison, scored, budget, "score", "a higher score of the answer by the reward"))
    return [matrix for matrix in found if len(matrix.labels) > 1]


def coverages(comparison: Comparison) -> list[dict[str, Any]]:
    """pass@k of plain samples: chance that one of k is right, estimated without bias from all that were drawn."""
    found = []
    for line in lines_of(comparison):
        for trial in line.trials:
            row = trial.rows[0]
            if row["method"] == COVERED and row["candidates"] > 1:
                ks = [1 << power for power in range(20) if 1 << power <= row["candidates"]]
                cells = [_covered(trial, k) for k in dict.fromkeys([*ks, row["candidates"]])]
                found.append({"label": line.label, "symbol": symbol(line.place), "cells": cells})
    return found


def _result(comparison: Comparison, line: Line, budget: float, first: Trial) -> dict[str, Any]:
    trial = comparison.at(line.label, budget)
    cells: dict[str, Any] = {"label": line.label, "symbol": symbol(line.place), "n": size_of(trial)} | _solved(trial)
    if trial is not first:
        gain = _span(trial.gain(first), "gain", trial, first, "signed", "signed")
        cells |= {f"gain_{part}": text for part, text in gain.items()}
    cells["compute"] = number(comparison.compute(line.label, budget), "times", "compute", trial, budget=budget)
    cells["flops"] = number(trial.cost, "flops", "mean:flops", trial)
    cells["tokens"] = number(trial.mean("generated_tokens"), "count", "mean:generated_tokens", trial)
    cells["seconds"] = number(trial.mean("seconds"), "seconds", "mean:seconds", trial)
    cells["kv"] = number(trial.peak("peak_kv_bytes"), "size", "peak:peak_kv_bytes", trial)
    cells["kv_apart"] = number(trial.peak("peak_unshared_kv_bytes"), "size", "peak:peak_unshared_kv_bytes", trial)
    cells["again"] = number(trial.mean("recomputed_tokens"), "count", "mean:recomputed_tokens", trial)
    return cells


def _solved(trial: Trial) -> dict[str, Markup]:
    solved = trial.accuracy
    return {
        "solved": number(solved.mean, "percent", "solved.mean", trial),
        "low": number(solved.low, "bare", "solved.low", trial),
        "high": number(solved.high, "bare", "solved.high", trial),
    }


def _span(span: Interval, stat: str, trial: Trial, against: Trial, as_: str, ends_as: str) -> dict[str, Markup]:
    parts = {"mean": (span.mean, as_), "low": (span.low, ends_as), "high": (span.high, ends_as)}
    return {part: number(value, how, f"{stat}.{part}", trial, against) for part, (value, how) in parts.items()}


def _matrix(comparison: Comparison, lines: Sequence[Line], budget: float, column: str, what: str) -> Duels:
    cells = []
    for row in lines:
        mine = comparison.at(row.label, budget)
        others = [comparison.at(other.label, budget) for other in lines]
        cells.append([None if other is mine else _duel(mine, other, column) for other in others])
    return Duels(column, what, [line.label for line in lines], [symbol(line.place) for line in lines], cells)


def _duel(mine: Trial, other: Trial, column: str) -> dict[str, Any]:
    wins = mine.wins(other, column)
    verdict = "ahead" if wins.low > 0.5 else "behind" if wins.high < 0.5 else "level"
    strength = f"{min(1.0, abs(wins.mean - 0.5) * 4):.2f}"  # of the cell's colour
    return _span(wins, f"wins:{column}", mine, other, "round", "bare") | {"verdict": verdict, "strength": strength}


def _covered(trial: Trial, k: int) -> dict[str, Markup]:
    problems = dict[int, list[float]]()
    for row in trial.rows:
        problems.setdefault(row["problem"], []).append(pass_at_k(row["candidates"], row["right"], k))
    span = mean([sum(values) / len(values) for values in problems.values()])
    name = tag("data", str(k), value=k, data_stat=f"k:{k}")
    return {
        "k": name,
        "mean": number(span.mean, "percent", f"pass@{k}.mean", trial),
        "low": number(max(0.0, span.low), "bare", f"pass@{k}.low", trial),
        "high": number(min(1.0, span.high), "bare", f"pass@{k}.high", trial),
    }
