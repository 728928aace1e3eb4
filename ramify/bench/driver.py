"""What merging buys: 64 searches submitted together against the same searches one after another."""

from collections.abc import Callable

from ramify.api import LM, load
from ramify.bench.measure import Row, interleaved, row
from ramify.core.registry import lookup
from ramify.core.results import Result

SEARCHES = 64
MAX_TOKENS = 64


def run(*, model: str = "builtin", seed: int = 0, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Time both ways, interleaved; then compare their results token for token in exact mode.

    Returns: rows together (ratio: times as fast) and same_tokens (1 if all results are equal in exact mode).
    """
    prompts = [lookup("problem", "generate")(seed, index, "held_out").prompt for index in range(SEARCHES)]
    with load(model) as lm:
        progress("64 searches together and one after another, interleaved")
        ways = {"one by one": lambda: _one_by_one(lm, prompts, seed), "together": lambda: _together(lm, prompts, seed)}
        timing = interleaved(ways)
    with load(model, mode="exact") as lm:
        progress("the same in exact mode, token for token")
        apart, merged = _one_by_one(lm, prompts, seed), _together(lm, prompts, seed)
    same = [a.best.token_ids == b.best.token_ids for a, b in zip(apart, merged, strict=True)]
    ratio = timing.ratio("one by one", "together")
    more = {"ratio": ratio, "baseline": "one after another", "foreign_cores": timing.foreign}
    return [
        row("together", ratio, "times as fast", 4.0, seconds=timing.median("together"), **more),
        row("same_tokens", float(all(same)), "of 1", 1.0, searches=SEARCHES, equal=sum(same)),
    ]


def _together(lm: LM, prompts: list[str], seed: int) -> list[Result]:
    return lm.search_many(prompts, "sample", seed=seed, max_tokens=MAX_TOKENS, temperature=1.0)


def _one_by_one(lm: LM, prompts: list[str], seed: int) -> list[Result]:
    options = {"max_tokens": MAX_TOKENS, "temperature": 1.0}
    return [lm.search(prompt, "sample", seed=seed + i, **options) for i, prompt in enumerate(prompts)]
