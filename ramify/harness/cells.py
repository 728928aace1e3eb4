"""Running methods on problems, a cell at a time: one method with one n under one seed, every problem in one batch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from math import ceil
from time import perf_counter
from typing import Any

from ramify.api import LM
from ramify.core.errors import BadInput
from ramify.core.results import Result
from ramify.core.strict import keyword_options
from ramify.core.types import Budget
from ramify.harness.climbing import NEAR, climb
from ramify.harness.examples import tree_record
from ramify.harness.journal import Cell, Journal
from ramify.harness.spec import Spec
from ramify.harness.tasks import Item, Task
from ramify.harness.trial import Comparison, Trial, nearest

Step = Callable[[int], None]
Watch = Callable[[str, int], AbstractContextManager[Step]]
SAMPLE = Spec("sample")
SMALLEST_AT_MOST = 16  # a method whose smallest n is larger is refused as it refuses itself
EXAMPLES = 12  # problems whose trees are kept, under the first seed
KINDS = ("writer", "reward", "draft")
RIGHT = 0.5  # of a checker's number: from here on a candidate counts as right


@contextmanager
def unwatched(title: str, total: int) -> Iterator[Step]:
    """Nobody looks."""
    yield lambda done: None


@dataclass
class Bench:
    """The problems, and how every method is run on them."""

    lm: LM
    task: Task
    seeds: Sequence[int]
    reward: str | None
    sampling: dict[str, Any]
    room: float  # of n full answers: the pages of a method that fills its room
    watch: Watch = unwatched
    journal: Journal = field(default_factory=Journal)
    _sample: Trial | None = None
    _smallest: dict[str, int | None] = field(default_factory=dict)

    @property
    def sample(self) -> Trial:
        """One plain sample of every problem: what budgets are counted in."""
        if self._sample is None:
            self._sample = self.trial(SAMPLE, 1)
        return self._sample

    def compare(self, specs: Sequence[Spec], budgets: Sequence[float]) -> Comparison:
        """Every method at every budget, and the points on its way there.

        Raises:
            BadInput: a method refuses its options, or a budget does not pay for its smallest n.
        """
        smallest = self.ask(specs)
        targets = [budget * self.sample.cost for budget in budgets]
        trials, chosen = dict[str, list[Trial]](), dict[tuple[str, float], Trial]()
        climbing = [spec for spec in specs if scales(spec)]
        for spec in climbing:  # what the budget does not pay for is refused before the long runs
            self._afford(self.trial(spec, smallest[spec.label]), min(budgets))
        for spec in specs:
            label, first = spec.label, smallest[spec.label]
            if spec in climbing and first is not None:
                trials[label] = climb(partial(self.trial, spec), first, targets)
            else:
                trials[label] = [self.trial(spec, first)]
            for budget, target in zip(budgets, targets, strict=True):
                chosen[label, budget] = nearest(trials[label], target)
            trials[label].sort(key=lambda trial: trial.cost)
        return Comparison(self.sample, trials, budgets, chosen)

    def ask(self, specs: Sequence[Spec]) -> dict[str, int | None]:
        """The smallest n that each method takes (its own, where n is set or changes nothing), by label.

        It begins each on the first problem and goes no further, so that refusals come before any measurement.

        Raises:
            BadInput: a method refuses its options.
        """
        for spec in specs:
            if spec.label not in self._smallest:
                self._smallest[spec.label] = self._smallest_of(spec)
        return self._smallest

    def _smallest_of(self, spec: Spec) -> int | None:
        options = keyword_options(spec.method.run)
        size = spec.method.size
        if spec.size is None or not scales(spec):
            self._ask(spec, None)
            own = dict(spec.options).get(size, options[size].default) if size in options else None
            return own if isinstance(own, int) else None
        n = 1
        while True:
            try:
                self._ask(spec, n)
                return n
            except BadInput as error:
                if error.field != spec.size or n >= SMALLEST_AT_MOST:
                    raise
                n *= 2

    def options(self, spec: Spec, n: int | None) -> dict[str, Any]:
        """What a search of size n is given: its reward and its pages, if it uses them."""
        pages = {"budget": Budget(pages=self._pages(n))} if spec.method.uses_room and n is not None else {}
        return self._wishes(spec, n) | pages

    def _wishes(self, spec: Spec, n: int | None) -> dict[str, Any]:
        size = {} if spec.size is None or n is None else {spec.size: n}
        judged = spec.method.uses_reward or "each" in dict(spec.options)  # an inner method may rank by it
        reward = {"reward": self.reward} if judged else {}
        return size | reward | dict(spec.options)

    def trial(self, spec: Spec, n: int | None) -> Trial:
        """The method with one n on every problem and seed; cells that are in the journal are not run again."""
        total, name = len(self.task.items), spec.label if (n or 1) == 1 else f"{spec.label}, n={n}"
        keys = [(spec.name, spec.setting, n, seed) for seed in self.seeds]
        missing = [key for key in keys if self.journal.get(key) is None]
        if missing:
            with self.watch(name, total * len(missing)) as step:
                for turn, (_, _, _, seed) in enumerate(missing):
                    self._cell(spec, n, seed, lambda done, t=turn: step(t * total + done))  # type: ignore[misc]
        rows = [row for key in keys for row in self._finished(key).rows]
        return Trial(spec.label, n, tuple(rows))

    def _finished(self, key: tuple[str, str, int | None, int]) -> Cell:
        cell = self.journal.get(key)
        assert cell is not None
        return cell

    def _cell(self, spec: Spec, n: int | None, seed: int, step: Step) -> None:
        items, first = self.task.items, seed * len(self.task.items)  # prompt i of seed s draws with seed s + i
        self.lm.forget_prefixes()  # every cell reads its prompts itself: none is spared by the cell before it
        wishes = self.sampling | self.options(spec, n)
        if self.task.extract is not None:
            wishes["extract"] = self.task.extract
        started = perf_counter()
        prompts = [item.prompt for item in items]
        results = self.lm.search_many(prompts, spec.name, seed=first, progress=lambda over, _: step(over), **wishes)
        seconds = (perf_counter() - started) / len(items)
        key = (spec.name, spec.setting, n, seed)
        about = {"method": spec.name, "setting": spec.setting, "n": n, "seed": seed}
        rows = [
            about | {"problem": i, "draw_seed": first + i} | row_of(self.task, item, result) | {"seconds": seconds}
            for i, (item, result) in enumerate(zip(items, results, strict=True))
        ]
        shown = results[:EXAMPLES] if seed == self.seeds[0] else []
        self.journal.append(Cell(key, tuple(rows), tuple(tree_record(result) for result in shown)))

    def _ask(self, spec: Spec, n: int | None) -> None:
        wishes = self.sampling | self._wishes(spec, n)
        try:
            self.lm.search_many([self.task.items[0].prompt], spec.name, seed=0, progress=_stop, **wishes)
        except _Enough:
            self.lm.forget_prefixes()

    def _afford(self, smallest: Trial, budget: float) -> None:
        if smallest.cost > budget * self.sample.cost * (1 + NEAR):
            need = smallest.cost / self.sample.cost
            one = "one candidate" if smallest.n == 1 else f"n = {smallest.n}"
            raise BadInput("budget", f"{budget:g} samples; {one} of {smallest.label} costs {need:.1f}")

    def _pages(self, n: int) -> int:
        """Pages for the longest prompt and `room` of each answer; on average half a page of each is lost."""
        size = self.lm.engine.target.runner.page_size
        longest = max(len(self.lm.encode(item.prompt)) for item in self.task.items)
        answer = self.sample.mean("generated_tokens")
        return ceil(longest / size) + ceil(n * (self.room * answer / size + 0.5))


def scales(spec: Spec) -> bool:
    """Whether more of its size can make its answer better: of plain samples the first is the answer, however many."""
    return spec.size is not None and spec.name != SAMPLE.name


def row_of(task: Task, item: Item, result: Result) -> dict[str, Any]:
    """The columns of one run: what became of the problem, and the ledger."""
    check = cache(lambda text: task.check(item.record, text))
    solved, checked = check(result.text)
    answer = result.best.answer if task.extract is None else task.extract(result.text)
    row = {"solved": solved, "score": result.best.score, "answer": None if answer is None else str(answer)}
    row |= {"stopped_because": result.best.stopped_because, "checked": checked, "text": result.text}
    row |= {"candidates": len(result.candidates)}
    row |= {"right": sum(check(candidate.text)[0] >= RIGHT for candidate in result.candidates)}
    row |= {name: value for name, value in result.ledger.row().items() if isinstance(value, int | float)}
    accounts = result.ledger.models.values()
    return row | {f"flops_of_{kind}s": sum(a.flops for a in accounts if a.kind == kind) for kind in KINDS}


class _Enough(Exception):
    """A method has begun: it takes its options."""


def _stop(over: int, submitted: int) -> None:
    if not over:
        raise _Enough
