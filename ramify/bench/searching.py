"""What searching costs beside its tokens: step searches against best-of-n, chains against a loop that starts afresh.

Step searches stop at every step, score, fork and drop. Their time for a drawn token is compared with best-of-n's, which
does nothing of the kind: what is above 1 is the price of the search itself.

Markov chains over texts propose by drawing a suffix anew. The loop they are compared with does what the papers' code
does: one chain, one proposal at a time, the prefix read again for each and the whole text by the reward. It runs on the
same engine with the same model, kernels, reward and law; pages are so large that no prefix is ever found again.
"""

from collections.abc import Callable, Sequence
from math import log
from random import Random
from typing import Any

from ramify.api import LM, load, problems
from ramify.bench.measure import Row, Timing, interleaved, row
from ramify.core.results import Result
from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Prompt

PROBLEMS, CANDIDATES, WIDTH = 8, 64, 4
CHAINS, STEPS, NAIVE_STEPS = 64, 8, 16
REWARD = "builtin-prm"
SEARCH_BOUND, CHAIN_BOUND = 1.3, 10.0
Progress = Callable[[str], None]


def run(*, model: str = "builtin", seed: int = 0, progress: Progress = lambda text: None) -> list[Row]:
    """Time all of them, interleaved.

    Returns: rows beam_vs_best_of_n, dvts_vs_best_of_n (seconds a drawn token, times best-of-n's), qalign_vs_naive and
    power_vs_naive (proposals a second, times the loop's), and what is recomputed (none of it).
    """
    prompts = [problem.prompt for problem in problems(PROBLEMS, seed)]
    with load(model) as lm:
        progress("step searches and best-of-n, interleaved")
        rows = _searches(lm, prompts, seed)
        with load(model, page_size=lm.engine.target.runner.max_positions) as naive:
            progress("chains and a loop that starts afresh, interleaved")
            rows += _chains(lm, naive, prompts[0], seed)
    return rows


def _searches(lm: LM, prompts: Sequence[str], seed: int) -> list[Row]:
    drawn, recomputed = dict[str, int](), 0

    def way(method: str, **options: Any) -> Callable[[], None]:
        def once() -> None:
            nonlocal recomputed
            results = lm.search_many(prompts, method, n=CANDIDATES, reward=REWARD, seed=seed, **options)
            drawn[method] = sum(result.ledger.generated_tokens for result in results)
            recomputed += sum(result.ledger.recomputed_tokens for result in results)

        return once

    ways = {"best-of-n": way("best-of-n"), "beam": way("beam", width=WIDTH), "dvts": way("dvts", width=WIDTH)}
    timing = interleaved(ways)
    rows = [_price(name, timing, drawn) for name in ("beam", "dvts")]
    return [*rows, row("recomputed_tokens", float(recomputed), "tokens", 0.0, most=True)]


def _price(name: str, timing: Timing, drawn: dict[str, int]) -> Row:
    price = timing.ratio(name, "best-of-n") * drawn["best-of-n"] / drawn[name]
    more = {"ratio": price, "baseline": "best-of-n", "tokens": drawn[name], "foreign_cores": timing.foreign}
    return row(f"{name}_vs_best_of_n", price, "times as long, a drawn token", SEARCH_BOUND, most=True) | more


def _chains(lm: LM, naive: LM, prompt: str, seed: int) -> list[Row]:
    def together(method: str, **options: Any) -> Callable[[], Result]:
        return lambda: lm.search(prompt, method, chains=CHAINS, steps=STEPS, seed=seed, **options)

    ways: dict[str, Callable[[], object]] = {
        "qalign": together("qalign", reward=REWARD),
        "qalign loop": lambda: Loop(naive, prompt, seed).qalign(NAIVE_STEPS),
        "power": together("power-sampling", **POWER),
        "power loop": lambda: Loop(naive, prompt, seed).power(NAIVE_STEPS),
    }
    timing, ours = interleaved(ways), (CHAINS * STEPS) / NAIVE_STEPS
    rows = []
    for name in ("qalign", "power"):
        gain = timing.ratio(f"{name} loop", name) * ours
        more = {"ratio": gain, "baseline": "one proposal at a time, prefixes read again", "chains": CHAINS}
        rows.append(row(f"{name}_vs_naive", gain, "times the proposals a second", CHAIN_BOUND) | more)
    return rows


ALPHA = 2.0
POWER: dict[str, Any] = {"alpha": ALPHA}


class Loop:
    """One chain, one proposal at a time: a branch of its own for each, read from the prompt's first token."""

    def __init__(self, lm: LM, prompt: str, seed: int) -> None:
        self.lm, self.tokens, self.seed = lm, tuple(lm.encode(prompt)), seed
        self.reward, self.dice, self.made = lm.reward(REWARD), Random(seed), 0

    def qalign(self, steps: int) -> int:
        """Metropolis-Hastings on p(y) exp(r(y)); returns how often it moved."""
        return self._chain(Sampling(), steps, lambda y: self.lm.engine.score([y], self.reward)[0])

    def power(self, steps: int) -> int:
        """Metropolis-Hastings on p(y)^alpha, proposals at temperature 1 / alpha; returns how often it moved."""
        sampling = Sampling(temperature=1 / ALPHA, logprobs=0, logprobs_mode="both")

        def log_weight(y: Branch) -> float:
            return sum(ALPHA * entry.logprob - (entry.drawn or 0.0) for entry in y.logprobs)

        return self._chain(sampling, steps, log_weight)

    def _chain(self, sampling: Sampling, steps: int, log_weight: Callable[[Branch], float]) -> int:
        (y, weight), moved = self._draw(sampling, None, 0, log_weight), 0
        for _ in range(steps):
            cut = self.dice.randrange(y.num_generated)
            new, proposed = self._draw(sampling, y, cut, log_weight)
            if log(self.dice.random() or 1e-300) < proposed - weight + log(y.num_generated / new.num_generated):
                y, weight, moved = new, proposed, moved + 1
        return moved

    def _draw(
        self, sampling: Sampling, y: Branch | None, cut: int, log_weight: Callable[[Branch], float]
    ) -> tuple[Branch, float]:
        """A text that begins as `y` does; dropped again, so that nothing of it is found a second time."""
        self.made += 1
        engine = self.lm.engine
        branch = engine.open(Prompt(self.tokens, sampling, self.seed + self.made))
        if y is not None:
            branch.tokens += y.generated[:cut]
            branch.logprobs += y.logprobs[:cut]
        engine.advance([branch], branch.max_length - len(branch.tokens))
        weight = log_weight(branch)
        engine.drop([branch])
        return branch, weight
