"""What drafting should gain: from counts of acceptance and seconds of steps to speed-ups, and what to take.

    K    tokens of a drafted chain      a_d  chance that a token at depth d passes, given that all above it did
    c    share of steps that had a draft at all (a look-up often has none)
    E(K) = 1 + c (a_1 + a_1 a_2 + ... + a_1 .. a_K), tokens that a look of the target gives

    speed-up(K) = E(K) step(1) / (c step(1 + K) + (1 - c) step(1) + draft(K))

Leviathan et al., arXiv:2211.17192, where a is the same at every depth and step(1 + K) = step(1). Here nothing is
assumed of either. What it leaves out: prompts, which drafts do not shorten, and the tokens drafted past a text's end.
Beyond the last depth that was tested, a_d is believed to stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from ramify.core.ledger import DraftAccount

Z = 1.959964  # two-sided 95%
RESAMPLES = 2000
GAIN = 1.02  # less is within the error of its measurement
ALIKE = 0.97  # of the best: whoever comes as close may be preferred for other reasons
AUTO, OFF = "auto", "off"


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Counts:
    """What became of the drafts behind one prompt: looks of the target, drafts, and both counts by depth."""

    draws: int
    rounds: int
    tried: Sequence[int]
    passed: Sequence[int]

    @classmethod
    def of(cls, draws: int, account: DraftAccount) -> "Counts":
        """Those of a ledger."""
        return cls(draws, account.rounds, tuple(account.tried), tuple(account.accepted_at))


@dataclass(frozen=True)
class Place:
    """Acceptance at one depth, counted from 1."""

    depth: int
    tried: int
    passed: int
    chance: Estimate


@dataclass(frozen=True)
class Costs:
    """Seconds: of a step in which each branch has so many rows, and of drafting a chain of so many tokens."""

    steps: Mapping[int, float]
    drafts: Mapping[int, float]

    def step(self, rows: int) -> float:
        """On the line between the measured sizes."""
        return _between(self.steps, rows)

    def draft(self, length: int) -> float:
        """No tokens take no time."""
        return _between({0: 0.0, **self.drafts}, length)


@dataclass(frozen=True)
class Forecast:
    """One setting: "auto" or the length of the chain, as predicted and as measured, over plain decoding."""

    setting: int | str
    predicted: Estimate
    measured: Estimate


def expected_tokens(chances: Sequence[float], length: int, drafted: float = 1.0) -> float:
    """E(K). Without any chance it is 1."""
    total, reached = 0.0, 1.0
    for depth in range(length if chances else 0):
        reached *= chances[min(depth, len(chances) - 1)]
        total += reached
    return 1.0 + drafted * total


def speed_up(chances: Sequence[float], length: int, costs: Costs, drafted: float = 1.0) -> float:
    """Predicted tokens a second over those of plain decoding."""
    plain = costs.step(1)
    if length == 0:
        return 1.0
    step = drafted * costs.step(1 + length) + (1.0 - drafted) * plain
    return expected_tokens(chances, length, drafted) * plain / (step + costs.draft(length))


def places(counts: Sequence[Counts]) -> list[Place]:
    """Acceptance by depth with Wilson's interval, at the effective number of tests: those of one prompt are alike."""
    found = list[Place]()
    for depth, (tried_P, passed_P) in enumerate(_by_depth(counts), start=1):
        tried, passed = int(tried_P.sum()), int(passed_P.sum())
        if tried:
            found.append(Place(depth, tried, passed, _wilson(passed / tried, _effective(tried_P, passed_P))))
    return found


def forecasts(counts: Sequence[Counts], costs: Costs, lengths: Sequence[int], seed: int = 0) -> list[Estimate]:
    """Predicted speed-ups, with intervals over prompts (bootstrap; the costs stand as measured)."""
    draws = np.random.default_rng(seed).integers(len(counts), size=(RESAMPLES, len(counts)))
    values = [_predicted(counts, costs, lengths)]
    values += [_predicted([counts[i] for i in row], costs, lengths) for row in draws]
    low_K, high_K = np.quantile(np.array(values), (0.025, 0.975), axis=0)
    return [Estimate(*each) for each in zip(values[0], low_K.tolist(), high_K.tolist(), strict=True)]


def median_of(ratios: Sequence[float], seed: int = 0) -> Estimate:
    """The median over rounds, with a bootstrap interval."""
    values_R = np.asarray(ratios, dtype=float)
    drawn_SR = values_R[np.random.default_rng(seed).integers(len(values_R), size=(RESAMPLES, len(values_R)))]
    low, high = np.quantile(np.median(drawn_SR, axis=1), (0.025, 0.975))
    return Estimate(float(np.median(values_R)), float(low), float(high))


def best_setting(found: Sequence[Forecast]) -> int | str:
    """What was measured best: "off" unless it surely gains, and "auto" where that is as good, since it adapts."""
    best = max(found, key=lambda each: each.measured.value)
    if best.measured.value < GAIN or best.measured.low <= 1.0:
        return OFF
    alike = [each for each in found if each.measured.value >= ALIKE * best.measured.value]
    return AUTO if any(each.setting == AUTO for each in alike) else best.setting


def _predicted(counts: Sequence[Counts], costs: Costs, lengths: Sequence[int]) -> list[float]:
    chances = [float(passed.sum() / tried.sum()) for tried, passed in _by_depth(counts) if tried.sum()]
    draws = sum(each.draws for each in counts)
    drafted = sum(each.rounds for each in counts) / draws if draws else 0.0
    return [speed_up(chances, length, costs, drafted) for length in lengths]


def _by_depth(counts: Sequence[Counts]) -> list[tuple[np.ndarray, np.ndarray]]:
    depth = max((len(each.tried) for each in counts), default=0)
    tried_PD, passed_PD = np.zeros((len(counts), depth)), np.zeros((len(counts), depth))
    for row, each in enumerate(counts):
        tried_PD[row, : len(each.tried)] = each.tried
        passed_PD[row, : len(each.passed)] = each.passed
    return list(zip(tried_PD.T, passed_PD.T, strict=True))


def _effective(tried_P: np.ndarray, passed_P: np.ndarray) -> float:
    """How many independent tests would have the standard error that the prompts show; never more than there were."""
    tried, prompts = float(tried_P.sum()), int((tried_P > 0).sum())
    chance = float(passed_P.sum()) / tried
    spread = float(((passed_P - chance * tried_P) ** 2).sum()) / tried**2
    if prompts < 2 or spread == 0.0:
        return tried
    return min(tried, chance * (1.0 - chance) / (spread * prompts / (prompts - 1)))


def _wilson(p: float, n: float) -> Estimate:
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Estimate(p, max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half)))


def _between(seconds: Mapping[int, float], size: int) -> float:
    """Beyond the largest measured size it goes on as it did last."""
    sizes = sorted(seconds)
    if not sizes:
        return nan
    if size > sizes[-1] and len(sizes) > 1:
        low, high = sizes[-2:]
        slope = max(0.0, (seconds[high] - seconds[low]) / (high - low))
        return seconds[high] + slope * (size - high)
    return float(np.interp(size, sizes, [seconds[at] for at in sizes]))
