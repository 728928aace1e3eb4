"""Methods at equal compute: how large n may be.

    C      the budget: FLOPs a problem, all models, prompt and reward included
    n      the option that more compute goes into (`Method.size`): candidates, particles, steps
    c(n)   what a method with it costs, a problem

A budget is given in samples: C is what that many plain samples cost, one after another. A method starts at its smallest
n and climbs to each C in doublings of its cost; each n is read off the line through the last two points (log n, log c).
No formula for c(n) is assumed: the prompt is read once, and candidates that agree so far share their rows, so it grows
more slowly than n.
"""

from collections.abc import Callable, Sequence
from math import exp, log

from ramify.harness.trial import Trial, nearest

MOST_N = 4096
MOST_TRIALS = 12  # of one method for one budget
NEAR = 0.08  # of the budget: close enough
STRIDE = 2.2  # from one trial's cost to the next's
GUESS, STEEPEST = 1.5, 2.5  # of log n over log cost: before two points are known, and where two are too close to say


def climb(measure: Callable[[int], Trial], smallest: int, targets: Sequence[float]) -> list[Trial]:
    """Trials from the smallest n to each of the target costs, in the order they were measured."""
    trials = [measure(smallest)]
    for target in sorted(targets):
        for _ in range(MOST_TRIALS):
            if abs(nearest(trials, target).cost / target - 1) <= NEAR:
                break
            n = max(smallest, next_n(trials, min(target, STRIDE * max(trial.cost for trial in trials))))
            if any(trial.n == n for trial in trials):
                break
            trials.append(measure(n))
    return trials


def next_n(trials: Sequence[Trial], target: float) -> int:
    """The n at which the cost will be `target`, by a line through the two trials around it, or the last two."""
    points = sorted((log(trial.cost), log(trial.n or 1)) for trial in trials)
    above = next((i for i, (cost, _) in enumerate(points) if cost >= log(target)), len(points) - 1)
    (cost, n), (next_cost, further) = points[max(0, above - 1)], points[above]
    slope = (further - n) / (next_cost - cost) if next_cost > cost else GUESS
    return min(MOST_N, max(1, round(exp(further + min(STEEPEST, slope) * (log(target) - next_cost)))))
