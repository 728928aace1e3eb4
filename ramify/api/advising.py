"""Measures what a draft is worth to a model: acceptance, costs, and drafted against plain decoding, turn by turn.

    K tokens of a chain, B branches of a batch, p the target's law, q the draft's

Under `standard` a drafted token that is put to the test is rejected with chance TV(p, q) = sum max(p - q, 0), so the
sum of these over all tests is what rejections should number: a check of the engine.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ramify.api.lm import LM, load
from ramify.api.services import problems
from ramify.api.speculate import Speculate, speculation_of
from ramify.core.errors import BadInput
from ramify.core.registry import lookup
from ramify.core.results import Result
from ramify.core.strict import finite, whole
from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.speculate.advise import (
    AUTO,
    Costs,
    Counts,
    Estimate,
    Forecast,
    Place,
    best_setting,
    forecasts,
    median_of,
    places,
)
from ramify.speculate.controller import LENGTHS, Controller
from ramify.speculate.drafter import Drafter
from ramify.speculate.drafters.function import FunctionDrafter
from ramify.speculate.drafters.lookup import LookupDrafter
from ramify.speculate.plan import Always, Plan, chain
from ramify.speculate.shapes import Shape
from ramify.speculate.speculation import Speculation
from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier

TESTED = 8  # tokens of the chain by which acceptance is measured
ROWS = (1, 2, 4, 8, 16, 32)  # of a branch in a step, for the curve of costs
DRAFTS = (1, 2, 4, 8, 16)  # lengths of chains, for what drafting costs
SAMPLED = 24  # tokens of a run that only times steps, beside one whole draft
TURNS = 3  # such runs of every size
Say = Callable[[str], None]


@dataclass(frozen=True)
class Rejections:
    """Tests of drafted tokens under `standard`: rejections, how many the laws foretell, and its standard error."""

    tests: int
    rejected: int
    expected: float
    error: float


@dataclass(frozen=True)
class Advice:
    """What `advise` found. `acceptance` is of the rule that was asked for, `standard` None if the draft has no laws."""

    acceptance: Sequence[Place]
    standard: Sequence[Place] | None
    rejections: Rejections | None
    drafted: float  # share of steps that had a draft
    costs: Costs
    settings: Sequence[Forecast]
    best: int | str

    @property
    def token_cost(self) -> float:
        """What a drafted token costs, in plain steps."""
        return self.costs.draft(TESTED) / TESTED / self.costs.step(1)


@dataclass(frozen=True)
class Runs:
    """The prompts and how they are answered."""

    lm: LM
    prompts: Sequence[str]
    batch: int
    max_tokens: int
    temperature: float
    seed: int

    def chunks(self) -> range:
        """Where batches start."""
        return range(0, len(self.prompts), self.batch)

    def answer(self, start: int, **options: Any) -> list[Result]:
        """One batch."""
        wish = {"temperature": self.temperature, "max_tokens": self.max_tokens, "n": 1} | options
        return self.lm.search_many(self.prompts[start : start + self.batch], seed=self.seed + start, **wish)


def advise(
    model: str | Path,
    draft: str | Path,
    *,
    data: Path | None = None,
    n_prompts: int = 32,
    max_tokens: int = 96,
    temperature: float = 1.0,
    batch: int = 1,
    verifier: str = "coupled",
    rounds: int = 5,
    seed: int = 0,
    progress: Say = lambda text: None,
    **options: Any,
) -> Advice:
    """Whether to draft for a model with this draft, and how far.

    Args:
        data: prompts, a line each: {"prompt": ...}; None takes the built-in problems.
        batch: prompts answered at once.
        rounds: times that every setting answers all prompts.
        **options: of `load`.

    Raises:
        BadInput: an option is out of range, or the file holds no prompts. What `load` raises.
    """
    for name, value in (("n_prompts", n_prompts), ("max_tokens", max_tokens), ("batch", batch), ("rounds", rounds)):
        whole(name, value, 1, 1 << 20)
    finite("temperature", temperature, 0.0, 100.0)
    prompts = prompts_of(data, n_prompts) if data else [problem.prompt for problem in problems(n_prompts, seed)]
    wish, batch = Speculate(draft=draft, verifier=verifier), min(batch, len(prompts))
    with load(model, speculate=wish, row_budget=max(512, batch * (ROWS[-1] + 1)), **options) as lm:
        speculation = lm.engine.speculator
        assert isinstance(speculation, Speculation)
        bench = _Bench(Runs(lm, prompts, batch, max_tokens, temperature, seed), speculation, wish, progress)
        return bench.advice(rounds)


def prompts_of(path: Path, most: int) -> list[str]:
    """The first prompts of a file with one {"prompt": text} a line; blank lines and further keys are passed over.

    Raises:
        BadInput: no such file, a line that is no such object, or no line at all.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("data", f"{path}: cannot be read ({error})") from error
    found = list[str]()
    for number, line in enumerate(lines, start=1):
        if line.strip() and len(found) < most:
            try:
                prompt = json.loads(line)["prompt"]
            except (ValueError, RecursionError, TypeError, KeyError):
                prompt = None
            if not isinstance(prompt, str) or not prompt:
                raise BadInput("data", f'{path}, line {number}: {{"prompt": "a text"}} is expected')
            found.append(prompt)
    if not found:
        raise BadInput("data", f"{path}: no prompts")
    return found


class _Bench:
    """The measurements, one after another."""

    def __init__(self, runs: Runs, speculation: Speculation, wish: Speculate, progress: Say) -> None:
        self.runs, self.speculation, self.wish, self.progress = runs, speculation, wish, progress

    def advice(self, rounds: int) -> Advice:
        verifier, has_laws = self.speculation.verifier, self.speculation.drafter.has_laws
        standard = _Watched(lookup("verifier", "standard"))
        lawful = self._counts(standard.verifier) if has_laws else None
        counts = lawful if lawful and verifier.name == "standard" else self._counts(verifier)
        costs = Costs(self._step_costs(), self._draft_costs())
        told = forecasts(counts, costs, LENGTHS, self.runs.seed)
        predicted: dict[int | str, Estimate] = {AUTO: max(told, key=lambda each: each.value)}
        predicted |= zip(LENGTHS, told, strict=True)
        measured = self._measured(rounds)
        settings = [Forecast(name, predicted[name], measured[name]) for name in (*LENGTHS, AUTO)]
        draws = sum(each.draws for each in counts)
        return Advice(
            places(counts),
            places(lawful) if lawful else None,
            standard.rejections() if lawful else None,
            sum(each.rounds for each in counts) / draws if draws else 0.0,
            costs,
            settings,
            best_setting(settings),
        )

    def _counts(self, verifier: Verifier) -> list[Counts]:
        self.progress(f"acceptance under {verifier.name}, chains of {TESTED}")
        self._install(self._fresh(), verifier, Always(chain(TESTED)))
        results = [result for start in self.runs.chunks() for result in self.runs.answer(start)]
        return [Counts.of(result.ledger.draws, result.ledger.drafts) for result in results]

    def _step_costs(self) -> dict[int, float]:
        """Steps with drafts that are filled up with anything: what rows cost does not depend on what they hold."""
        filler = _Filler(self.speculation.vocab_size, lawful="given" not in self.speculation.verifier.hows)
        drafter = FunctionDrafter(filler, self.speculation.vocab_size, reads_laws=filler.lawful)
        clocks = {rows: _Clock(rows - 1) for rows in ROWS}
        for turn in range(TURNS + 1):
            for rows, clock in clocks.items():
                self.progress(f"steps of {rows} rows")
                self._time(drafter, clock, turn)
                if turn == 0:
                    clock.steps.clear()  # the first time compiles
        wanted = {rows: self.runs.batch * rows for rows in ROWS}
        return {rows: _undisturbed(c.steps[wanted[rows]]) for rows, c in clocks.items() if c.steps.get(wanted[rows])}

    def _draft_costs(self) -> dict[int, float]:
        clocks = {length: _Clock(length) for length in DRAFTS}
        for turn in range(TURNS):
            for length, clock in clocks.items():
                self.progress(f"drafts of {length} tokens")
                self._time(self.speculation.drafter, clock, turn)
        return {length: _undisturbed(clock.drafts) for length, clock in clocks.items() if clock.drafts}

    def _time(self, drafter: Drafter, clock: "_Clock", turn: int) -> None:
        self._install(drafter, self.speculation.verifier, clock)
        starts = [start for start in self.runs.chunks() if start + self.runs.batch <= len(self.runs.prompts)]
        self.runs.answer(starts[turn % len(starts)], max_tokens=SAMPLED + clock.length, ignore_eos=True)

    def _measured(self, rounds: int) -> dict[int | str, Estimate]:
        """Tokens a second over plain decoding's: the ways take turns at every batch, a median over rounds."""
        ratios: dict[int | str, list[float]] = {setting: [] for setting in (*LENGTHS, AUTO)}
        controller = Controller()
        for number in range(rounds + 1):
            self.progress(f"round {number} of {rounds}" if number else "warming up")
            ways: dict[int | str, Speculation] = {AUTO: self._way(controller)}
            ways |= {length: self._way(Always(chain(length))) for length in LENGTHS if length}
            rates = self._round(ways)
            for setting in ratios if number else ():
                ratios[setting].append(rates[setting] / rates[0])
        return {setting: median_of(values, self.runs.seed) for setting, values in ratios.items()}

    def _round(self, ways: Mapping[int | str, Speculation]) -> dict[int | str, float]:
        seconds: dict[int | str, float] = dict.fromkeys((0, *ways), 0.0)
        tokens = dict.fromkeys(seconds, 0)
        for start in self.runs.chunks():
            for setting in seconds:
                if setting:
                    self.runs.lm.engine.speculator = ways[setting]
                began = perf_counter()
                results = self.runs.answer(start, speculate=bool(setting))
                seconds[setting] += perf_counter() - began
                tokens[setting] += sum(result.ledger.generated_tokens for result in results)
        return {setting: tokens[setting] / seconds[setting] for setting in seconds}

    def _way(self, plan: Plan) -> Speculation:
        return Speculation(self._fresh(), self.speculation.verifier, plan, self.speculation.vocab_size)

    def _fresh(self) -> Drafter:
        """A look-up that has learnt nothing: one that has seen these very texts would know them by heart."""
        if not isinstance(self.speculation.drafter, LookupDrafter):
            return self.speculation.drafter
        return speculation_of(self.wish, self.runs.lm.engine.target, _no_model).drafter

    def _install(self, drafter: Drafter, verifier: Verifier, plan: Plan) -> None:
        self.runs.lm.engine.speculator = Speculation(drafter, verifier, plan, self.speculation.vocab_size)


def _undisturbed(seconds: Sequence[float]) -> float:
    """The lower decile: other work on the machine only ever adds, to long steps more often than to short ones."""
    return float(np.quantile(seconds, 0.1))


def _no_model(wish: str | Path, layers: int | None) -> Model:
    raise AssertionError(f"a look-up loads no model, and {wish!r} was wanted")


class _Watched:
    """A rule that notes at every test how far the two laws are apart."""

    def __init__(self, verifier: Verifier) -> None:
        self.inner, self.distances, self.rejected = verifier, list[float](), 0
        self.verifier = replace(verifier, accept=self.accept)

    def accept(self, p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
        accepted = self.inner.accept(p, tree, chance)
        rejected = len(accepted.path) < len(tree.tokens)
        for node in range(len(accepted.path) + rejected):
            self.distances.append(float(np.maximum(p[node] - tree.laws[node - 1], 0.0).sum()))
        self.rejected += rejected
        return accepted

    def rejections(self) -> Rejections:
        error = sqrt(sum(far * (1.0 - min(1.0, far)) for far in self.distances))
        return Rejections(len(self.distances), self.rejected, sum(self.distances), error)


class _Filler:
    """Drafts one token over and over."""

    def __init__(self, vocab_size: int, *, lawful: bool) -> None:
        self.lawful, self.law_V = lawful, np.eye(1, vocab_size)[0]

    def __call__(self, tokens: Sequence[int], most: int) -> TokenTree:
        parents = tuple(range(-1, most - 1))
        laws = dict.fromkeys(parents, self.law_V) if self.lawful else {}
        return TokenTree((0,) * most, parents, laws, "iid" if self.lawful else "given")


@dataclass
class _Clock:
    """A plan of one length that keeps the times: of steps by their rows, and of drafting."""

    length: int
    steps: dict[int, list[float]] = field(default_factory=dict)
    drafts: list[float] = field(default_factory=list)
    drafting: float = 0.0  # in the step under way, reading included

    def shapes(self, branches: Sequence[Branch], most: Mapping[int, int], rows: int) -> Sequence[Shape | None]:
        """One each; nothing behind whom no whole chain fits."""
        self.drafting = 0.0
        if not self.length:
            return []
        found = [chain(self.length) if most[branch.id] >= self.length else None for branch in branches]
        return found if any(found) else []

    def drafted(self, branches: int, reading: float, seconds: float, trees: Mapping[int, Any]) -> None:
        """Of all branches together."""
        self.drafting = reading + seconds
        self.drafts.append(seconds)

    def learn(self, branch: Branch, accepted: int, tested: int) -> None:
        """Nothing to learn."""

    def took(self, branches: int, rows: int, seconds: float) -> None:
        """The target's share."""
        self.steps.setdefault(rows, []).append(seconds - self.drafting)

    def forget(self, branch: Branch) -> None:
        """Nothing to forget."""
