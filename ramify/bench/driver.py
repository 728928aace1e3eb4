"""What merging buys: 64 searches submitted together against the same searches one after another."""

from collections.abc import Callable

from ramify.api import LM, load, problems
from ramify.bench.measure import Row, interleaved, row
from ramify.core.results import Result

SEARCHES = 64
MAX_TOKENS = 64


def run(*, model: str = "builtin", seed: int = 0, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Time both ways, interleaved; then compare their results token for token in exact mode.

    Returns: rows together (ratio: times as fast), same_tokens (1 if all results are equal in exact mode), and
    exact_cost (times as long as fast mode in float32 takes).
    """
    prompts = [problem.prompt for problem in problems(SEARCHES, seed)]
    with load(model, dtype="float32") as lm, load(model, mode="exact") as exact:
        progress("64 searches together and one after another, interleaved")
        ways = {
            "one by one": lambda: _one_by_one(lm, prompts, seed),
            "together": lambda: _together(lm, prompts, seed),
            "exact": lambda: _together(exact, prompts, seed),
        }
        timing = interleaved(ways)
        progress("the same in exact mode, token for token")
        apart, merged = _one_by_one(exact, prompts, seed), _together(exact, prompts, seed)
    same = [a.best.token_ids == b.best.token_ids for a, b in zip(apart, merged, strict=True)]
    gain, cost = timing.ratio("one by one", "together"), timing.ratio("exact", "together")
    return [
        row("together", gain, "times as fast", 4.0)
        | {"ratio": gain, "baseline": "one after another", "foreign_cores": timing.foreign},
        row("same_tokens", float(all(same)), "of 1", 1.0) | {"searches": SEARCHES, "equal": sum(same)},
        row("exact_cost", cost, "times as long") | {"ratio": cost, "baseline": "fast mode, float32"},
    ]


def _together(lm: LM, prompts: list[str], seed: int) -> list[Result]:
    return lm.search_many(prompts, "sample", seed=seed, max_tokens=MAX_TOKENS, temperature=1.0)


def _one_by_one(lm: LM, prompts: list[str], seed: int) -> list[Result]:
    return [
        lm.search(prompt, "sample", seed=seed + i, max_tokens=MAX_TOKENS, temperature=1.0)
        for i, prompt in enumerate(prompts)
    ]
