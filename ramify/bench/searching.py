"""What searching costs beside its tokens: step searches against best-of-n, chains against a loop that starts afresh.

Step searches stop at every step, score, fork and drop. Their time for a drawn token is compared with best-of-n's, which
does nothing of the kind: what is above 1 is the price of the search itself.

Markov chains over texts propose by drawing a suffix anew. The loop they are compared with does what the papers' code
does: one chain, one proposal at a time, drawn by `transformers` from the same weights with the same law, the prefix
read again for each and the whole text by the same reward. The same loop on this engine stands beside it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ramify.api import LM, load, problems
from ramify.bench.chains import Generate, Loop
from ramify.bench.measure import Progress, Row, Timing, interleaved, row
from ramify.core.results import Result

PROBLEMS, CANDIDATES, WIDTH = 8, 64, 4
CHAINS, STEPS, NAIVE_STEPS = 64, 8, 8
ALPHA = 2.0  # of power sampling
BASELINES = {"naive": "transformers, one proposal at a time", "own_loop": "this engine, one proposal at a time"}
REWARD = "builtin-prm"
SEARCH_BOUND, CHAIN_BOUND = 1.3, 10.0


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
            rows += _chains(lm, naive, prompts[0], seed, model)
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


def _chains(lm: LM, naive: LM, prompt: str, seed: int, model: str) -> list[Row]:
    peer = Generate(model)

    def together(method: str, **options: Any) -> Callable[[], Result]:
        return lambda: lm.search(prompt, method, chains=CHAINS, steps=STEPS, seed=seed, **options)

    def loop(by: Generate | None = None) -> Loop:
        return Loop(naive, prompt, REWARD, seed, by)

    ways: dict[str, Callable[[], object]] = {
        "qalign": together("qalign", reward=REWARD),
        "qalign naive": lambda: loop(peer).qalign(NAIVE_STEPS),
        "qalign own_loop": lambda: loop().qalign(NAIVE_STEPS),
        "power": together("power-sampling", alpha=ALPHA, block=0),
        "power naive": lambda: loop(peer).power(NAIVE_STEPS, ALPHA),
        "power own_loop": lambda: loop().power(NAIVE_STEPS, ALPHA),
    }
    timing, ours = interleaved(ways), (CHAINS * STEPS) / NAIVE_STEPS
    rows = []
    for name in ("qalign", "power"):
        for way, bound in (("naive", CHAIN_BOUND), ("own_loop", None)):
            gain = timing.ratio(f"{name} {way}", name) * ours
            more = {"ratio": gain, "baseline": BASELINES[way], "chains": CHAINS, "foreign_cores": timing.foreign}
            rows.append(row(f"{name}_vs_{way}", gain, "times the proposals a second", bound) | more)
    return rows
