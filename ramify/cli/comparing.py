"""Methods at equal compute: how many candidates each may have, and what became of the problems.

    C      the budget: FLOPs a problem, all models, prompt and reward included
    n      candidates of a method
    c(n)   what they cost, a problem

A budget is given in samples: C is what that many plain samples cost, one after another. A method starts at n = 1 and
climbs to C in doublings of its cost; each n is read off the line through the last two points (log n, log c). No formula
for c(n) is assumed: the prompt is read once, and candidates that agree so far share their rows, so it grows more slowly
than n. A method without an `n` that matters (greedy, sample) costs what it costs and has one point.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from math import ceil, exp, log
from statistics import fmean
from time import perf_counter
from typing import Any

from ramify.api import LM, is_right
from ramify.cli.terminal import Step
from ramify.core.errors import BadInput
from ramify.core.ledger import Ledger
from ramify.core.protocols import Method
from ramify.core.results import Result
from ramify.core.strict import keyword_options
from ramify.core.types import Budget
from ramify.harness.interval import Interval, fraction, mean

MOST_N = 4096
MOST_TRIALS = 12  # of one method
NEAR = 0.08  # of the budget: close enough
STRIDE = 2.2  # from one trial's cost to the next's
GUESS, STEEPEST = 1.5, 2.5  # of log n over log cost: before two points are known, and where two are too close to say


@dataclass(frozen=True)
class Trial:
    """One method with one n on every problem. Per-problem numbers are means over the seeds."""

    method: str
    n: int | None
    solved: tuple[float, ...]
    flops: tuple[float, ...]
    ledger: Ledger  # of all problems and seeds; seconds are of the whole batch
    runs: int  # problems times seeds

    @property
    def accuracy(self) -> Interval:
        """Fraction of the problems solved."""
        return fraction(self.solved)

    @property
    def cost(self) -> float:
        """FLOPs a problem."""
        return fmean(self.flops)

    def gain(self, other: "Trial") -> Interval:
        """How many more problems it solves than `other` on the same problems, as a paired fraction."""
        return mean([mine - theirs for mine, theirs in zip(self.solved, other.solved, strict=True)])

    def columns(self) -> dict[str, float]:
        """The ledger, a problem; peaks as they are."""
        totals = self.ledger.row()
        return {name: value if name.startswith("peak_") else value / self.runs for name, value in totals.items()}


@dataclass
class Bench:
    """The problems, and how every method is run on them."""

    lm: LM
    problems: Sequence[Any]
    seeds: Sequence[int]
    reward: str | None
    sampling: dict[str, Any]
    room: float  # of n full answers: the pages of a method that fills its room
    watch: Callable[[str, int], AbstractContextManager[Step]]
    sample_cost: float = 0.0  # FLOPs a problem
    _answer_tokens: float = 0.0

    def calibrate(self) -> None:
        """Measure what one sample costs."""
        plain = self._run("sample", {"n": 1})
        self.sample_cost = plain.cost
        self._answer_tokens = plain.ledger.generated_tokens / plain.runs

    def climb(self, method: Method, budget: float) -> list[Trial]:
        """The method's trials; the last is the one whose cost is closest to `budget` samples.

        Raises:
            BadInput: the budget does not pay for one candidate.
        """
        if not scales(method):
            return [self._run(method.name, self.options(method, None))]
        trials = [self._run(method.name, self.options(method, 1))]
        most = budget * self.sample_cost
        if trials[0].cost > most * (1 + NEAR):
            need = trials[0].cost / self.sample_cost
            raise BadInput("budget", f"{budget:g} samples; one candidate of {method.name} costs {need:.1f}")
        while abs(trials[-1].cost / most - 1) > NEAR and len(trials) < MOST_TRIALS:
            n = next_n(trials, min(most, STRIDE * trials[-1].cost))
            if any(trial.n == n for trial in trials):
                break
            trials.append(self._run(method.name, self.options(method, n)))
        return sorted(trials, key=lambda trial: -abs(log(trial.cost / most)))

    def options(self, method: Method, n: int | None) -> dict[str, Any]:
        """What a search with n candidates is given: its reward and its pages, if it uses them."""
        options: dict[str, Any] = {} if n is None else {"n": n}
        if method.uses_reward:
            options["reward"] = self.reward
        if method.uses_room and n is not None:
            options["budget"] = Budget(pages=self._pages(n))
        return options

    def _pages(self, n: int) -> int:
        """Pages for the longest prompt and `room` of each answer; on average half a page of each is lost."""
        size = self.lm.engine.target.runner.page_size
        longest = max(len(self.lm.encode(problem.prompt)) for problem in self.problems)
        return ceil(longest / size) + ceil(n * (self.room * self._answer_tokens / size + 0.5))

    def _run(self, name: str, options: dict[str, Any]) -> Trial:
        problems, title = self.problems, f"{name}, n={options['n']}" if options.get("n", 1) > 1 else name
        solved, flops, ledger = [0.0] * len(problems), [0.0] * len(problems), Ledger()
        started = perf_counter()
        with self.watch(title, len(problems) * len(self.seeds)) as step:
            for i, result in enumerate(self._results(name, options, step)):
                solved[i % len(problems)] += is_right(problems[i % len(problems)], result.text) / len(self.seeds)
                flops[i % len(problems)] += result.ledger.flops / len(self.seeds)
                ledger.add(result.ledger)
        ledger.seconds = perf_counter() - started
        return Trial(name, options.get("n"), tuple(solved), tuple(flops), ledger, len(problems) * len(self.seeds))

    def _results(self, name: str, options: dict[str, Any], step: Step) -> Iterator[Result]:
        """Every problem under the first seed, then under the next."""
        prompts = [problem.prompt for problem in self.problems]
        for turn, seed in enumerate(self.seeds):
            self._forget_prompts()
            wishes = self.sampling | options | {"progress": partial(_count, step, turn * len(prompts))}
            first = seed * len(prompts)  # prompt i of seed s draws with seed s + i
            yield from self.lm.search_many(prompts, name, seed=first, **wishes)

    def _forget_prompts(self) -> None:
        """Every trial reads its prompts itself: none is spared by the trial before it."""
        for model in self.lm.engine.models:
            model.book.tree.evict(model.book.pool.num_pages)


def _count(step: Step, before: int, over: int, _: int) -> None:
    step(before + over)


def next_n(trials: Sequence[Trial], target: float) -> int:
    """The n at which the cost will be `target`, by a line through the two trials around it, or the last two."""
    points = sorted((log(trial.cost), log(trial.n or 1)) for trial in trials)
    above = next((i for i, (cost, _) in enumerate(points) if cost >= log(target)), len(points) - 1)
    (cost, n), (next_cost, further) = points[max(0, above - 1)], points[above]
    slope = (further - n) / (next_cost - cost) if next_cost > cost else GUESS
    return min(MOST_N, max(1, round(exp(further + min(STEEPEST, slope) * (log(target) - next_cost)))))


def scales(method: Method) -> bool:
    """Whether more candidates can make its answer better."""
    return "n" in keyword_options(method.run) and (method.uses_reward or method.select is not None)
