"""What rejecting early saves: tokens that best-of-n needs for the reward that speculative rejection reaches.

Both run on the same problems with the same reward and the same pages. Best-of-n's expected reward for every n comes
from one large group of draws a problem, without bias: the expected maximum of n of M draws without replacement,

    E[max of n] = sum_i r_(i) * C(i - 1, n - 1) / C(M, n)        r_(1) <= ... <= r_(M)

so its curve is smooth and the n that reaches a given reward can be read off it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, lgamma
from statistics import fmean
from typing import Any

from ramify.api import LM, load, problems
from ramify.bench.measure import Row, row
from ramify.core.ledger import Ledger
from ramify.core.results import Result
from ramify.core.types import Budget

PROBLEMS = 40
DRAWS = 512  # a problem, for best-of-n's curve
CANDIDATES = 128
PAGE_SIZE = 4
ROOM = 12  # generated tokens a candidate that fit at the start
REWARD = "builtin-prm"


@dataclass(frozen=True)
class Rejection:
    """What speculative rejection did on all problems."""

    reward: float  # mean of the chosen candidates'
    tokens: float  # generated, a problem
    ledger: Ledger


def run(*, model: str = "builtin", seed: int = 0, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Rows tokens_at_equal_reward (ratio), recomputed, reward_tokens, and the curve beside them."""
    with load(model, page_size=PAGE_SIZE, kv_gib=1.0) as lm:
        prompts = [problem.prompt for problem in problems(PROBLEMS, seed)]
        progress(f"best-of-{DRAWS} on {PROBLEMS} problems")
        draws = _search(lm, prompts, "best-of-n", seed, n=DRAWS)
        progress(f"speculative rejection from {CANDIDATES} candidates")
        rejection = _reject(lm, prompts, seed + 10_000)
    scores = [sorted(c.score or 0.0 for c in result.candidates) for result in draws]
    length = fmean(c.tokens for result in draws for c in result.candidates)
    n = samples_for(scores, rejection.reward)
    ratio = n * length / rejection.tokens
    ledger = rejection.ledger
    read = ledger.model(REWARD).tokens / (ledger.generated_tokens + ledger.prompt_tokens)
    curve = {str(k): fmean(expected_maximum(s, k) for s in scores) for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}
    more: dict[str, Any] = {"baseline": "best-of-n", "ratio": ratio, "reward": rejection.reward, "best_of_n": n}
    return [
        row("tokens_at_equal_reward", ratio, "times as many", 4.0, tokens=rejection.tokens, curve=curve, **more),
        row("recomputed", float(ledger.recomputed_tokens), "tokens", 0.0, most=True),
        row("reward_tokens", read, "of tokens drawn and prompts", 1.05, most=True),
    ]


def expected_maximum(scores: Sequence[float], n: int) -> float:
    """The expected maximum of n of these (sorted) scores, drawn without replacement."""
    most = len(scores)
    weights = [exp(_log_choose(i, n - 1) - _log_choose(most, n)) for i in range(n - 1, most)]
    return sum(w * s for w, s in zip(weights, scores[n - 1 :], strict=True))


def samples_for(scores: Sequence[Sequence[float]], reward: float) -> float:
    """The n whose mean expected maximum is `reward`, between whole numbers linearly; the group's size if none is."""
    low, high = 1, len(scores[0])
    if fmean(expected_maximum(s, high) for s in scores) <= reward:
        return float(high)
    while high - low > 1:
        middle = (low + high) // 2
        below = fmean(expected_maximum(s, middle) for s in scores) < reward
        low, high = (middle, high) if below else (low, middle)
    a, b = (fmean(expected_maximum(s, n) for s in scores) for n in (low, high))
    return low + min(1.0, max(0.0, (reward - a) / (b - a))) if b > a else float(low)


def _reject(lm: LM, prompts: Sequence[str], seed: int) -> Rejection:
    results = []
    for i, prompt in enumerate(prompts):  # pages follow the prompt, so that every problem has the same room
        tokens = int(len(lm.encode(prompt)) + CANDIDATES * (ROOM + PAGE_SIZE / 2))
        budget = Budget(pages=tokens // PAGE_SIZE)
        results += _search(lm, [prompt], "speculative-rejection", seed + i, n=CANDIDATES, budget=budget)
    ledger = Ledger()
    for result in results:
        ledger.add(result.ledger)
    reward = fmean(result.best.score or 0.0 for result in results)
    return Rejection(reward, ledger.generated_tokens / len(results), ledger)


def _search(lm: LM, prompts: Sequence[str], method: str, seed: int, **options: Any) -> list[Result]:
    return lm.search_many(prompts, method, seed=seed, reward=REWARD, temperature=1.0, max_tokens=200, **options)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
