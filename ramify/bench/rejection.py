"""What rejecting early saves: tokens that best-of-n needs for the reward that speculative rejection reaches.

Both run on the same problems with the same reward model, and both read what several candidates have in common once: a
token counts when the target reads it, not when a sibling draws the same. Best-of-n's reward and tokens for every n come
from one large group of M draws a problem, without bias. Of n among M draws without replacement,

    E[max of n]   = sum_i r_(i) * C(i - 1, n - 1) / C(M, n)      r_(1) <= ... <= r_(M)
    E[tokens]     = sum_v 1 - C(M - c_v, n) / C(M, n)            v a beginning of drawn texts, c_v draws begin so

so its curve is smooth, and the n that reaches a given reward can be read off it.

Rejecting early pays where most candidates go wrong and do so early. The bound stands on a weak writer under a strong
judge: the built-in draft, one of whose samples in ten is right, and `builtin-prm`. Beside it stand the target on hard
problems at a temperature at which it slips often, and the target on the usual ones, where half of all samples are
right: best-of-n has little left to find there after a few of them, and so rejection has little left to save.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, lgamma
from random import Random
from statistics import fmean
from typing import Any

from ramify.api import LM, load, problems
from ramify.bench.measure import Row, row
from ramify.core.ledger import Ledger
from ramify.core.results import Result
from ramify.core.types import Budget

PROBLEMS = 20
DRAWS = 512  # a problem, for best-of-n's curve
CANDIDATES = 256
RUNS = 4  # of speculative rejection on every problem
PAGE_SIZE = 1  # pages as fine as tokens: the budget below is in tokens
ROOM = 1.5  # tokens a candidate that fit at the start
REWARD = "builtin-prm"
RESAMPLES = 500


@dataclass(frozen=True)
class Setting:
    """A writer, problems, and a temperature."""

    name: str
    model: str
    task: str
    temperature: float
    bound: float | None


SETTINGS = (
    Setting("tokens_at_equal_reward", "builtin-draft", "builtin", 1.0, 4.0),
    Setting("target, hard problems", "builtin", "builtin-hard", 1.5, None),
    Setting("target, usual problems", "builtin", "builtin", 1.0, None),
)


@dataclass(frozen=True)
class Group:
    """Best-of-n's draws of one problem: their rewards in order, and how many draws share each beginning."""

    rewards: Sequence[float]
    shared: Counter[int]  # draws that begin with it -> beginnings that are read
    prompt: int

    @classmethod
    def of(cls, result: Result) -> "Group":
        """Every draw of a best-of-n."""
        texts = [c.token_ids for c in result.candidates]
        begun = Counter(tuple(text[:end]) for text in texts for end in range(1, len(text)))
        return cls(
            sorted(c.score or 0.0 for c in result.candidates), Counter(begun.values()), result.ledger.prompt_tokens
        )

    def reward(self, n: int) -> float:
        """The expected best of n."""
        return expected_maximum(self.rewards, n)

    def tokens(self, n: int) -> float:
        """Tokens that the target is expected to read for n."""
        most = len(self.rewards)
        missed = {
            c: exp(_log_choose(most - c, n) - _log_choose(most, n)) if most - c >= n else 0.0 for c in self.shared
        }
        return self.prompt + sum(count * (1.0 - missed[c]) for c, count in self.shared.items())


@dataclass(frozen=True)
class Rejection:
    """What speculative rejection reached on one problem: the chosen one's reward, and tokens that the target read."""

    reward: float
    tokens: float


def run(*, seed: int = 0, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Rows tokens_at_equal_reward (ratio), recomputed, reward_tokens, and the same ratio for other writers."""
    ledger, rows = Ledger(), list[Row]()
    for setting in SETTINGS:
        with load(setting.model, page_size=PAGE_SIZE, kv_gib=1.0) as lm:
            rows.append(_measure(lm, setting, seed, ledger, progress))
    read = ledger.model(REWARD).tokens / (ledger.generated_tokens + ledger.prompt_tokens)
    rows[1:1] = [
        row("recomputed", float(ledger.recomputed_tokens), "tokens", 0.0, most=True),
        row("reward_tokens", read, "of tokens drawn and prompts", 1.05, most=True),
    ]
    return rows


def _measure(lm: LM, setting: Setting, seed: int, ledger: Ledger, progress: Callable[[str], None]) -> Row:
    prompts = [problem.prompt for problem in problems(PROBLEMS, seed, setting.task)]
    groups, rejections = list[Group](), list[Rejection]()
    for i, prompt in enumerate(prompts, 1):
        progress(f"{setting.name}: problem {i} of {PROBLEMS}")
        draws = _search(lm, prompt, setting, "best-of-n", seed, n=DRAWS)
        groups.append(Group.of(draws))
        pages = int(len(lm.encode(prompt)) + CANDIDATES * ROOM) // PAGE_SIZE
        seeds = range(seed + 1, seed + 1 + RUNS)
        budget = Budget(pages=pages)
        method = "speculative-rejection"
        runs = [_search(lm, prompt, setting, method, s, n=CANDIDATES, budget=budget) for s in seeds]
        for result in runs:
            ledger.add(result.ledger)
        tokens = fmean(result.ledger.model("target").tokens for result in runs)
        rejections.append(Rejection(fmean(result.best.score or 0.0 for result in runs), tokens))
    ratio, n = compared(groups, rejections)
    reached = {"reward": fmean(r.reward for r in rejections), "tokens": fmean(r.tokens for r in rejections)}
    more: dict[str, Any] = {"baseline": "best-of-n", "ratio": ratio, "best_of_n": n, **reached}
    more |= {"interval": interval(groups, rejections, seed), "curve": list(_curve(groups))}
    return row(setting.name, ratio, "times as many", setting.bound, **more)


def compared(groups: Sequence[Group], rejections: Sequence[Rejection]) -> tuple[float, float]:
    """How many times as many tokens best-of-n reads for the same mean reward, and its n."""
    n = samples_for([g.rewards for g in groups], fmean(r.reward for r in rejections))
    low, share = int(n), n - int(n)
    at = [fmean(g.tokens(k) for g in groups) for k in (low, min(low + 1, len(groups[0].rewards)))]
    return (at[0] + share * (at[1] - at[0])) / fmean(r.tokens for r in rejections), n


def interval(groups: Sequence[Group], rejections: Sequence[Rejection], seed: int) -> list[float]:
    """95% of the ratio, by drawing problems again."""
    random, ratios = Random(f"interval/{seed}"), list[float]()
    for _ in range(RESAMPLES):
        chosen = random.choices(range(len(groups)), k=len(groups))
        ratios.append(compared([groups[i] for i in chosen], [rejections[i] for i in chosen])[0])
    ratios.sort()
    return [ratios[int(0.025 * RESAMPLES)], ratios[int(0.975 * RESAMPLES)]]


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


def _curve(groups: Sequence[Group]) -> Iterator[dict[str, float]]:
    n = 1
    while n <= len(groups[0].rewards):
        yield {"n": n, "reward": fmean(g.reward(n) for g in groups), "tokens": fmean(g.tokens(n) for g in groups)}
        n *= 2


def _search(lm: LM, prompt: str, setting: Setting, method: str, seed: int, **options: Any) -> Result:
    temperature = setting.temperature
    return lm.search(prompt, method, seed=seed, reward=REWARD, temperature=temperature, max_tokens=200, **options)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
