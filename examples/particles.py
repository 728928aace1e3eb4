"""From best-of-n to particle filtering, on one plot: the same model, the same reward, the same problems.

    python examples/particles.py                      # two to three minutes on two cores; writes runs/particles.png
    python examples/particles.py --problems 200 --seeds 5 --sizes 1,2,4,8,16,32,64

Best-of-n draws n solutions and keeps the one that the reward likes best. The reward is a small model and errs. The more
solutions it is shown, the likelier one of them is right, but the likelier, too, one is wrong in a way that it likes.

Particle filtering takes the same reward as evidence instead of as a verdict. n solutions grow line by line; after each
line those that look good multiply and those that look bad die, in proportion to exp(reward / beta). So compute moves to
beginnings that are worth it while they are short, and copies share what they have in common, which is read once. At the
end every solution has a weight, and the answer of most weight wins, not the single best score.

With n=1 both are plain sampling, draw for draw, so both curves start in one point. The grey line is the ceiling of
choosing: how often at least one of best-of-n's solutions is right, which a judge without error would find. What
best-of-n stays below it is what its judge gets wrong.

Drawing needs matplotlib: pip install 'ramify[plots]'
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

import ramify
from ramify.api import is_right, problems
from ramify.harness.interval import fraction, mean

REWARD = "builtin-prm"
METHODS: dict[str, dict[str, Any]] = {"best-of-n": {}, "particle-filter": {"beta": 0.5}}
COLOURS = {"best-of-n": "#d55e00", "particle-filter": "#0173b2"}
GREY = "#6b7280"


@dataclass(frozen=True)
class Point:
    """One method with one n. Lists have an entry a problem: the share of seeds of which it is true."""

    method: str
    n: int
    solved: list[float]
    covered: list[float]  # one solution at least was right, whether it was chosen or not
    flops: float  # a problem, of the model and the reward model, the prompt included


def measure(lm: ramify.LM, held_out: Sequence[Any], method: str, n: int, seeds: Sequence[int]) -> Point:
    """Run a method on all problems, once for each seed."""
    solved, covered, flops = list[list[bool]](), list[list[bool]](), list[float]()
    for seed in seeds:
        lm.forget_prefixes()  # or else prompts would be free for whoever comes second
        prompts = [problem.prompt for problem in held_out]
        results = lm.search_many(prompts, method, n=n, reward=REWARD, seed=100_000 * seed, **METHODS[method])
        pairs = list(zip(held_out, results, strict=True))
        solved.append([is_right(problem, result.text) for problem, result in pairs])
        covered.append([any(is_right(problem, c.text) for c in result.candidates) for problem, result in pairs])
        flops += [result.ledger.flops for result in results]
    return Point(method, n, _by_problem(solved), _by_problem(covered), fmean(flops))


def _by_problem(by_seed: Sequence[Sequence[bool]]) -> list[float]:
    return [fmean(values) for values in zip(*by_seed, strict=True)]


def table(points: Sequence[Point]) -> str:
    """The points as lines."""
    lines = [f"{'method':<16} {'n':>3}  {'solved':>6}  {'95% interval':>12}  {'GFLOPs a problem':>16}"]
    for p in points:
        share = fraction(p.solved)
        span = f"{share.low:.0%} to {share.high:.0%}"
        lines.append(f"{p.method:<16} {p.n:>3}  {share.mean:>6.1%}  {span:>12}  {p.flops / 1e9:>16.2f}")
    return "\n".join(lines)


def findings(points: Sequence[Point]) -> str:
    """What the points say, in words; whatever it is."""
    best, particles = ([p for p in points if p.method == method] for method in METHODS)
    lines = list[str]()
    for rival in best[1:]:
        reached = next((p for p in particles if fmean(p.solved) >= fmean(rival.solved)), None)
        how = "not reached by these particles"
        if reached is not None:
            how = f"reached with {reached.n:>2} particles, {reached.flops / rival.flops:.2f} times the compute"
        lines.append(f"best of {rival.n:>2} ({fmean(rival.solved):.1%}): {how}")
    rival, last = best[-1], particles[-1]
    gap = mean([a - b for a, b in zip(last.solved, rival.solved, strict=True)])
    said = f"With n={last.n} for both, particles solve {gap.mean:+.1%} (problem by problem; 95%: {gap.low:+.1%} to"
    said += f" {gap.high:+.1%}), for {last.flops / rival.flops:.2f} times the compute. One of best-of-n's {rival.n} is"
    said += f" right in {fmean(rival.covered):.1%} of all runs: so much could choosing alone give."
    return "\n".join([*lines, "", fill(said, 100)])


def draw(points: Sequence[Point], title: str, path: Path) -> None:
    """The two curves with their intervals, and the ceiling of choosing."""
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    curves = {method: [p for p in points if p.method == method] for method in METHODS}
    for (method, curve), side in zip(curves.items(), (-1, 1), strict=True):
        _curve(axes, method, curve, side)
    drawn = curves["best-of-n"]
    x, y = [p.flops / 1e9 for p in drawn], [100 * fmean(p.covered) for p in drawn]
    axes.plot(x, y, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.annotate("  one of best-of-n's\n  solutions is right", (x[-1], y[-1]), color=GREY, va="center", fontsize=10)
    ticks = [t for t in (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80) if min(x) / 1.3 < t < max(x) * 1.3]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(x) / 1.15, max(x) * 1.55)  # room for the names
    axes.set_xlabel("GFLOPs a problem (model and reward model, prompt included)")
    axes.set_ylabel("problems solved, %")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _curve(axes: Any, method: str, curve: Sequence[Point], side: int) -> None:
    """One method: line, interval, its n at each point, its name at the end."""
    shares = [fraction(p.solved) for p in curve]
    x, y = [p.flops / 1e9 for p in curve], [100 * share.mean for share in shares]
    low, high = [100 * share.low for share in shares], [100 * share.high for share in shares]
    axes.fill_between(x, low, high, color=COLOURS[method], alpha=0.12, linewidth=0)
    axes.plot(x, y, color=COLOURS[method], marker="o", markersize=6, linewidth=2)
    for p, at, height in zip(curve, x, y, strict=True):
        where: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 8}
        where["bbox"] = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
        if p.n > 1 or side < 0:  # both begin in one point
            label = f"n={p.n}" if p is curve[0] else f"{p.n}"
            axes.annotate(label, (at, height), xytext=(0, 11 * side), color=COLOURS[method], **where)
    name = {"xytext": (8, 3 * side), "textcoords": "offset points", "va": "center", "weight": "bold"}
    axes.annotate(method, (x[-1], y[-1]), color=COLOURS[method], fontsize=10, **name)


def main(num_problems: int, num_seeds: int, sizes: Sequence[int], path: Path) -> list[Point]:
    """Measure, tell and draw."""
    print(__doc__.split("\n\n", 2)[2].rsplit("\n\n", 1)[0], "\n")
    points, held_out = list[Point](), problems(num_problems)
    with ramify.load(page_size=8) as lm:
        for method in METHODS:
            for n in sizes:
                print(f"... {method}, n={n}", flush=True)
                points.append(measure(lm, held_out, method, n, range(num_seeds)))
    title = f"{num_problems} held-out problems, {num_seeds} seed{'s' * (num_seeds > 1)}, reward {REWARD}; 95% intervals"
    draw(points, f"Two ways to spend compute with the same reward\n{title}", path)
    print(f"\n{table(points)}\n\n{findings(points)}\n\nThe picture: {path}")
    return points


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=80, help="held-out problems")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each problem")
    parser.add_argument("--sizes", default="1,2,4,8,16", help="every n, with commas between")
    parser.add_argument("--plot", type=Path, default=Path("runs/particles.png"), help="where the picture goes")
    wish = parser.parse_args()
    main(wish.problems, wish.seeds, [int(n) for n in wish.sizes.split(",")], wish.plot)
