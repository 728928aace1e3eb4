"""Methods at equal compute: how many candidates each may have, and what became of the problems.

    C   the budget: FLOPs a problem, all models, prompt and reward included
    n   candidates of a method; its cost is close to a + b n, so n = (C - a) / b with a and b measured first

A budget is given in samples: C is what that many plain samples cost, one after another. A method without an `n` that
matters (greedy, sample) costs what it costs; it has one point and no budget.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import ceil
from statistics import fmean
from time import perf_counter
from typing import Any

from ramify.api import LM
from ramify.cli.interval import Interval, fraction, mean
from ramify.cli.reach import reach
from ramify.cli.terminal import Step
from ramify.core.ledger import Ledger
from ramify.core.protocols import Method
from ramify.core.strict import keyword_options
from ramify.core.types import Budget

PROBES = 8  # problems that costs are measured on
PROBE_N = (4, 16)  # candidates that costs are measured at
MOST_N = 4096


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
    sample_cost: float = 0.0
    _answer_tokens: float = 0.0
    _costs: dict[str, tuple[float, float]] = field(default_factory=dict)

    def calibrate(self, methods: Sequence[Method]) -> None:
        """Measure what a sample costs, then each method's a and b."""
        with self.watch("measuring what a sample costs", len(self.problems)) as step:
            plain = self._run("sample", {"n": 1}, self.problems, step)
        self.sample_cost = plain.cost
        self._answer_tokens = plain.ledger.generated_tokens / plain.runs
        probes = self.problems[:PROBES]
        for method in (m for m in methods if scales(m)):
            with self.watch(f"measuring what {method.name} costs", len(PROBE_N) * len(probes)) as step:
                low, high = (self._run(method.name, self._options(method, n), probes, step) for n in PROBE_N)
            slope = (high.cost - low.cost) / (PROBE_N[1] - PROBE_N[0])
            self._costs[method.name] = (low.cost - slope * PROBE_N[0], slope)

    def affordable(self, method: Method, budget: float) -> int | None:
        """The largest n whose expected cost is within `budget` samples; None if not even one candidate is."""
        fixed, each = self._costs[method.name]
        n = min(MOST_N, int((budget * self.sample_cost - fixed) / each))
        return n if n >= 1 else None

    def trial(self, method: Method, n: int | None = None) -> Trial:
        """Run a method on all problems and seeds."""
        title = method.name if n is None else f"{method.name}, n={n}"
        with self.watch(title, len(self.problems) * len(self.seeds)) as step:
            return self._run(method.name, self._options(method, n), self.problems, step)

    def _options(self, method: Method, n: int | None) -> dict[str, Any]:
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

    def _run(self, name: str, options: dict[str, Any], problems: Sequence[Any], step: Step) -> Trial:
        prompts = [problem.prompt for problem in problems]
        solved, flops, ledger = [0.0] * len(prompts), [0.0] * len(prompts), Ledger()
        started = perf_counter()
        for turn, seed in enumerate(self.seeds):
            self._forget_prompts()
            done = turn * len(prompts)
            options = options | {"progress": lambda over, _, done=done: step(done + over)}
            first = seed * len(self.problems)  # prompt i of seed s draws with seed s + i
            results = self.lm.search_many(prompts, name, seed=first, **self.sampling, **options)
            for i, (problem, result) in enumerate(zip(problems, results, strict=True)):
                solved[i] += reach("check-answer")(problem, result.text) / len(self.seeds)
                flops[i] += result.ledger.flops / len(self.seeds)
                ledger.add(result.ledger)
        ledger.seconds = perf_counter() - started
        runs = len(prompts) * len(self.seeds)
        return Trial(name, options.get("n"), tuple(solved), tuple(flops), ledger, runs)

    def _forget_prompts(self) -> None:
        """Every trial reads its prompts itself: none is spared by the trial before it."""
        for model in self.lm.engine.models:
            model.book.tree.evict(model.book.pool.num_pages)


def scales(method: Method) -> bool:
    """Whether more candidates can make its answer better."""
    return "n" in keyword_options(method.run) and (method.uses_reward or method.select is not None)
